"""`daemon.lock`: at most one process works on a home's clusters."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from pincrew.errors import Conflict


class Lock:
    """Held by the daemon, or by `doctor --repair` for a moment. It goes with the process, however that ends."""

    def __init__(self, path: Path) -> None:
        """Take the lock. Raises Conflict with the other daemon's process id."""
        self._file = path.open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.seek(0)
            holder = self._file.read().strip() or "unknown"
            self._file.close()
            raise Conflict(
                f"Another pincrew daemon (process {holder}) uses this home",
                where=str(path),
                next_step="Use that one, or end it with `pincrew daemon stop`",
            ) from error
        self._file.truncate(0)
        self._file.write(f"{os.getpid()}\n")
        self._file.flush()

    def release(self) -> None:
        """Let go."""
        self._file.truncate(0)
        self._file.close()
