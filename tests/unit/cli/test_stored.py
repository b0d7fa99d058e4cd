"""What the disk knows: real stores, opened read-only."""

from __future__ import annotations

import json

import pytest

from pincrew.cid import parse_cid, shard_of
from pincrew.cli import stored
from pincrew.limits import SHARD_BITS_DEFAULT
from pincrew.paths import ClusterPaths, Home
from pincrew.store.database import STATE_NUMBER, Database
from pincrew.store.events import Events
from pincrew.values import PinState
from support.shape_examples import CID
from support.shell import Shell


@pytest.fixture
def books(shell: Shell) -> ClusterPaths:
    """A cluster with two pins in its store, one in error."""
    paths = shell.curated()
    database = Database(paths.state)
    rows = [("a", PinState.PINNED, 1_000, None), ("b", PinState.ERROR, None, "no provider found")]
    with database.transaction() as db:
        for number, (name, state, size, cause) in enumerate(rows, 1):
            db.execute(
                "INSERT INTO pins (id, cid, record, sid, n, change, name, added, state, size, tries, cause, error,"
                " updated) VALUES (?, ?, x'a0', 1, ?, ?, ?, ?, ?, ?, 1, ?, ?, 1767225600000)",
                (
                    number,
                    parse_cid(CID)[:-1] + bytes([number]),
                    number,
                    number,
                    name,
                    number,
                    STATE_NUMBER[state],
                    size,
                    cause,
                    cause,
                ),
            )
            cid = parse_cid(CID)[:-1] + bytes([number])
            db.execute(
                "INSERT INTO items (shard, cid, sid, n, number, item, pin) VALUES (?, ?, 1, ?, 1, ?, ?)",
                (shard_of(cid, SHARD_BITS_DEFAULT), cid, number, number, number),
            )
            db.execute(
                "UPDATE counters SET pins=1, bytes=?, sized=? WHERE state=?",
                (size or 0, int(size is not None), STATE_NUMBER[state]),
            )
        db.execute("UPDATE meta SET value=7 WHERE key='change'")
        db.execute("INSERT INTO sessions VALUES (1, x'aa', x'bb', 9, 2, x'cc', NULL, 1767225600000, 0, x'')")
    Events(database).add_all([(1_767_225_600_000, "pinned", "a is pinned", {})])
    database.close()
    return paths


def test_the_summary(books: ClusterPaths) -> None:
    found = stored.summary(books)
    assert (found.state, found.role, found.node.state) == ("stopped", "curator", "starting")
    assert (found.pins.total, found.pins.pinned, found.pins.error) == (2, 1, 1)
    assert (found.bytes.pinned, found.bytes.total, found.bytes.size_known_pins) == (1_000, 1_000, 1)
    assert found.curators.total == 0, "as with the daemon: those beside this peer"
    assert (found.list.have, found.last_change) == (2, "2026-01-01T00:00:00.000Z")


def test_pins_errors_and_events_without_a_daemon(books: ClusterPaths, shell: Shell) -> None:
    lines = [json.loads(line) for line in shell("pins", "--json", "--sort", "name").out.splitlines()]
    assert [(line["name"], line["state"], line["size"]) for line in lines] == [
        ("a", "pinned", 1_000),
        ("b", "error", None),
    ]
    assert shell("pins", "--state", "error").out.count("✗") == 1
    assert "no provider found; 1 try, no next try" in shell("pins").out
    assert "No pin fits" in shell("pins", "--find", "nothing-like-it").err
    assert [
        json.loads(line)["name"] for line in shell("pins", "--json", "--sort", "name", "--offset", "1").out.splitlines()
    ] == ["b"]
    assert [
        json.loads(line)["name"] for line in shell("pins", "--json", "--sort", "name", "--limit", "1").out.splitlines()
    ] == ["a"]
    assert json.loads(shell("errors", "--json").out)["pins"] == 1
    listed = [json.loads(line) for line in shell("pin", "ls", "--json").out.splitlines()]
    assert [pin["replication_factor_min"] for pin in listed] == [-1, -1]
    (one,) = shell("pin", "ls", listed[1]["cid"], "--json").out.splitlines()
    assert json.loads(one) == listed[1]
    absent = shell("pin", "ls", CID)
    assert (absent.code, f"{CID} is not in the list" in absent.err) == (1, True)
    assert json.loads(shell("events", "--json").out)["text"] == "a is pinned"
    assert shell("events", "-f").code == 3


def test_a_page_more_than_one(books: ClusterPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    from pincrew.store.filters import Filter

    monkeypatch.setattr(stored, "_PAGE", 1)
    assert [pin.name for pin in stored.pins(books, Filter(), sort="name")] == ["a", "b"]
    assert [pin.name for pin in stored.pins(books, Filter(), sort="name", limit=1)] == ["a"]


def test_nothing_stored_yet(shell: Shell) -> None:
    shell.curated()
    result = shell("pins")
    assert (result.code, "daemon start" in result.err) == (1, True)
    assert shell("status").code == 3


def test_a_damaged_store_is_a_reason_and_no_failure_of_status(books: ClusterPaths, home: Home, shell: Shell) -> None:
    shell.curated("films")
    books.state.write_bytes(b"no database at all" * 1_000)
    for extra in ("state.db-wal", "state.db-shm"):
        (books.folder / extra).unlink(missing_ok=True)
    found = {cluster.name: cluster for cluster in stored.status(home).clusters}
    assert found["books"].state == "failed"
    assert "damaged" in found["books"].reasons[0].text
    assert found["films"].state == "stopped"
    assert shell("pins", "-c", "books").code == 1


def test_a_newer_store_is_told(books: ClusterPaths, shell: Shell) -> None:
    database = Database(books.state)
    database.writer.execute("PRAGMA user_version=999")
    database.close()
    result = shell("pins")
    assert (result.code, "newer pincrew" in result.err) == (1, True)
    assert "newer pincrew" in shell("doctor").out
