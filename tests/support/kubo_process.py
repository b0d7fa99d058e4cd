"""A real Kubo for as long as a test needs it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from pincrew.kubo_process import KuboProcess


@contextlib.contextmanager
def running_kubo(program: Path, repository: Path) -> Iterator[KuboProcess]:
    """A Kubo that is ready; ended with the block, whatever happened in it."""
    kubo = KuboProcess(program, repository)
    try:
        kubo.start()
        yield kubo
    finally:
        kubo.stop()
