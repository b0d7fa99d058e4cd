"""What the e2e tests share: machines that leave nothing behind, and two Kubos for tests with content of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pincrew.kubo_process import KuboProcess
from support.kubo_process import running_kubo
from support.machines import Crew, crew_in


@pytest.fixture
def crew(tmp_path: Path) -> Iterator[Crew]:
    """Machines of one test. Afterwards none of their processes is left, or the test fails."""
    with crew_in(tmp_path) as made:
        yield made


@pytest.fixture(scope="session")
def kubo(kubo_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KuboProcess]:
    """The curators' node. Tests share it: each has content of its own and does not stop the node."""
    with running_kubo(kubo_program, tmp_path_factory.mktemp("kubo")) as running:
        yield running


@pytest.fixture(scope="session")
def other_kubo(kubo_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KuboProcess]:
    """The followers' node, shared like the curators'."""
    with running_kubo(kubo_program, tmp_path_factory.mktemp("other-kubo")) as running:
        yield running
