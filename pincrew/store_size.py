"""How large the files of a cluster's store are, looked at now and then: a disk may take long to say so."""

from __future__ import annotations

import trio

from pincrew.limits import STORE_SIZE_INTERVAL_S
from pincrew.store.database import Database, bytes_on_disk


class StoreSize:
    """``run`` until cancelled. ``bytes`` is None before the first look, and of a store in memory."""

    def __init__(self, database: Database) -> None:
        self._path = database.path
        self.bytes: int | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Look every STORE_SIZE_INTERVAL_S."""
        task_status.started()
        while self._path is not None:
            try:
                self.bytes = await trio.to_thread.run_sync(bytes_on_disk, self._path)
            except OSError:  # the store itself says that its disk is in trouble
                self.bytes = None
            await trio.sleep(STORE_SIZE_INTERVAL_S)
