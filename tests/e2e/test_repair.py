"""Damaged stores between real processes: found by doctor, mended from the other peers."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest

from support.machines import Crew, Machine, made_up_cids, until

pytestmark = pytest.mark.slow


def spoil(machine: Machine, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(machine.home.cluster("books").state, timeout=30)) as store:
        for statement in statements:
            store.execute(statement)
        store.commit()


def failing(machine: Machine) -> set[str]:
    lines = machine.json_lines("doctor", "--all", code=None)
    return {line["check"] for line in lines if line["result"] == "FAIL" and line["check"] not in ("node", "peers")}


def repaired(machine: Machine, *arguments: str) -> str:
    (line,) = [
        one for one in machine.json_lines("doctor", "--repair", *arguments, code=None) if one["check"] == "repair"
    ]
    return f"{line['result']} {line['text']}"


def test_what_a_disk_spoilt_comes_back_from_the_other_peers(crew: Crew) -> None:
    ana, bob = crew.machine("ana"), crew.machine("bob")
    ana.create("books")
    ana.serve("books")
    ana.run("publish", "-o", "books.toml")
    bob.follow(str(ana.folder / "books.toml"))
    cids = made_up_cids(120, "repair")
    ana.run("pin", "add", "-c", "books", "-", stdin="\n".join(cids[:100]))
    ana.run("state", "base")
    ana.run("pin", "add", "-c", "books", "-", stdin="\n".join(cids[100:]))
    until(lambda: bob.cids("books") == set(cids), "bob has all")
    until(lambda: bob.json("state", "base", "--show")["n"] == 1, "and stands on the base")
    for machine in (ana, bob):
        assert failing(machine) == set()

    # Figures, a record, a row and a put: beside the running daemon, as a disk would.
    spoil(
        bob,
        "UPDATE counters SET pins=pins+7 WHERE state=2",
        "UPDATE pins SET record=zeroblob(20) WHERE id=3",
        "DELETE FROM pins WHERE id=30",
        "DELETE FROM items WHERE pin=60",
    )
    assert failing(bob) == {"counters", "rows", "base"}
    assert "shards of base 1 are fetched from 1 connected peer" in repaired(bob)
    until(lambda: failing(bob) == set(), "it is mended")
    assert bob.cids("books") == set(cids)
    later = made_up_cids(1, "later")
    ana.run("pin", "add", "-c", "books", *later)
    until(lambda: bob.cids("books") == {*cids, *later}, "and goes on")

    # A hole in the log: nothing mends that but the list of somebody else.
    spoil(bob, "DELETE FROM log WHERE number=(SELECT max(number) FROM log)")
    assert failing(bob) == {"heads"}
    assert repaired(bob, "--yes").startswith("FAIL only fetching the list anew")
    bob.stop()
    assert repaired(bob).startswith("FAIL There is no terminal")
    assert repaired(bob, "--yes").startswith("note the state was moved to")
    bob.run_daemon()
    until(lambda: bob.cids("books") == {*cids, *later}, "the list has come anew")
    assert failing(bob) == set()
