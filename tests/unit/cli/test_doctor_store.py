"""What doctor says of a store: each line fails on the damage that it is for."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest

from pincrew import base_due
from pincrew.cli.doctor_store import StoreLook
from pincrew.identity import load_key
from pincrew.paths import ClusterPaths
from pincrew.store.database import Database
from pincrew.store.events import Events
from pincrew.store.schema import SCHEMA_VERSION
from pincrew.trust_view import kept_trust
from support.shell import Shell
from support.stored_cluster import StoredCluster

Lines = list[tuple[str, str]]


@pytest.fixture
def books(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> ClusterPaths:
    """A curated cluster with a list, a base and what came since."""
    monkeypatch.setenv("PINCREW_IPFS", "127.0.0.1:9")
    paths = shell.curated()
    stored = StoredCluster(paths.state, kept_trust(paths), load_key(paths.identity))
    stored.write(range(10))
    stored.make_base()
    stored.write(range(10, 14))
    stored.close()
    return paths


def spoil(paths: ClusterPaths, *statements: str) -> None:
    with closing(sqlite3.connect(paths.state)) as raw:
        for statement in statements:
            raw.execute(statement)
        raw.commit()


def look(paths: ClusterPaths) -> tuple[StoreLook, Lines]:
    made = StoreLook(paths, is_whole=False, is_daemon_running=False)
    return made, [(check.check, check.result) for check in made.checks()]


def failing(paths: ClusterPaths) -> tuple[StoreLook, list[str]]:
    made, lines = look(paths)
    return made, [check for check, result in lines if result == "FAIL"]


def test_a_sound_store(books: ClusterPaths, shell: Shell) -> None:
    made, lines = look(books)
    assert lines == [(check, "ok") for check in ("store", "counters", "rows", "heads", "base")]
    assert not (made.is_broken or made.is_miscounted or made.shards)
    found = shell("doctor").out
    for text in (
        f"format {SCHEMA_VERSION}, all pages sound",
        "14 pins, as counted",
        "14 envelopes read",
        "base 1 is what was signed",
    ):
        assert text in found
    assert shell("doctor").code == 0


def test_nothing_stored_yet(shell: Shell) -> None:
    assert look(shell.curated())[1] == [("store", "ok")]


def test_a_file_that_is_no_store(books: ClusterPaths) -> None:
    books.state.write_bytes(b"no database at all" * 1_000)
    made, checks = failing(books)
    assert checks == ["store"] and made.is_broken


def test_a_newer_store_is_no_damage(books: ClusterPaths) -> None:
    spoil(books, "PRAGMA user_version=99")
    made, checks = failing(books)
    assert checks == ["store"] and not made.is_broken


def test_a_file_with_a_damaged_page(books: ClusterPaths) -> None:
    with closing(sqlite3.connect(books.state)) as raw:
        raw.execute("PRAGMA journal_mode=DELETE")
        (root,) = raw.execute("SELECT rootpage FROM sqlite_master WHERE name='log'").fetchone()
    with books.state.open("r+b") as file:
        file.seek((root - 1) * 4096)
        file.write(b"\xff" * 4096)
    made, checks = failing(books)
    assert {"store", "heads"} <= set(checks) and made.is_broken, "and whatever reads it"


def test_figures_that_are_wrong(books: ClusterPaths) -> None:
    spoil(books, "UPDATE counters SET pins=99 WHERE state=0")
    made, checks = failing(books)
    assert checks == ["counters"] and made.is_miscounted and not made.is_broken


def test_rows_that_do_not_fit(books: ClusterPaths) -> None:
    spoil(books, "UPDATE pins SET n=n+100 WHERE id=3")
    made, checks = failing(books)
    assert checks == ["rows"] and len(made.shards) == 1 and not made.is_broken


def test_puts_that_are_gone_for_good(books: ClusterPaths) -> None:
    spoil(books, "DELETE FROM items WHERE pin=14", "DELETE FROM pins WHERE id=14")
    made, checks = failing(books)
    assert "rows" in checks and made.is_broken


def test_rows_that_do_not_fit_and_no_base_that_has_them(shell: Shell) -> None:
    paths = shell.curated()
    stored = StoredCluster(paths.state, kept_trust(paths), load_key(paths.identity))
    stored.write([1])
    stored.close()
    spoil(paths, "UPDATE pins SET n=n+100")
    assert failing(paths)[0].is_broken


def test_a_log_with_a_hole(books: ClusterPaths) -> None:
    spoil(books, "DELETE FROM log WHERE number=12")
    made, checks = failing(books)
    assert checks == ["heads"] and made.is_broken


def test_rows_that_are_not_what_was_signed(books: ClusterPaths) -> None:
    spoil(books, "UPDATE pins SET record=zeroblob(9) WHERE id=3")
    made, checks = failing(books)
    assert checks == ["base"] and len(made.shards) == 1 and not made.is_broken


def test_a_base_that_is_damaged_itself(books: ClusterPaths) -> None:
    spoil(books, "UPDATE bases SET cut=x'80'")
    made, checks = failing(books)
    assert checks == ["base"] and made.is_broken


def test_a_base_that_was_refused(books: ClusterPaths, shell: Shell) -> None:
    with closing(Database(books.state)) as database:
        fields = {"base": 2, "pins": 1, "reason": "3 of its shards differ"}
        Events(database).add_all([(1, "base_refused", "", fields)])
    assert failing(books)[1] == ["base"]
    assert "base 2 was refused: 3 of its shards differ" in shell("doctor").out
    with closing(Database(books.state)) as database:
        Events(database).add_all([(1, "base_refused", "", {"base": 1, "reason": "before"})])
    assert failing(books)[1] == [], "one that is in force by now is no matter"


def test_a_keeper_that_makes_no_base(books: ClusterPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base_due, "BASE_LOG_BYTES_MIN", 100)
    spoil(books, "UPDATE meta SET value=100000 WHERE key='log_bytes'")
    assert look(books)[1][-1] == ("base", "note")
    spoil(books, "UPDATE meta SET value=10 WHERE key='log_bytes'")
    assert look(books)[1][-1] == ("base", "ok")


def test_trust_that_is_damaged(books: ClusterPaths, shell: Shell) -> None:
    spoil(books, "UPDATE trust SET record=zeroblob(99)")
    made, checks = failing(books)
    assert checks == [] and made.is_broken, "its own line says it"
    found = [json.loads(line) for line in shell("doctor", "--json").out.splitlines()]
    (trust,) = [line for line in found if line["check"] == "trust"]
    assert trust["result"] == "FAIL" and "--repair" in trust["fix"]


def test_all_of_it(books: ClusterPaths, shell: Shell) -> None:
    assert "all shards" in shell("doctor", "--all").out
