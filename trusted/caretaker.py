"""What a curator's peer finds to do about the list by itself: it reads the rows, `pincrew.repinning` decides.

One look goes `begin`, `read` until there is no more, `expired`, `search`, and, once those were asked that the plan
names, `settle`. Everything here blocks, and nothing here writes: what comes out are requests. The daemon's task
(`repinner`) and the simulation drive the same object.

Rows are met in three ways: those that changed, by their change numbers (a start reads them all); those that name a peer
that is gone, or has just come back, by a search through all records, round after round as long as there is such a peer;
and those that had to be left for later. What one look does is bounded, and a round goes on where the last look ended.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from pincrew.trusted.author import WriteRequest

from pincrew import limits
from pincrew.allocation import Allocator
from pincrew.crew_metrics import Crewmate
from pincrew.errors import PincrewError
from pincrew.keys import peer_id, public_of
from pincrew.record import decode_record, with_allocations
from pincrew.repinning import (
    Ask,
    Change,
    Later,
    Outlook,
    Silence,
    decide,
    is_looked_after,
    is_to_be_deleted,
)
from pincrew.store.watched_rows import WatchedRow, WatchedRows
from pincrew.values import Pin, PinType

_NAMES_MAX = 500
_AGAIN_MAX = 10_000


@dataclass(frozen=True)
class AllocationRules:
    """What the user set (`pincrew.settings`). ``repin_after_s`` None = nobody is ever replaced."""

    by: tuple[str, ...]
    with_followers: bool = False
    repin_after_s: float | None = limits.REPIN_AFTER_S
    replication_min: int = -1
    replication_max: int = -1

    def allocator(
        self, crew: Sequence[Crewmate], curators: Collection[bytes], blacklist: Collection[str] = ()
    ) -> Allocator:
        """Return what chooses among ``crew``, who are alive."""
        return Allocator(crew, self.by, may_hold=None if self.with_followers else curators, blacklist=blacklist)


@dataclass(frozen=True)
class Facts:
    """What is known at one moment. ``now`` is of the clock that ``heard_at`` is of, which is by public key.

    ``clock_ms`` is what most curators' clocks show (`repinning.crew_clock_ms`).
    """

    now: float
    clock_ms: int
    crew: Sequence[Crewmate]
    curators: Collection[bytes]
    heard_at: Mapping[bytes, float]
    is_listening: bool


@dataclass
class Plan:
    """What one look comes to. ``asks``: the holders that are to say how far they are, by CID."""

    requests: list[WriteRequest] = field(default_factory=list)
    asks: dict[bytes, tuple[str, ...]] = field(default_factory=dict)
    rows: dict[bytes, WatchedRow] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """How many pins it is about."""
        return len(self.requests) + len(self.asks)


class Caretaker:
    """Looks after the list of one cluster."""

    def __init__(self, rows: WatchedRows, own: bytes, rules: AllocationRules) -> None:
        self._rows = rows
        self._own = own
        self._rules = rules
        self._silence = Silence()
        self._began: float | None = None
        self._cursor = 0
        self._expiring = Expiring()
        self._named: dict[str, bytes | None] = {}  # whom pins name, with their keys where those are peer ids
        self._gone_before: frozenset[str] = frozenset()
        self._names: list[str] = []  # that this round searches for
        self._after = 0
        self._again: dict[bytes, None] = {}
        self._is_unread = False  # rows wait until some of these are done
        self._has_left_out = False  # some of these, for those rows
        self.may_have_shards = True  # until all rows were read; from then on only where there are some
        self._has_seen_shards = False
        self._facts = Facts(0.0, 0, (), (), {}, False)
        self._outlook = Outlook(own, (), ())
        self._allocator = rules.allocator((), ())

    def begin(self, facts: Facts) -> None:
        """Take in what is known now."""
        self._began = facts.now if self._began is None else self._began
        self._facts = facts
        self._silence.look(facts.now, is_listening=facts.is_listening)
        alive = {one.peer for one in facts.crew} | {peer_id(self._own)}
        turns = {one.key for one in facts.crew if one.repins and one.key in facts.curators} | {self._own}
        self._outlook = Outlook(self._own, turns, alive, self._gone(alive))
        self._allocator = self._rules.allocator(facts.crew, facts.curators, self._outlook.gone)

    def _gone(self, alive: Collection[str]) -> dict[str, float]:
        if self._rules.repin_after_s is None:
            return {}
        gone = {}
        for peer, key in self._named.items():
            heard_at = None if key is None else self._facts.heard_at.get(key)
            silent_s = self._silence.of(heard_at, self._facts.now)
            if peer not in alive and silent_s >= self._rules.repin_after_s:
                gone[peer] = silent_s - self._rules.repin_after_s
        return gone

    # ---- rows that changed ----------------------------------------------------------------------------------------

    def read(self) -> bool:
        """Note what some of the rows that changed say; return whether there is more to read now.

        Where more have to be looked at again than are remembered, the others wait for their turn: a few at each look,
        round after round, so that no one of them keeps the others from being seen.
        """
        if len(self._again) >= _AGAIN_MAX:
            self._is_unread = True
            return False
        if not self._expiring and self._expiring.is_more:
            self._cursor, self._expiring = 0, Expiring()
        rows, self._cursor, is_more = self._rows.changed(self._cursor, limits.WATCHED_ROWS_PER_SLICE)
        for row in rows:
            pin = decode_record(row.cid, row.record)
            if pin.expire_ms is not None:
                self._expiring.push(pin.expire_ms, pin.cid)
            self._has_seen_shards = self._has_seen_shards or pin.type is PinType.META
            if is_looked_after(pin):
                for peer in pin.allocations:
                    if peer not in self._named and len(self._named) < limits.ANNOUNCED_PEERS_MAX:
                        self._named[peer] = _key_of(peer)
                if decide(pin, self._outlook, self._allocator) is not None:
                    self._look_again(pin, was_read=True)
        self._is_unread = is_more
        self.may_have_shards = self._has_seen_shards or (is_more and self.may_have_shards)
        if not is_more and self._has_left_out:
            self._cursor, self._has_left_out = 0, False
        return is_more

    def _look_again(self, pin: Pin, *, was_read: bool = False) -> None:
        """Remember a pin that needs something; those that name who is gone are searched for anyway."""
        if not self._outlook.gone.keys().isdisjoint(pin.allocations):
            return
        if was_read or not self._is_unread:
            self._again[pin.cid] = None
        else:
            self._has_left_out = True

    # ---- what expired ---------------------------------------------------------------------------------------------

    def expired(self) -> list[WriteRequest]:
        """Return the deletions that are this curator's."""
        assert self._began is not None
        outlook = Outlook(
            self._own, {one.key for one in self._facts.crew if one.key in self._facts.curators} | {self._own}, ()
        )
        requests = []
        due = self._expiring.due(self._facts.clock_ms, limits.EXPIRED_PER_LOOK)
        for row in self._rows.of(due):
            pin = decode_record(row.cid, row.record)
            if is_to_be_deleted(pin, outlook, self._facts.clock_ms, self._facts.now - self._began):
                requests.append(WriteRequest(row.cid, None, row.put))
            if pin.expire_ms is not None:
                self._expiring.push(pin.expire_ms, pin.cid)  # until it is gone
        return requests

    # ---- what too few, or too many, keep --------------------------------------------------------------------------

    def search(self) -> Plan:
        """Return what is to be written and asked about pins that name their peers."""
        plan = Plan()
        if self._rules.repin_after_s is None:
            return plan
        again, self._again = list(self._again), {}
        for row in self._rows.of(again):
            self._consider(row, plan)
        if self._after == 0:
            gone = frozenset(self._outlook.gone)
            self._names = sorted(gone | self._gone_before)[:_NAMES_MAX]
            self._gone_before = gone
        room = plan.size + limits.REPINNED_PER_LOOK  # whatever those came to: they may come to as much for ever
        while plan.size < room:
            rows = self._rows.naming(self._names, self._after, limits.WATCHED_ROWS_PER_SLICE)
            for row in rows:
                self._consider(row, plan)
            self._after = rows[-1].row if len(rows) == limits.WATCHED_ROWS_PER_SLICE else 0
            if self._after == 0:
                break
        return plan

    def _consider(self, row: WatchedRow, plan: Plan) -> None:
        pin = decode_record(row.cid, row.record)
        match decide(pin, self._outlook, self._allocator):
            case Change(allocations):
                plan.requests.append(_request(row, allocations))
            case Ask(peers):
                plan.asks[row.cid], plan.rows[row.cid] = peers, row
            case Later():
                self._look_again(pin)

    def settle(self, plan: Plan, answers: Mapping[bytes, Mapping[str, str]]) -> list[WriteRequest]:
        """Return all that is to be written. ``answers``: of each pin that was asked about, its state at those peers
        that answered."""
        requests = list(plan.requests)
        for cid, row in plan.rows.items():
            pin = decode_record(cid, row.record)
            decision = decide(pin, self._outlook, self._allocator, answers.get(cid, {}))
            if isinstance(decision, Change):
                requests.append(_request(row, decision.allocations))
            else:
                self._look_again(pin)
        return requests

    @property
    def gone(self) -> Collection[str]:
        """The peers that pins name and that are gone."""
        return self._outlook.gone.keys()


