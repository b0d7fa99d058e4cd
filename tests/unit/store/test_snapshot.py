"""The list of one moment."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from pincrew.errors import StoreFault
from pincrew.store.database import Database
from pincrew.store.snapshot import snapshot
from support.stored_pins import store_records

ROWS = [(b"c", b"\xa0"), (b"a", b"\xa1"), (b"b", b"\xa2")]


@pytest.mark.parametrize("read_only", [True, False])
def test_it_stays_the_same_whatever_is_written_meanwhile(tmp_path: Path, read_only: bool) -> None:
    path = tmp_path / "state.db"
    store_records(path, ROWS)
    with closing(Database(path, read_only=read_only)) as database:
        with snapshot(database) as found:
            records = found.records()
            assert next(records) == ROWS[0]
            store_records(path, ROWS[:1])
            assert (found.count, list(records)) == (3, ROWS[1:])
            assert list(found.records()) == ROWS
        with snapshot(database) as found:
            assert (found.count, list(found.records())) == (1, ROWS[:1])


def test_a_damaged_store_is_told(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    store_records(path, [(b"%d" % number, bytes(2_000)) for number in range(200)])
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2 :] = b"x" * (len(raw) - len(raw) // 2)
    path.write_bytes(raw)
    with closing(Database(path, read_only=True)) as database, pytest.raises(StoreFault), snapshot(database) as found:
        list(found.records())
