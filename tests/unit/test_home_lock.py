"""One process at a time works on a home."""

from __future__ import annotations

from pathlib import Path

import pytest

from pincrew.errors import Conflict, StoreFault
from pincrew.home_lock import Lock


def test_one_home_has_one_lock(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "daemon.lock")
    with pytest.raises(Conflict, match="Another pincrew daemon"):
        Lock(tmp_path / "daemon.lock")
    lock.release()
    Lock(tmp_path / "daemon.lock").release()


def test_a_disk_that_refuses_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreFault, match="Is a directory"):
        Lock(tmp_path)
    full = Path("/dev/full")
    if full.exists():
        with pytest.raises(StoreFault, match="Cannot write it: "):
            Lock(full)