class Expiring:
    """The pins that expire next, at most EXPIRING_KEPT_MAX; ``is_more``: there are others, which expire later."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, bytes]] = []
        self._end_ms: int | None = None

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def is_more(self) -> bool:
        """Whether some that were told were not kept."""
        return self._end_ms is not None

    def push(self, expire_ms: int, cid: bytes) -> None:
        """Note one; harmless where it is noted already."""
        if self._end_ms is not None and expire_ms > self._end_ms:
            return
        heapq.heappush(self._heap, (expire_ms, cid))
        if len(self._heap) > limits.EXPIRING_KEPT_MAX:
            self._heap = heapq.nsmallest(limits.EXPIRING_KEPT_MAX // 2, self._heap)
            self._end_ms = self._heap[-1][0]

    def due(self, now_ms: int, limit: int) -> list[bytes]:
        """Take and return those that have expired, each once, the oldest first."""
        found: dict[bytes, None] = {}
        while self._heap and self._heap[0][0] <= now_ms and len(found) < limit:
            found[heapq.heappop(self._heap)[1]] = None
        return list(found)


def _request(row: WatchedRow, allocations: Sequence[str]) -> WriteRequest:
    return WriteRequest(row.cid, with_allocations(row.record, allocations), row.put)


def _key_of(peer: str) -> bytes | None:
    try:
        return public_of(peer)
    except PincrewError:
        return None  # nobody can ever be heard under such a name
