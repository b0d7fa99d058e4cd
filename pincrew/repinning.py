"""Who takes expired pins off the list, and who has others keep what a peer kept that is gone. Decisions only, no I/O.

Only curators write, and each write costs everybody; so each such pin has *one* curator that sees to it: the closest to
its CID, by the exclusive or of two hashes, of those that are alive. All who hear the same peers agree on it without a
word. Should it not do so, the next closest does after a while, and so on: nothing waits for one peer.

A peer is *silent* from when its announcement expired, and *gone* when nothing was heard of it for `repin_after`. Only
silence while this peer was listening counts, which is while anybody is connected to it and it runs: who lost its own
line, or was stopped for a while, must not take all others for gone. Of a peer that was never heard, silence counts from
when the listening began.

What is done with a pin that names its peers (minimum and maximum at least 1):

1. *Standing* are its holders that are not gone. While there are at least as many as the minimum, nobody is added.
2. Are there fewer, others are chosen as in `pincrew.allocation`, up to the maximum; who is gone is never chosen.
3. Who is gone stays on the list until as many as the minimum say that they have the pin: should it come back before,
   it still has what nobody else may have. It counts for no maximum meanwhile.
4. Do more stand than the maximum, as after a partition, the surplus goes: first those that say that they do not have
   it, then, where the minimum has it without them, the last of the list.
5. Where nobody can be added, nothing changes; it is looked at again.

What is decided holds for one put: where another one took effect meanwhile, nothing is written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median_low
from typing import NamedTuple

from pincrew import domains, limits
from pincrew.allocation import Allocator
from pincrew.values import Pin


class Silence:
    """Since when this peer has been listening, and for how long others have been silent meanwhile (seconds)."""

    def __init__(self) -> None:
        self._since: float | None = None

    def look(self, now: float, *, is_listening: bool) -> None:
        """Note whether anybody is connected; to be called again and again."""
        if not is_listening:
            self._since = None
        elif self._since is None:
            self._since = now

    def of(self, heard_at: float | None, now: float) -> float:
        """Return for how long a peer has been silent that was heard last at ``heard_at`` (None: never)."""
        if self._since is None:
            return 0.0
        return now - max(self._since, self._since if heard_at is None else heard_at)


@dataclass(frozen=True)
class Outlook:
    """What one curator sees at one moment. Peers are ids.

    ``turns`` are the keys of all who take turns and are alive, the own one among them. ``gone``: for how many seconds
    each of these has been gone. ``alive`` can be asked.
    """

    own: bytes
    turns: Collection[bytes]
    alive: Collection[str]
    gone: Mapping[str, float] = field(default_factory=dict)


class Change(NamedTuple):
    """The peers that are to keep a pin from now on."""

    allocations: tuple[str, ...]


class Ask(NamedTuple):
    """These peers are to say first how far they are with a pin."""

    peers: tuple[str, ...]


class Later:
    """Something is to be done, by somebody else, or once more is known."""


LATER = Later()


def turn_of(cid: bytes, own: bytes, keys: Iterable[bytes]) -> int:
    """Return how many of ``keys`` are closer to a CID than ``own`` is."""
    here = int.from_bytes(hashlib.sha256(domains.TURN + cid).digest())

    def distance(key: bytes) -> int:
        return here ^ int.from_bytes(hashlib.sha256(domains.TURN + key).digest())

    mine = distance(own)
    return sum(distance(key) < mine for key in keys if key != own)


def crew_clock_ms(clocks_ms: Iterable[int], own_ms: int) -> int:
    """Return the time that most curators' clocks have reached, so that one clock that is ahead deletes nothing early.

    ``clocks_ms`` are what those of others show by now, as far as they said.
    """
    return median_low([own_ms, *clocks_ms])


def is_to_be_deleted(pin: Pin, outlook: Outlook, now_ms: int, up_s: float) -> bool:
    """Say whether this curator is the one to delete a pin that expired.

    The closest does it at once, each further one a look later. ``up_s``: for how long this peer has been at it: after
    a start all are long overdue, and the closest goes first all the same.
    """
    if pin.expire_ms is None or pin.expire_ms > now_ms:
        return False
    patience_s = turn_of(pin.cid, outlook.own, outlook.turns) * limits.ALLOCATION_LOOK_INTERVAL_S
    return up_s >= patience_s and now_ms - pin.expire_ms >= patience_s * 1_000


def is_looked_after(pin: Pin) -> bool:
    """Say whether a pin names its peers, and how many they are to be."""
    return bool(pin.allocations) and 1 <= pin.replication_min <= pin.replication_max


def decide(
    pin: Pin, outlook: Outlook, allocator: Allocator, answers: Mapping[str, str] | None = None
) -> Change | Ask | Later | None:
    """Say what is to be done with a pin: nothing (None), a change, or others are asked first.

    ``answers`` is what holders that were asked said (the state of the pin there, of those that answered at all);
    None: nobody was asked.
    """
    if not is_looked_after(pin):
        return None
    holders, gone = pin.allocations, outlook.gone
    standing = [one for one in holders if one not in gone]
    left = [one for one in holders if one in gone]
    is_settled = pin.replication_min <= len(standing) <= pin.replication_max and not left
    if is_settled:
        return None
    if not _is_our_turn(pin, outlook, left):
        return LATER
    if len(standing) < pin.replication_min:
        room = min(pin.replication_max, limits.PIN_ALLOCATIONS_MAX) - len(standing)
        # The size counts for nothing here: better a copy that has to wait for room than none.
        added = allocator.more(pin.cid, room, holders=holders)
        if not added:
            return LATER
        return Change((*standing, *added, *left)[: limits.PIN_ALLOCATIONS_MAX])
    if answers is None:
        return Ask(tuple(one for one in standing if one in outlook.alive))
    kept = _without_surplus(standing, pin, answers)
    has_enough = sum(answers.get(one) == _PINNED for one in kept) >= pin.replication_min
    allocations = tuple(kept) if has_enough else (*kept, *left)
    return Change(allocations) if allocations != holders else LATER


_PINNED = "pinned"


def _without_surplus(standing: Sequence[str], pin: Pin, answers: Mapping[str, str]) -> list[str]:
    """Return who of the standing holders stays: the maximum, or more where it is not known who has the pin."""
    has_it = [one for one in standing if answers.get(one) == _PINNED]
    lacks_it = [one for one in standing if one in answers and one not in has_it]
    unknown = [one for one in standing if one not in answers]
    surplus = len(standing) - pin.replication_max
    leave: set[str] = set()
    for one in reversed(lacks_it):
        if len(leave) < surplus:
            leave.add(one)
    if len(has_it) >= pin.replication_min:
        for one in (*reversed(unknown), *reversed(has_it)):
            if len(leave) < surplus:
                leave.add(one)
    return [one for one in standing if one not in leave]


def _is_our_turn(pin: Pin, outlook: Outlook, left: Sequence[str]) -> bool:
    turn = turn_of(pin.cid, outlook.own, outlook.turns)
    waited_s = min((outlook.gone[one] for one in left), default=0.0)
    return waited_s >= turn * limits.REPIN_TAKEOVER_S
