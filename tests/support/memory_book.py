"""A ``tracker.PinBook`` in memory, with the pinset's side of it (``put``, ``remove``) for tests of the pinner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pincrew.errors import StoreFault
from pincrew.tracker import Candidate, Change, Lane, Leaving, StatusUpdate
from pincrew.values import Pin, PinState

HOUR_MS = 3_600_000


@dataclass
class Row:
    pin: Pin
    change: int
    status: StatusUpdate
    size: int | None = None


class MemoryBook:
    """Rows in a dict. ``faults`` makes that many of the next calls of ``settle`` fail as a full disk would."""

    def __init__(self) -> None:
        self.rows: dict[bytes, Row] = {}
        self.removed: dict[bytes, tuple[int, PinState | None, int]] = {}
        self.left: dict[bytes, int] = {}
        self.cursor = 0
        self.last_change = 0
        self.state_text: str | None = None
        self.node: str | None = None
        self.faults = 0
        self.settled: list[StatusUpdate] = []

    # ---- the pinset's side
    def put(self, *pins: Pin) -> None:
        for pin in pins:
            self.last_change += 1
            old = self.rows.get(pin.cid)
            status = old.status if old else StatusUpdate(pin.cid, PinState.QUEUED)
            self.rows[pin.cid] = Row(pin, self.last_change, status, old.size if old else pin.size)
            self.removed.pop(pin.cid, None)

    def remove(self, *cids: bytes) -> None:
        for cid in cids:
            self.last_change += 1
            row = self.rows.pop(cid)
            self.removed[cid] = (self.last_change, row.status.state, row.status.tries)

    def state(self, cid: bytes) -> PinState | None:
        """Return the state that a user would see."""
        if cid in self.rows:
            return self.rows[cid].status.state
        if cid in self.removed:
            return self.removed[cid][1]  # the pinner has not seen the removal yet
        return PinState.UNPINNING if cid in self.left else None

    # ---- PinBook
    def change_cursor(self) -> int:
        return self.cursor

    def changes(self, limit: int) -> list[Change]:
        found = [
            Change(row.change, cid, row.pin, row.status.state, row.status.tries, cid in self.left)
            for cid, row in self.rows.items()
            if row.change > self.cursor
        ]
        found += [
            Change(change, cid, None, state, tries, cid in self.left)
            for cid, (change, state, tries) in self.removed.items()
            if change > self.cursor
        ]
        return sorted(found, key=lambda one: one.change)[:limit]

    def settle(self, updates: Sequence[StatusUpdate], cursor: int | None) -> None:
        if self.faults:
            self.faults -= 1
            raise StoreFault("There is no room for the state")
        for update in updates:
            self.settled.append(update)
            if update.leaving_ms is not None:
                self.left.setdefault(update.cid, update.leaving_ms)
            elif update.state is not PinState.UNPINNING:
                self.left.pop(update.cid, None)
            row = self.rows.get(update.cid)
            if row is not None and update.state not in (None, PinState.UNPINNING):
                row.status = update
                row.size = row.size if update.size is None else update.size
        if cursor is not None:
            self.cursor = cursor
            self.removed = {cid: entry for cid, entry in self.removed.items() if entry[0] > cursor}

    def candidates(self, lane: Lane, *, now_ms: int, limit: int) -> list[Candidate]:
        wanted = PinState.ERROR if lane is Lane.RETRY else PinState.QUEUED
        rows = [row for row in self.rows.values() if row.status.state is wanted]
        if lane is Lane.RETRY:
            rows = [row for row in rows if (row.status.next_try_ms or 0) <= now_ms]
            rows.sort(key=lambda row: row.status.next_try_ms or 0)
        else:
            rows.sort(key=lambda row: (row.pin.added_ms, row.change), reverse=lane is Lane.FRESH)
        return [Candidate(row.pin, wanted, row.status.tries) for row in rows[:limit]]

    def next_due_ms(self) -> int | None:
        return min(
            (row.status.next_try_ms for row in self.rows.values() if row.status.next_try_ms is not None), default=None
        )

    def interrupted(self, limit: int) -> list[Candidate]:
        rows = [row for row in self.rows.values() if row.status.state is PinState.PINNING]
        return [Candidate(row.pin, PinState.PINNING, row.status.tries) for row in rows[:limit]]

    def requeue(self, cid: bytes | None, *, now_ms: int) -> int:
        count = 0
        for key, row in self.rows.items():
            state = row.status.state
            chosen = state is PinState.ERROR if cid is None else key == cid
            if chosen and state not in (PinState.PINNING, PinState.REMOTE):
                row.status = StatusUpdate(key, PinState.QUEUED, row.status.tries, updated_ms=now_ms)
                count += 1
        return count

    def queue_pinned(self, limit: int, *, now_ms: int) -> int:
        pinned = [key for key, row in self.rows.items() if row.status.state is PinState.PINNED][:limit]
        for key in pinned:
            self.rows[key].status = StatusUpdate(key, PinState.QUEUED, updated_ms=now_ms)
        return len(pinned)

    def node_id(self) -> str | None:
        return self.node

    def save_node_id(self, peer_id: str | None) -> None:
        self.node = peer_id

    def pinned_page(self, after: bytes | None, limit: int) -> list[bytes]:
        cids = sorted(cid for cid, row in self.rows.items() if row.status.state is PinState.PINNED)
        return [cid for cid in cids if after is None or cid > after][:limit]

    def counts(self) -> Mapping[PinState, int]:
        counts = dict.fromkeys(PinState, 0)
        for row in self.rows.values():
            assert row.status.state is not None
            counts[row.status.state] += 1
        counts[PinState.UNPINNING] = len(self.left)
        return counts

    def leaving(self, *, to_ms: int, limit: int) -> list[Leaving]:
        found = [Leaving(cid, since) for cid, since in self.left.items() if since <= to_ms]
        return sorted(found, key=lambda one: one.since_ms)[:limit]

    def leaving_hours(self, *, after_ms: int) -> list[tuple[int, int]]:
        hours: dict[int, int] = {}
        for since in self.left.values():
            if since > after_ms:
                hours[since - since % HOUR_MS] = hours.get(since - since % HOUR_MS, 0) + 1
        return sorted(hours.items())

    def removals_state(self) -> str | None:
        return self.state_text

    def save_removals_state(self, text: str) -> None:
        assert len(text) <= 4_096
        self.state_text = text
