"""Trust that changes while everybody works: a second curator, one that is revoked, several owners, a conflict."""

from __future__ import annotations

import shutil
import threading

import pytest

from pincrew.identity import load_key
from pincrew.keys import peer_id
from support.machines import Crew, Machine, made_up_cids, until

pytestmark = pytest.mark.slow


def peer_of(machine: Machine) -> str:
    return machine.client.ready("books").peer


def until_record(machine: Machine, number: int) -> None:
    until(lambda: machine.client.trust("books").record >= number, f"{machine.name} has trust record {number}")


def begun(crew: Crew, *followers: str) -> tuple[Machine, ...]:
    """A curator `ana` that serves `books`, and followers of it."""
    ana = crew.machine("ana")
    ana.create("books", "--peer-name", "Ana")
    ana.serve("books")
    ana.run("publish", "-o", "books.toml")
    machines = [crew.machine(name) for name in followers]
    for machine in machines:
        machine.follow(str(ana.folder / "books.toml"), "--peer-name", machine.name)
        machine.until("books", lambda summary: summary.peers.connected > 0, "it is connected")
    return ana, *machines


def trust_lines(machine: Machine) -> list[str]:
    return [line["result"] for line in machine.json_lines("doctor", code=None) if line["check"] == "trust"]


def test_two_curators_write_at_once_and_a_follower_sees_both(crew: Crew) -> None:
    ana, bob, eve = begun(crew, "bob", "eve")
    bob_id = peer_of(bob)
    of_ana, of_bob = made_up_cids(60, "ana"), made_up_cids(60, "bob")

    assert trust_lines(ana) == ["note"], "it hangs on one key"
    said = ana.run("trust", "add", bob_id)
    assert "record 1" in said.out and f"curator added: {bob_id}" in said.out and "pincrew serve books" in said.err
    assert trust_lines(ana) == ["ok"]
    assert ana.run("trust", "add", bob_id, code=1).out == ""
    assert "pincrew serve books" in bob.until_reason("books", "curator_named")
    assert "follows books" in bob.run("pin", "add", of_bob[0], code=8).err

    bob.serve("books")
    bob.until("books", lambda summary: summary.role == "curator", "it is a curator")
    failures: list[AssertionError] = []

    def write(machine: Machine, cids: list[str]) -> None:
        try:
            for at in range(0, len(cids), 20):
                machine.run("pin", "add", "-c", "books", "-", stdin="\n".join(cids[at : at + 20]))
        except AssertionError as error:
            failures.append(error)

    writers = [threading.Thread(target=write, args=args) for args in ((ana, of_ana), (bob, of_bob))]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert failures == []
    for machine in (eve, ana, bob):
        until(lambda m=machine: m.cids("books") == {*of_ana, *of_bob}, f"{machine.name} sees both")
    for machine in (eve, bob):
        assert {reason.code for reason in machine.until("books", bool, "it answers").reasons} == {"node_down"}

    found = eve.json("trust", "ls")
    assert found["record"] == 1 and {one["peer_id"] for one in found["curators"]} == {peer_of(ana), bob_id}
    assert {one["name"]: one["connected"] for one in found["curators"]} == {"Ana": True, "bob": True}
    eve.stop()
    assert [one["connected"] for one in eve.json("trust", "ls")["curators"]] == [None, None], "from the disk"
    assert "daemon start" in eve.run("trust", "undo", code=3).err


