"""One process at a time works on a home."""

from __future__ import annotations

from pathlib import Path

import pytest

from pincrew.errors import Conflict
from pincrew.home_lock import Lock


def test_one_home_has_one_lock(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "daemon.lock")
    with pytest.raises(Conflict, match="Another pincrew daemon"):
        Lock(tmp_path / "daemon.lock")
    lock.release()
    Lock(tmp_path / "daemon.lock").release()
