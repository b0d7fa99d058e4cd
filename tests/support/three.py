"""A cluster of three machines: the keeper that makes its bases, another curator, and a follower.

``agree`` says what must hold after every fault: whatever was acknowledged is on every list, what was removed is on
none, every pin is the same byte for byte, and `doctor` finds nothing.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from support.machines import PATIENCE_S, Crew, Machine, until

NAME = "books"
# What `doctor` rightly says in these tests: no IPFS node is there.
_EXPECTED_FAILURES = {"node", "peers"}


@dataclass(frozen=True)
class Three:
    """The three machines, connected."""

    keeper: Machine
    curator: Machine
    follower: Machine

    @property
    def all(self) -> tuple[Machine, Machine, Machine]:
        """All of them."""
        return self.keeper, self.curator, self.follower

    def start(self, machine: Machine) -> None:
        """Start one of them, as its user does."""
        if machine is self.follower:
            machine.run_daemon()
        else:
            machine.serve(NAME)

    def met(self) -> None:
        """Wait until each is connected with somebody."""
        for machine in self.all:
            machine.until(NAME, lambda summary: summary.peers.connected > 0, f"{machine.name} is connected")


def machines_of(crew: Crew) -> Three:
    """Three machines that know nothing of each other yet."""
    return Three(crew.machine("keeper"), crew.machine("curator"), crew.machine("follower"))


def found(three: Three) -> Three:
    """Make the cluster; all of them run and are connected."""
    three.keeper.create(NAME)
    three.keeper.serve(NAME)
    three.keeper.run("publish", "-o", "books.toml")
    document = str(three.keeper.folder / "books.toml")
    three.curator.follow(document)
    three.keeper.run("trust", "add", three.curator.client.ready(NAME).peer)
    until(lambda: three.curator.client.trust(NAME).record == 1, "the curator is named")
    three.curator.serve(NAME)
    # Its document knows both curators, so that it needs neither to find the other.
    three.keeper.run("publish", "-o", "books.toml")
    three.follower.follow(document)
    three.met()
    return three


def doctors_findings(machine: Machine) -> set[str]:
    """Return what `doctor` says is wrong with the cluster here."""
    lines = machine.json_lines("doctor", "--all", code=None)
    return {line["check"] for line in lines if line["result"] == "FAIL"} - _EXPECTED_FAILURES


def agree(
    machines: Collection[Machine],
    acknowledged: Iterable[str],
    removed: Iterable[str] = (),
    patience_s: float = PATIENCE_S,
) -> float:
    """Wait until all have the same list with all that was acknowledged; return how many seconds that took.

    Raises AssertionError where it does not come to that, or where `doctor` finds something afterwards.
    """
    begun = time.monotonic()
    wanted, gone = set(acknowledged), set(removed)
    lists: dict[str, set[str]] = {}

    def same() -> bool:
        lists.update({machine.name: machine.cids(NAME) for machine in machines})
        first, *others = lists.values()
        return all(first == other for other in others) and wanted <= first and not gone & first

    try:
        until(same, "all have the same list", patience_s)
    except AssertionError as error:
        said = [
            f"{name}: {len(listed)} pins, {len(wanted - listed)} acknowledged are missing, {len(gone & listed)} removed"
            " are there"
            for name, listed in lists.items()
        ]
        logs = [f"--- log of {machine.name}\n{machine.log()}" for machine in machines]
        raise AssertionError("\n".join((str(error)[:500], *said, *logs))) from None
    took_s = time.monotonic() - begun
    first, *others = (sorted(machine.run("state", "export", "-c", NAME).out.splitlines()) for machine in machines)
    for other in others:
        different = [pair for pair in zip(first, other, strict=True) if pair[0] != pair[1]]
        assert not different, f"{len(different)} of {len(first)} pins differ, such as {different[0]}"
    for machine in machines:
        assert doctors_findings(machine) == set(), f"{machine.name}\n{machine.log()}"
    return took_s
