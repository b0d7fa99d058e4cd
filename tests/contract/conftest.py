"""Real nodes for the contract suites, each started once and shared by the tests that leave it as they found it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pincrew.kubo_process import KuboProcess
from support.embedded_process import EmbeddedProcess, running_embedded
from support.kubo_process import running_kubo


@pytest.fixture(scope="session")
def kubo(kubo_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KuboProcess]:
    """A Kubo that runs all the time; tests use CIDs of their own."""
    with running_kubo(kubo_program, tmp_path_factory.mktemp("kubo")) as process:
        yield process


@pytest.fixture
def other_kubo(kubo_program: Path, tmp_path: Path) -> Iterator[KuboProcess]:
    """A second Kubo, the test's own: it may be killed."""
    with running_kubo(kubo_program, tmp_path / "other-kubo") as process:
        yield process


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedProcess]:
    """An embedded node that runs all the time; tests use CIDs of their own."""
    with running_embedded(tmp_path_factory.mktemp("embedded")) as process:
        yield process
