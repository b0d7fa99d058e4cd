"""`daemon.lock`: at most one process works on a home's clusters."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from pincrew.errors import Conflict, StoreFault
from pincrew.files import told


class Lock:
    """Held by the daemon or an embedded peer, or by `doctor --repair` for a moment. It goes with the process, however
    that ends."""

    def __init__(self, path: Path) -> None:
        """Take the lock. Raises Conflict with the other's process id, StoreFault where the disk refuses."""
        with told(path, "open"):
            self._file = path.open("a+b", buffering=0)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.seek(0)
            holder = self._file.read().decode(errors="replace").strip() or "unknown"
            self._file.close()
            raise Conflict(
                f"Another pincrew daemon or embedded peer (process {holder}) uses this home",
                where=str(path),
                next_step="Use that one, or end it: a daemon with `pincrew daemon stop`",
            ) from error
        try:
            with told(path, "write"):
                self._file.truncate(0)
                self._file.write(b"%d\n" % os.getpid())
        except StoreFault:
            self._file.close()
            raise

    def release(self) -> None:
        """Let go."""
        self._file.truncate(0)
        self._file.close()
