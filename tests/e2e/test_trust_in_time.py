"""Peers that are away while trust changes, that are lost for good, that are there twice, or as they were yesterday."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from support.machines import Crew, Machine, free_port, made_up_cids, until

pytestmark = pytest.mark.slow


def begun(crew: Crew, *followers: str) -> tuple[Machine, ...]:
    """A curator `ana` that serves `books`, and followers of it, whom its config document names."""
    ana = crew.machine("ana")
    ana.create("books")
    ana.serve("books")
    ana.run("publish", "-o", "books.toml")
    machines = [follow(crew, ana, name) for name in followers]
    ana.until("books", lambda summary: summary.peers.connected >= len(machines), "all are connected")
    ana.run("publish", "-o", "books.toml")
    return ana, *machines


def follow(crew: Crew, ana: Machine, name: str) -> Machine:
    machine = crew.machine(name)
    machine.follow(str(ana.folder / "books.toml"))
    return machine


def peer_of(machine: Machine) -> str:
    return machine.client.ready("books").peer


def pin(machine: Machine, cids: list[str]) -> None:
    machine.run("pin", "add", "-c", "books", "-", stdin="\n".join(cids))


def until_listed(cids: list[str], *machines: Machine) -> None:
    for machine in machines:
        until(lambda m=machine: m.cids("books") == set(cids), f"{machine.name} lists all {len(cids)}")


def until_record(machine: Machine, number: int) -> None:
    until(lambda: machine.client.trust("books").record == number, f"{machine.name} has trust record {number}")


def no_session_stopped(*machines: Machine) -> None:
    for machine in machines:
        assert "session_stopped" not in {line["kind"] for line in machine.json_lines("events")}, machine.name


def lose(machine: Machine) -> None:
    """The machine is gone for good, with all that was on it."""
    machine.kill()
    shutil.rmtree(machine.home.root)


def put_back(machine: Machine, backup: Path) -> None:
    shutil.rmtree(machine.home.root)
    shutil.copytree(backup, machine.home.root)


def test_a_follower_that_was_away_for_five_records(crew: Crew) -> None:
    """It comes back on the trust and the list of all, also what a revoked curator wrote that still counts."""
    ana, bob, eve = begun(crew, "bob", "eve")
    ours, theirs = made_up_cids(20, "ours"), made_up_cids(20, "theirs")
    bob_id = peer_of(bob)
    pin(ana, ours[:5])
    until_listed(ours[:5], eve)
    eve.stop()

    ana.run("trust", "add", bob_id)
    until_record(bob, 1)
    bob.serve("books")
    pin(bob, theirs)
    until_listed([*ours[:5], *theirs], ana)
    ana.run("trust", "revoke", bob_id)
    ana.run("trust", "keeper", "none")
    ana.run("trust", "undo")
    pin(ana, ours[5:10])
    ana.run("trust", "add", bob_id)
    until_record(bob, 5)
    pin(ana, ours[10:])
    until_listed([*ours, *theirs], bob)

    eve.run_daemon()
    until_record(eve, 5)
    until_listed([*ours, *theirs], eve, bob, ana)
    found = eve.json("trust", "ls")
    assert {one["peer_id"] for one in found["curators"]} == {peer_of(ana), bob_id}
    assert (found["keeper"], found["conflict"]) == (peer_of(ana), None)


def test_what_a_lost_curator_was_told_is_written_survives_it(crew: Crew) -> None:
    """One follower has it, gives it to newcomers, and with the owner key becomes the curator that goes on."""
    ana, bob = begun(crew, "bob")
    cids = made_up_cids(60, "lost")
    pin(ana, cids[:50])
    until_listed(cids[:50], bob)
    shutil.copy(ana.home.cluster("books").owner, bob.folder / "stick.key")
    ana_id, bob_id = peer_of(ana), peer_of(bob)
    lose(ana)

    eve = follow(crew, ana, "eve")
    until_listed(cids[:50], eve)
    bob.run("trust", "add", bob_id, "--owner-key", "stick.key")
    bob.serve("books")
    bob.run("trust", "revoke", ana_id, "--owner-key", "stick.key")
    pin(bob, cids[50:])
    until_listed(cids, bob, eve)
    assert [one["peer_id"] for one in eve.json("trust", "ls")["curators"]] == [bob_id]


@pytest.mark.long
def test_a_curator_put_back_from_a_backup_loses_nothing_of_what_others_have(crew: Crew) -> None:
    ana, bob = begun(crew, "bob")
    before, after, later = (made_up_cids(20, name) for name in ("before", "after", "later"))
    pin(ana, before)
    ana.run("pin", "rm", before[0])
    until_listed(before[1:], bob)
    ana.stop()
    backup = ana.folder / "backup"
    shutil.copytree(ana.home.root, backup)
    ana.serve("books")
    pin(ana, after)
    ana.run("pin", "rm", before[1])
    until_listed([*before[2:], *after], bob)

    ana.stop()
    put_back(ana, backup)
    ana.serve("books")
    pin(ana, later)
    until_listed([*before[2:], *after, *later], ana, bob)
    no_session_stopped(ana, bob)


@pytest.mark.long
def test_a_curator_that_was_cloned_writes_from_both_machines(crew: Crew) -> None:
    """Nobody notices: each process life is a session of its own, and no number is ever used twice."""
    ana, bob = begun(crew, "bob")
    cids = made_up_cids(60, "cloned")
    pin(ana, cids[:20])
    until_listed(cids[:20], bob)
    ana.stop()
    clone = crew.machine("clone")
    put_back(clone, ana.home.root)
    toml = clone.home.cluster("books").settings
    listens = r"/ip4/127\.0\.0\.1/tcp/\d+"  # on one machine two cannot have one port
    toml.write_text(re.sub(listens, f"/ip4/127.0.0.1/tcp/{free_port()}", toml.read_text(), count=1))
    ana.serve("books")
    clone.serve("books")
    pin(ana, cids[20:40])
    pin(clone, cids[40:])
    until_listed(cids, bob)
    no_session_stopped(ana, bob, clone)


def test_a_keeper_that_is_gone_is_replaced(crew: Crew) -> None:
    """Who has its last base goes on to the next keeper's, and newcomers join from that."""
    ana, bob, eve = begun(crew, "bob", "eve")
    cids = made_up_cids(60, "keeper")
    bob_id = peer_of(bob)
    ana.run("trust", "add", bob_id)
    until_record(bob, 1)
    bob.serve("books")
    ana.run("trust", "keeper", bob_id)
    until_record(bob, 2)
    pin(ana, cids[:30])
    until_listed(cids[:30], bob, eve)
    assert bob.json("state", "base")["n"] == 1
    for machine in (ana, eve):
        until(lambda m=machine: m.json("state", "base", "--show")["n"] == 1, f"{machine.name} stands on its base")
    lose(bob)

    assert "keeper" in ana.run("state", "base", code=8).err
    ana.run("trust", "keeper", peer_of(ana))
    ana.run("trust", "revoke", bob_id)
    pin(ana, cids[30:])
    until_listed(cids, eve)
    made = ana.json("state", "base")
    assert (made["n"] >= 2, made["pins"]) == (True, 60)
    until(lambda: eve.json("state", "base", "--show")["n"] == made["n"], "the other goes on to it")
    until_listed(cids, follow(crew, ana, "late"))
