"""What the tests of faults share: machines that leave nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.machines import Crew, crew_in


@pytest.fixture
def crew(tmp_path: Path) -> Iterator[Crew]:
    """Machines of one test. Afterwards none of their processes is left, or the test fails."""
    with crew_in(tmp_path) as made:
        yield made