def test_a_revoked_curator_is_told_writes_nothing_and_comes_back_when_it_is_undone(crew: Crew) -> None:
    ana, bob, eve = begun(crew, "bob", "eve")
    bob_id = peer_of(bob)
    first, late, again, after = made_up_cids(4, "revoked")
    ana.run("trust", "add", bob_id)
    until_record(bob, 1)
    bob.serve("books")
    bob.run("pin", "add", first)
    until(lambda: ana.cids("books") == {first}, "it is at the other curator")

    ana.run("trust", "revoke", bob_id)
    assert "no curator of books any more" in bob.until_reason("books", "not_curator")
    said = bob.run("pin", "add", late, code=8)
    assert "trust record 2" in said.err and "trust undo" in said.err
    assert eve.json("trust", "ls")["former"] == [{"peer_id": bob_id, "record": 2, "counts": 1}]
    assert f"{bob_id} revoked by record 2" in eve.run("trust", "ls").out
    assert "trust_changed" in [line["kind"] for line in eve.json_lines("events")]

    pid = bob.daemon
    bob.stop()
    assert pid != bob.run_daemon()
    bob.until("books", lambda summary: summary.role == "follower", "it runs as a follower")
    assert "no curator of books any more" in bob.run("status").all
    assert bob.run("pin", "add", late, code=8).out == ""

    ana.run("trust", "undo")
    until_record(bob, 3)
    bob.until_reason("books", "curator_named")
    bob.serve("books")
    bob.run("pin", "add", again)
    until(lambda: eve.cids("books") == {first, again}, "what it writes counts again")
    ana.run("trust", "revoke", bob_id, "--since", "1")
    assert eve.json("trust", "ls")["curators"] != []
    ana.run("pin", "add", after)
    until(lambda: after in eve.cids("books"), "the others go on")
    until(lambda: eve.json("trust", "ls")["former"] == [{"peer_id": bob_id, "record": 4, "counts": 0}], "it is cut")


def test_two_of_three_owners(crew: Crew) -> None:
    (ana,) = begun(crew)
    elsewhere = crew.machine("elsewhere")
    ids = [elsewhere.json("trust", "key", name)["id"] for name in ("second.key", "third.key")]
    assert elsewhere.run("trust", "key", "third.key").out.split() == [ids[1]], "it is never made anew"
    made = ana.json("trust", "add", "--owner", ids[0], "--owner", ids[1], "--threshold", "2")
    assert (made["missing"], made["record"]) == (0, 1) and "signatures of owners needed: 1 before, 2 now" in made[
        "changes"
    ]

    new = peer_of(ana)
    made = ana.json("trust", "keeper", "none", "-o", "change.toml")
    assert (made["missing"], made["file"]) == (1, str(ana.folder / "change.toml"))
    waiting = ana.json("trust", "ls")["waiting"]
    assert (waiting["record"], waiting["missing"], waiting["changes"]) == (2, 1, ["keeper: nobody"])
    assert "waits for 1 more to sign it" in ana.run("trust", "ls").out
    assert ana.json("trust", "ls")["keeper"] == new, "it is not in force"

    shutil.copy(ana.folder / "change.toml", elsewhere.folder / "change.toml")
    stranger = elsewhere.json("trust", "key", "stranger.key")
    said = elsewhere.run("trust", "sign", "change.toml", "--owner-key", stranger["file"], code=8)
    assert stranger["id"] in said.err
    signed = elsewhere.run("trust", "sign", "change.toml", "--owner-key", "third.key")
    assert "has all signatures" in signed.out and "keeper: nobody" in signed.out
    shutil.copy(elsewhere.folder / "change.toml", ana.folder / "change.toml")
    assert ana.json("trust", "sign", "change.toml")["missing"] == 0
    found = ana.json("trust", "ls")
    assert (found["record"], found["keeper"], found["waiting"]) == (2, None, None)
    assert ana.json("trust", "sign", "change.toml")["record"] == 2, "again: harmless"
    assert ana.json("trust", "ls")["record"] == 2


def test_two_records_of_one_number_halt_everybody(crew: Crew) -> None:
    ana, bob, eve = begun(crew, "bob", "eve")
    owner = ana.home.cluster("books").owner
    shutil.copy(owner, bob.folder / "owner.key")
    (cid,) = made_up_cids(1, "conflict")
    ana.stop()
    bob.run("trust", "keeper", "none", "--owner-key", "owner.key")
    until_record(eve, 1)
    bob.stop()
    eve.stop()
    ana.run_daemon()
    ana.until("books", lambda summary: summary.state != "joining", "it runs")
    ana.run("trust", "add", peer_id(load_key(bob.home.cluster("books").identity).public))
    bob.run_daemon()
    eve.run_daemon()
    for machine in (ana, bob, eve):
        machine.until_reason("books", "trust_conflict")
        assert machine.json("trust", "ls")["conflict"]["record"] == 1
        assert "CONFLICT" in machine.run("trust", "ls").out
        said = machine.run("doctor", code=1)
        assert "two different trust records 1" in said.all
    assert "Two different trust records 1" in ana.run("trust", "undo", code=1).err
    ana.run("pin", "add", cid)
    until(lambda: eve.cids("books") == {cid}, "pins go on")
