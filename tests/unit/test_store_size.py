"""The size of a store is that of all its files, and is looked at rarely."""

from __future__ import annotations

from pathlib import Path

import trio

from pincrew.store.database import Database, bytes_on_disk
from pincrew.store_size import StoreSize


def test_the_log_that_sqlite_keeps_beside_counts(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    assert bytes_on_disk(path) == 0
    database = Database(path)
    with database.transaction() as db:
        db.execute("INSERT INTO reissues VALUES (1, zeroblob(100000))")
    wal = tmp_path / "state.db-wal"
    assert bytes_on_disk(path) == sum(one.stat().st_size for one in tmp_path.iterdir()) > wal.stat().st_size > 100_000

    async def main() -> None:
        size = StoreSize(database)
        assert size.bytes is None
        async with trio.open_nursery() as nursery:
            await nursery.start(size.run)
            while size.bytes is None:  # noqa: ASYNC110 (made by a thread)
                await trio.sleep(0.001)
            nursery.cancel_scope.cancel()
        assert size.bytes == bytes_on_disk(path)

    trio.run(main)
    database.close()


def test_a_store_in_memory_has_none() -> None:
    async def main() -> None:
        size = StoreSize(Database(None))
        await size.run()
        assert size.bytes is None

    trio.run(main)
