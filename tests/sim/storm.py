"""What happens to a swarm: a list of actions, decided up front by a seed and then played.

Each action carries its own luck, and one that has become impossible (its peer is down, or is not there, or may not
write) does nothing. So a list stays meaningful with actions taken out of it, and what is left happens much as it did
before: that is what lets a failing list be shrunk (shrink.py).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import NamedTuple
from unittest.mock import patch

from pincrew.errors import StoreFault
from pincrew.store.database import Database
from pincrew.store.window import WindowChanges
from sim.judge import rows_of
from sim.liars import tell_a_lie
from sim.swarm import Node, Swarm, key_of

Mix = Mapping[str, int]  # how often each kind of action happens, against the others

CALM: Mix = {
    "write": 40,
    "die writing": 5,
    "crash": 5,
    "die applying": 2,
    "start": 15,
    "connect": 18,
    "part": 5,
    "heal": 10,
}
DISKS: Mix = {"disk fails": 4, "clone": 1, "backup": 3, "restore": 3, "clock jumps": 3}
BASES: Mix = {"base": 4, "newcomer": 2}
TRUST: Mix = {"revoke": 2, "name": 3, "late curator": 1, "keeper": 2, "owner's base": 2}
LIES: Mix = {"lie": 2}

_CLOCK_JUMP_MS = 400 * 24 * 3600 * 1000
_STEP_S = 1.5


class Action(NamedTuple):
    """One thing that happens. ``number`` is its place in the plan, ``luck`` decides whatever is left to chance."""

    number: int
    kind: str
    who: str
    other: str
    luck: int

    def __str__(self) -> str:
        return f"{self.number:4} {self.kind}: {self.who}, {self.other}"


def plan(random: Random, mix: Mix, names: Sequence[str], steps: int) -> list[Action]:
    """Decide what happens to peers of these names, those of curators and others, and of those that come meanwhile."""
    peers, actions = list(names), []
    kinds, weights = list(mix), list(mix.values())
    for number in range(steps):
        (kind,) = random.choices(kinds, weights)
        writers = [name for name in peers if not name.startswith(("follower", "newcomer"))]
        who = random.choice(writers if kind in _OF_CURATORS else peers)
        actions.append(Action(number, kind, who, random.choice(peers), random.getrandbits(64)))
        if kind in _NEW_PEERS:
            peers.append(_new_name(actions[-1]))
    return actions


_OF_CURATORS = ("write", "die writing", "clone", "base", "lie", "revoke", "name", "keeper")
_NEW_PEERS = {"newcomer": "newcomer", "late curator": "late", "clone": "clone"}


def _new_name(action: Action) -> str:
    return f"{_NEW_PEERS[action.kind]}{action.number}"


class Storm:
    """Plays actions on a swarm."""

    def __init__(self, swarm: Swarm) -> None:
        self.swarm = swarm
        self._backups: dict[str, Database] = {}
        self._failing: dict[str, str] = {}

    def play(self, actions: Sequence[Action]) -> None:
        """Let all of it happen, one after the other, with some time in between."""
        swarm = self.swarm
        with self._disks_that_fail():
            for action in actions:
                swarm.random.seed(action.luck)
                node, other = swarm.nodes.get(action.who), swarm.nodes.get(action.other)
                if node is not None and other is not None:
                    with contextlib.suppress(StoreFault):  # an author is told; what is applied is tried again
                        self._happens(action, node, other)
                swarm.run(swarm.now + swarm.random.random() * _STEP_S)
                swarm.tick()

    def _happens(self, action: Action, node: Node, other: Node) -> None:
        swarm, random = self.swarm, self.swarm.random
        match action.kind:
            case "write" if swarm.may_write(node):
                swarm.write(node, swarm.random_requests())
            case "die writing" if swarm.may_write(node):
                swarm.write(node, swarm.random_requests(), crash_after=random.randrange(4))
            case "crash":
                swarm.crash(node)
            case "die applying" if node.member is not None:
                swarm.abandon(node, random.randrange(4))
            case "start" if node.member is None:
                swarm.start(node)
            case "connect":
                swarm.connect(node, other)
            case "part" if node is not other:
                swarm.cut.add(frozenset((node.name, other.name)))
                swarm.disconnect(node, other)
            case "heal":
                swarm.cut.clear()
            case "newcomer":
                swarm.connect(swarm.add(_new_name(action), None), other)
            case "base" | "lie":
                self._keepers_base(node, is_lie=action.kind == "lie")
            case "disk fails" | "clone" | "backup" | "restore" | "clock jumps":
                self._disk(action, node)
            case "revoke" | "name" | "late curator" | "keeper" | "owner's base" if other.member is not None:
                self._trust(action, node, other)

    def _keepers_base(self, node: Node, *, is_lie: bool) -> None:
        member = node.member
        if member is None or node.key is None or member.chain.keeper != node.key.public or member.bases.stage():
            return
        if not is_lie:
            self.swarm.make_base(node)
        elif rows_of(node):
            tell_a_lie(self.swarm, node)

    def _disk(self, action: Action, node: Node) -> None:
        swarm = self.swarm
        match action.kind:
            case "disk fails":
                self._failing[node.name] = swarm.random.choice(("before", "after"))
            case "clone":
                swarm.add(_new_name(action), node.key, swarm.copy_disk(node))
            case "backup":
                self._backups[node.name] = swarm.copy_disk(node)
            case "restore" if node.name in self._backups:
                swarm.put_back(node, self._backups.pop(node.name))
            case "clock jumps":
                node.clock_ms = swarm.random.randrange(-_CLOCK_JUMP_MS, _CLOCK_JUMP_MS)

    def _trust(self, action: Action, node: Node, told: Node) -> None:
        """Let the owner sign something, and tell one peer of it."""
        swarm, owner = self.swarm, self.swarm.owner
        swarm.tell(told, owner.chain)
        key = b"" if node.key is None else node.key.public
        match action.kind:
            case "revoke" if owner.chain.is_curator(key) and len(owner.chain.curators) > 1 and self._can_make(told):
                swarm.tell(told, owner.revokes(key, told))
                swarm.make_base(told, is_owners=True)  # the same command does both: only this peer has all that counts
            case "name" if not owner.chain.is_curator(key):
                swarm.tell(told, owner.adds(key))
            case "late curator":
                late = key_of(_new_name(action))
                swarm.tell(told, owner.adds(late.public))
                swarm.connect(swarm.add(_new_name(action), late), told)
            case "keeper" if owner.chain.is_curator(key) and owner.chain.keeper != key:
                swarm.tell(told, owner.keeps(key))
            case "owner's base" if self._can_make(told):
                swarm.make_base(told, is_owners=True)

    def _can_make(self, told: Node) -> bool:
        """Whether the owner may sign a base at a peer: one that has the last of hers, was not lied to, and has no
        other base on its way. Of two that know nothing of each other one would be lost."""
        judge, last = self.swarm.judge, self.swarm.owner.last_base
        if told.member is None or told.member.bases.stage() or judge.is_fooled(told):
            return False
        return not last or judge.stands_on(told, last)

    @contextlib.contextmanager
    def _disks_that_fail(self) -> Iterator[None]:
        """The next commit at a failing peer does not happen, or does and says that it did not."""
        commit = WindowChanges.commit

        def moody(changes: WindowChanges, database: Database, now_ms: int) -> int:
            name = next(name for name, node in self.swarm.nodes.items() if node.disk is database)
            how = self._failing.pop(name, "")
            if how == "before":
                raise StoreFault("There is no room for the state")
            change = commit(changes, database, now_ms)
            if how == "after":
                raise StoreFault("It is not known whether that was written")
            return change

        with patch.object(WindowChanges, "commit", moody):
            yield


def storm(swarm: Swarm, steps: int = 50, mix: Mix = CALM) -> None:
    """Plan and play at once, for tests that have more to do before and after."""
    Storm(swarm).play(plan(swarm.random, mix, list(swarm.nodes), steps))
