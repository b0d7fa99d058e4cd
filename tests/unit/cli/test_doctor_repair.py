"""`doctor --repair`: what the daemon is asked to mend, and what is moved away."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from pincrew.api.shapes import Mended
from pincrew.errors import StoreFault
from pincrew.home_lock import Lock
from pincrew.identity import load_key
from pincrew.paths import ClusterPaths, Home
from pincrew.settings import ClusterSettings, Role
from pincrew.settings_files import load_cluster, save
from pincrew.store.acquaintances import Acquaintance, Acquaintances
from pincrew.store.database import Database
from pincrew.store.trust_store import TrustStore
from pincrew.trust_view import kept_trust
from support.fake_daemon import FakeDaemon
from support.shell import Result, Shell
from support.stored_cluster import StoredCluster

MET = Acquaintance("a peer", ("/ip4/192.0.2.1/tcp/1",), "follower", 1)


@pytest.fixture
def books(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> ClusterPaths:
    """A curated cluster with a base, of which another peer has heard."""
    monkeypatch.setenv("PINCREW_IPFS", "127.0.0.1:9")
    paths = shell.curated()
    stored = StoredCluster(paths.state, kept_trust(paths), load_key(paths.identity))
    stored.write(range(5))
    stored.make_base()
    stored.write([5])
    Acquaintances(stored.database).remember([MET])
    stored.close()
    return paths


def spoil(paths: ClusterPaths, *statements: str) -> None:
    with closing(sqlite3.connect(paths.state)) as raw:
        for statement in statements:
            raw.execute(statement)
        raw.commit()


def repair_of(result: Result) -> dict[str, str]:
    (line,) = [one for one in map(json.loads, result.out.splitlines()) if one["check"] == "repair"]
    return {key: line[key] or "" for key in ("result", "text", "fix")}


def moved(paths: ClusterPaths) -> list[Path]:
    return [path for path in paths.folder.glob("state.db.damaged-*") if not path.name.endswith(("-wal", "-shm"))]


def test_a_sound_store_is_left_alone(books: ClusterPaths, shell: Shell) -> None:
    assert repair_of(shell("doctor", "--repair", "--json"))["text"] == "there is nothing to repair"
    assert "repair" not in shell("doctor").out


# ---- what the daemon mends ------------------------------------------------------------------------------------------


def test_the_daemon_is_asked_for_what_it_alone_can_do(books: ClusterPaths, shell: Shell, daemon: FakeDaemon) -> None:
    spoil(
        books,
        "UPDATE counters SET pins=99 WHERE state=0",
        "UPDATE pins SET record=zeroblob(9) WHERE id=3",
    )
    daemon.on("POST", "/clusters/books/repair", Mended("books", ["queued"], 1, 1, 2))
    daemon.on("GET", "/clusters/books/doctor", [])
    result = shell("doctor", "--repair", "--json")
    said = repair_of(result)
    assert said["text"] == "counted anew: queued; 1 shard of base 1 are fetched from 2 connected peers"
    assert "state base --show" in said["fix"] and result.code == 1, "the checks failed before it was mended"
    (request,) = daemon.asked("POST", "/clusters/books/repair")
    assert len(request.json["shards"]) == 1


@pytest.mark.parametrize(
    ("done", "text", "fix"),
    [
        (Mended("books", [], 1, 0, 1), "nothing to mend any more", ""),
        (Mended("books", [], 1, 2, 0), "2 shards", "waits for a peer"),
        (StoreFault("The disk is full"), "The disk is full", ""),
    ],
)
def test_what_the_daemon_answers_is_told(
    books: ClusterPaths, shell: Shell, daemon: FakeDaemon, done: object, text: str, fix: str
) -> None:
    spoil(books, "UPDATE counters SET pins=99 WHERE state=0")
    daemon.on("POST", "/clusters/books/repair", done)
    daemon.on("GET", "/clusters/books/doctor", [])
    said = repair_of(shell("doctor", "--repair", "--json"))
    assert text in said["text"] and fix in said["fix"]


def test_without_a_daemon_it_says_who_mends(books: ClusterPaths, shell: Shell) -> None:
    spoil(books, "UPDATE counters SET pins=99 WHERE state=0")
    said = repair_of(shell("doctor", "--repair", "--yes", "--json"))
    assert said["result"] == "FAIL" and "pincrew daemon start" in said["fix"] and not moved(books)


# ---- what is moved away ---------------------------------------------------------------------------------------------


def test_what_nothing_mends_is_moved_away_and_trust_and_peers_are_kept(books: ClusterPaths, shell: Shell) -> None:
    chain = kept_trust(books)
    spoil(books, "DELETE FROM log WHERE number=6")
    books.staged.write_bytes(b"half a base")
    result = shell("doctor", "--repair", "--yes", "--json")
    (kept,) = moved(books)
    said = repair_of(result)
    assert said["result"] == "note" and str(kept) in said["text"] and "daemon start" in said["fix"]
    with closing(sqlite3.connect(kept)) as raw:
        assert raw.execute("SELECT count(*) FROM pins").fetchone() == (6,), "it is moved, not deleted"
    with closing(Database(books.state, cluster=chain.cluster_id)) as database:
        assert TrustStore(database).chain() == chain, "trust never steps back (invariant 14)"
        assert Acquaintances(database).all() == [MET]
        assert database.counter("items") == 0
    assert not books.staged.exists()
    assert "FAIL" not in shell("doctor").out


def test_a_file_of_which_nothing_can_be_read(books: ClusterPaths, shell: Shell) -> None:
    books.state.write_bytes(b"no database at all" * 1_000)
    assert repair_of(shell("doctor", "--repair", "--yes", "--json"))["result"] == "note"
    (kept,) = moved(books)
    assert kept.read_bytes().startswith(b"no database") and not books.state.exists()


def test_it_asks(books: ClusterPaths, shell: Shell) -> None:
    spoil(books, "DELETE FROM log WHERE number=6")
    said = repair_of(shell("doctor", "--repair", "--json"))
    assert said["result"] == "FAIL" and "--yes" in said["fix"] and not moved(books)


def test_a_running_daemon_has_it_open(books: ClusterPaths, shell: Shell, daemon: FakeDaemon) -> None:
    daemon.on("GET", "/clusters/books/doctor", [])
    spoil(books, "DELETE FROM log WHERE number=6")
    said = repair_of(shell("doctor", "--repair", "--yes", "--json"))
    assert said["result"] == "FAIL" and "daemon stop" in said["fix"] and not moved(books)


def test_a_daemon_that_is_just_starting_is_not_disturbed(books: ClusterPaths, shell: Shell, home: Home) -> None:
    spoil(books, "DELETE FROM log WHERE number=6")
    lock = Lock(home.daemon_lock)
    try:
        said = repair_of(shell("doctor", "--repair", "--yes", "--json"))
    finally:
        lock.release()
    assert said["result"] == "FAIL" and not moved(books)


def test_a_list_that_nobody_else_can_have_stays(books: ClusterPaths, shell: Shell) -> None:
    spoil(books, "DELETE FROM log WHERE number=6", "DELETE FROM peers")
    said = repair_of(shell("doctor", "--repair", "--yes", "--json"))
    assert said["result"] == "FAIL" and "state import" in said["fix"] and not moved(books)
    settings = load_cluster(books.settings)
    books.settings.unlink()
    save(books.settings, ClusterSettings(cluster_id=settings.cluster_id, role=Role.FOLLOWER))
    assert repair_of(shell("doctor", "--repair", "--yes", "--json"))["result"] == "note", "a follower only copies it"
    assert moved(books)


def test_a_newer_store_is_never_moved(books: ClusterPaths, shell: Shell) -> None:
    spoil(books, "PRAGMA user_version=99")
    assert repair_of(shell("doctor", "--repair", "--yes", "--json"))["text"] == "there is nothing to repair"
    assert not moved(books)
