"""Four curators on four machines: new pins are given to two of them, one dies, and others keep what it kept."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from support import hasty
from support.machines import Crew, Machine, until

pytestmark = [pytest.mark.slow]
NAME, FILES = "archive", 8
ZONES = {"ann": "north", "ben": "north", "cem": "south", "dag": "south"}
HASTY = (sys.executable, "-P", str(Path(hasty.__file__)))
PATIENCE_S = 90.0


def four(crew: Crew, within: tuple[str, ...], repin_after: str) -> dict[str, Machine]:
    """Curators with nodes of their own, connected; two copies are usual, one in each zone."""
    machines = {name: crew.machine(name) for name in ZONES}
    for machine in machines.values():
        machine.within = within
    ann = machines["ann"]
    ann.create(NAME, node="embedded")
    configure(ann, "north", repin_after)
    ann.serve(NAME)
    ann.run("publish", "-o", "archive.toml")
    for name, machine in list(machines.items())[1:]:
        machine.run_daemon()
        machine.follow(str(ann.folder / "archive.toml"), "--peer-name", name, node="embedded")
        ann.run("trust", "add", machine.client.ready(NAME).peer)
    for name, machine in list(machines.items())[1:]:
        until(lambda machine=machine: machine.client.trust(NAME).record == 3, f"{name} is named a curator")
        configure(machine, ZONES[name], repin_after)
        machine.serve(NAME)
    for machine in machines.values():
        machine.until(NAME, lambda summary: summary.curators.connected >= 3, "all are connected")
    return machines


def configure(machine: Machine, zone: str, repin_after: str) -> None:
    """Set what a user sets by hand."""
    path = machine.home.cluster(NAME).settings
    lines = ["replication_min = 2", "replication_max = 2", 'allocate_by = ["tag:zone", "freespace"]']
    lines += [f'tags = ["zone={zone}"]', f'repin_after = "{repin_after}"', ""]
    path.write_text(path.read_text() + "\n".join(lines))


def allocations(machine: Machine) -> dict[str, set[str]]:
    """Who is to keep what, by the list."""
    return {pin.cid: set(pin.allocations) for pin in machine.client.pinset(NAME, [])}


def held(machines: dict[str, Machine], listed: dict[str, set[str]]) -> bool:
    """Whether exactly those keep a pin who are to."""
    ids = {name: machine.client.ready(NAME).peer for name, machine in machines.items()}
    for name, machine in machines.items():
        pinned = {one["cid"] for one in machine.json_lines("pins", "--state", "pinned")}
        if pinned != {cid for cid, peers in listed.items() if ids[name] in peers}:
            return False
    return True


def lose_one(machines: dict[str, Machine], patience_s: float, tell: Callable[[str, Machine, str], None]) -> None:
    """Add files, kill the machine that keeps most of them, and wait until every file has two copies again."""
    ann = machines["ann"]
    for number in range(FILES):
        (ann.folder / f"file-{number}").write_bytes(os.urandom(300_000))
    # Each look at free space is one of an announcement: all must have told theirs.
    until(lambda: len(crew_with_room(ann)) == 3, "everybody's room is known", patience_s)
    ann.run("add", *[f"file-{number}" for number in range(FILES)])
    listed = allocations(ann)
    ids = {machine.client.ready(NAME).peer: name for name, machine in machines.items()}
    for peers in listed.values():
        assert {ZONES[ids[peer]] for peer in peers} == {"north", "south"}, "one copy in each zone"
    until(lambda: held(machines, listed), "each pin is where it is to be", patience_s)
    counts = {name: sum(peer in peers for peers in listed.values()) for peer, name in ids.items()}
    name = max((one for one in counts if one != "ann"), key=counts.__getitem__)
    dead, left = machines[name], {one: machine for one, machine in machines.items() if one != name}
    gone = dead.client.ready(NAME).peer
    one = next(cid for cid, peers in listed.items() if gone in peers)
    tell("each pin has two copies, one in each zone; this is one", ann, f"pin status {one}")
    tell(f"{name} ({gone}) keeps {counts[name]} of {FILES} pins; its machine loses power", ann, "peers")
    dead.kill()

    def repinned() -> bool:
        now = allocations(ann)
        return all(gone not in peers and len(peers) == 2 for peers in now.values()) and held(left, now)

    until(repinned, "others keep what it kept", patience_s)
    tell("its pins have two copies again", ann, f"pin status {one}")
    after = allocations(ann)
    assert all(after[cid] == peers for cid, peers in listed.items() if gone not in peers), "nothing else moved"
    events = [event for machine in left.values() for event in machine.json_lines("events")]
    done = [event["fields"]["pins"] for event in events if event["kind"] == "pins_repinned"]
    assert sum(done) == counts[name], "each pin once"
    for other, machine in left.items():
        tell(f"what {other} did", machine, "events")
    dead.serve(NAME)
    until(lambda: held(machines, after), "who comes back keeps what it is to", patience_s)
    assert allocations(ann) == after
    tell(f"{name} is back and lets go", dead, "status")


def crew_with_room(machine: Machine) -> set[str]:
    """Of whom a machine knows that their node has room."""
    return {one.id for one in machine.client.peers(NAME) if one.free}


def test_what_a_dead_curator_kept_is_kept_by_others(crew: Crew) -> None:
    lose_one(four(crew, HASTY, "8s"), PATIENCE_S, lambda *_: None)


@pytest.mark.long
def test_the_same_with_the_patience_of_real_life(crew: Crew) -> None:
    lose_one(four(crew, (), "4m"), 600.0, lambda *_: None)
