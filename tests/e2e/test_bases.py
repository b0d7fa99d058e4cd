"""Bases between real processes: made by hand, recomputed, joined from, and cutting off a revoked curator."""

from __future__ import annotations

import pytest

from support.machines import Crew, Machine, made_up_cids, until

pytestmark = pytest.mark.slow


def begun(crew: Crew, *followers: str) -> tuple[Machine, ...]:
    """A curator `ana` that serves `books`, and followers of it."""
    ana = crew.machine("ana")
    ana.create("books")
    ana.serve("books")
    ana.run("publish", "-o", "books.toml")
    return ana, *(follow(crew, ana, name) for name in followers)


def follow(crew: Crew, ana: Machine, name: str) -> Machine:
    machine = crew.machine(name)
    machine.follow(str(ana.folder / "books.toml"))
    machine.until("books", lambda summary: summary.peers.connected > 0, "it is connected")
    return machine


def pin(machine: Machine, cids: list[str]) -> None:
    machine.run("pin", "add", "-c", "books", "-", stdin="\n".join(cids))


def adopted(machine: Machine) -> list[dict[str, object]]:
    return [line["fields"] for line in machine.json_lines("events") if line["kind"] == "base_adopted"]


def until_base(machine: Machine, n: int) -> None:
    until(lambda: machine.json("state", "base", "--show")["n"] == n, f"{machine.name} stands on base {n}")


def test_a_base_is_recomputed_by_who_has_the_log_and_taken_by_who_is_new(crew: Crew) -> None:
    ana, bob = begun(crew, "bob")
    cids = made_up_cids(300, "bases")
    pin(ana, cids[:200])
    ana.run("pin", "rm", cids[0])
    until(lambda: bob.cids("books") == set(cids[1:200]), "the first have come")

    assert "no base yet" in ana.run("state", "base", "--show").out
    assert "keeper" in bob.run("state", "base", code=8).err, "a follower makes none"
    made = ana.json("state", "base")
    assert (made["n"], made["pins"], made["log_bytes"], made["candidate"]) == (1, 199, 0, None)
    until_base(bob, 1)
    assert [one["shards_taken"] for one in adopted(bob)] == [0], "recomputed"

    eve = follow(crew, ana, "eve")
    until(lambda: eve.cids("books") == set(cids[1:200]), "the base has come")
    (taken,) = adopted(eve)
    assert taken["pins"] == 199 and taken["shards_taken"] not in (0, None)
    pin(ana, cids[200:250])
    ana.run("pin", "rm", cids[1])
    for machine in (bob, eve):
        until(lambda m=machine: m.cids("books") == set(cids[2:250]), f"{machine.name} goes on from the base")

    ana.run("state", "base")
    for machine in (bob, eve):
        until_base(machine, 2)
    # Now nobody has the log from the beginning any more, and the curator is away.
    ana.run("publish", "-o", "books.toml")
    ana.stop()
    late = crew.machine("late")
    late.follow(str(ana.folder / "books.toml"))
    until(lambda: late.cids("books") == set(cids[2:250]), "a follower gave the base to another")
    assert adopted(late)[0]["base"] == 2


def test_what_a_revoked_curator_wrote_is_gone_everywhere_and_what_built_on_it_is_written_again(crew: Crew) -> None:
    ana, bob, eve = begun(crew, "bob", "eve")
    ours, theirs = made_up_cids(40, "ours"), made_up_cids(40, "theirs")
    bob_id = bob.client.ready("books").peer
    ana.run("trust", "add", bob_id)
    until(lambda: bob.client.trust("books").record == 1, "bob is named")
    bob.serve("books")
    pin(ana, ours[:20])
    until(lambda: bob.cids("books") == set(ours[:20]), "bob has them")
    pin(bob, theirs)
    until(lambda: ana.cids("books") == {*ours[:20], *theirs}, "ana has them")
    pin(ana, ours[20:])  # names what bob wrote as what it builds on
    for machine in (bob, eve):
        until(lambda m=machine: m.cids("books") == {*ours, *theirs}, f"{machine.name} has all")

    ana.run("trust", "revoke", bob_id, "--since", "1")
    for machine in (ana, eve, bob):
        until_base(machine, 1)
        until(lambda m=machine: m.cids("books") == set(ours), f"{machine.name} keeps what ana wrote alone")
    pin(ana, theirs[:1])
    for machine in (eve, bob):
        until(lambda m=machine: m.cids("books") == {*ours, theirs[0]}, f"{machine.name} goes on")
    assert "session_stopped" in {line["kind"] for line in eve.json_lines("events")} or adopted(eve)
