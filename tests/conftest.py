"""What every test gets: the rules about skips, and the real Kubo."""

from __future__ import annotations

import sys
from pathlib import Path

import hypothesis
import pytest

from support.kubo import NO_KUBO, find_kubo

# `python -m pytest` puts the clone on the path, where follow/ and trusted/ would pass for packages of those names. The
# product is imported as users have it: installed.
_CLONE = Path(__file__).parents[1]
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != _CLONE]

pytest_plugins = ["support.skips"]

# How long one example takes says how busy the machine is.
hypothesis.settings.register_profile("pincrew", deadline=None)
hypothesis.settings.load_profile("pincrew")


@pytest.fixture(scope="session")
def kubo_program() -> Path:
    """The ``ipfs`` program; use it in tests marked ``kubo`` (PINCREW_REQUIRE_KUBO=1 turns its absence into failure)."""
    program = find_kubo()
    if program is None:
        pytest.fail(NO_KUBO)
    return program
