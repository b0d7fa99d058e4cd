"""A ``tracker.PinBook`` in memory, with the pinset's side of it (``put``, ``remove``) for tests of the pinner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pincrew.errors import StoreFault
from pincrew.tracker import FOR_ROOM, Candidate, Change, Lane, Leaving, Standing, StatusUpdate
from pincrew.values import Choice, Pin, PinState

HOUR_MS = 3_600_000
DECIDED_ABOUT = (PinState.QUEUED, PinState.PINNED, PinState.ERROR, PinState.SKIPPED)


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
        self.left_sizes: dict[bytes, int] = {}
        self.chosen: dict[bytes, Choice] = {}
        self.cursor = 0
        self.last_change = 0
        self.state_text: str | None = None
        self.node: str | None = None
        self.faults = 0
        self.settled: list[StatusUpdate] = []
        self.now_ms = 1_000  # when the pinset's side removes

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
            if row.status.state is PinState.PINNED and cid not in self.left:
                self.left[cid], self.left_sizes[cid] = self.now_ms, row.size or 0

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
            Change(row.change, cid, row.pin, row.status.state, row.status.tries, cid in self.left, row.size)
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
            row = self.rows.get(update.cid)
            if update.leaving_ms is not None:
                if update.cid not in self.left:
                    size = update.size if update.size is not None else row.size if row is not None else None
                    self.left[update.cid], self.left_sizes[update.cid] = update.leaving_ms, size or 0
            elif update.state is not PinState.UNPINNING:
                self._stay(update.cid)
            if row is not None and update.state not in (None, PinState.UNPINNING):
                row.status = update
                row.size = row.size if update.size is None else update.size
        if cursor is not None:
            self.cursor = cursor
            self.removed = {cid: entry for cid, entry in self.removed.items() if entry[0] > cursor}

    def _stay(self, cid: bytes) -> None:
        self.left.pop(cid, None)
        self.left_sizes.pop(cid, None)

    def candidates(self, lane: Lane, *, now_ms: int, limit: int) -> list[Candidate]:
        wanted = PinState.ERROR if lane is Lane.RETRY else PinState.QUEUED
        rows = [row for row in self.rows.values() if row.status.state is wanted]
        if lane is Lane.CHOSEN:
            wanted_next = [cid for cid, choice in self.chosen.items() if choice is Choice.NEXT]
            rows = [row for cid in wanted_next for row in rows if row.pin.cid == cid]
        elif lane is Lane.RETRY:
            rows = [row for row in rows if (row.status.next_try_ms or 0) <= now_ms]
            rows.sort(key=lambda row: row.status.next_try_ms or 0)
        else:
            rows.sort(key=lambda row: (row.pin.added_ms, row.change), reverse=lane is Lane.FRESH)
        return [Candidate(row.pin, wanted, row.status.tries, row.size) for row in rows[:limit]]

    def next_due_ms(self) -> int | None:
        return min(
            (row.status.next_try_ms for row in self.rows.values() if row.status.next_try_ms is not None), default=None
        )

    def interrupted(self, limit: int) -> list[Candidate]:
        rows = [row for row in self.rows.values() if row.status.state is PinState.PINNING]
        return [Candidate(row.pin, PinState.PINNING, row.status.tries, row.size) for row in rows[:limit]]

    def standings(self, after: int, limit: int) -> list[Standing]:
        numbered = list(enumerate(self.rows.values()))
        return [
            Standing(
                number,
                Pin(row.pin.cid, row.pin.name, size=row.size),
                row.status.state,
                row.status.cause,
                row.status.tries,
            )
            for number, row in numbered
            if number > after and row.status.state in DECIDED_ABOUT
        ][:limit]

    def newest_pinned(self, limit: int) -> list[tuple[bytes, int]]:
        rows = [
            (row.pin.added_ms, number, cid, row.size or 0)
            for number, (cid, row) in enumerate(self.rows.items())
            if row.status.state is PinState.PINNED
        ]
        return [(cid, size) for _, _, cid, size in sorted(rows, reverse=True)][:limit]

    def beyond(self, limit: int) -> tuple[int, int]:
        pins = total = 0
        for _, size in self.newest_pinned(len(self.rows)):
            if total >= self.pinned_bytes() - limit:
                break
            pins, total = pins + 1, total + size
        return pins, total

    def readmit(self, size_max: int | None, limit: int, *, now_ms: int) -> int:
        rows = [row for row in self.rows.values() if row.status.cause in FOR_ROOM]
        rows = [row for row in rows if size_max is None or (row.size or 0) <= size_max]
        left, count = size_max, 0
        for row in sorted(rows, key=lambda row: row.pin.added_ms)[:limit]:
            if left is None or (row.size or 0) <= left:
                left = None if left is None else left - (row.size or 0)
                self._queue(row, now_ms)
                count += 1
        return count

    def _queue(self, row: Row, now_ms: int) -> None:
        row.status = StatusUpdate(row.pin.cid, PinState.QUEUED, row.status.tries, updated_ms=now_ms)
        self._stay(row.pin.cid)

    def kept_bytes(self) -> int:
        return self.pinned_bytes() + sum(self.left_sizes.values())

    def pinned_bytes(self) -> int:
        return sum(row.size or 0 for row in self.rows.values() if row.status.state is PinState.PINNED)

    def skipped_for(self) -> Mapping[str, int]:
        causes = [row.status.cause or "" for row in self.rows.values() if row.status.state is PinState.SKIPPED]
        return {cause: causes.count(cause) for cause in causes}

    def choices(self) -> dict[bytes, Choice]:
        return dict(self.chosen)

    def choose(self, cids: Sequence[bytes], choice: Choice | None, *, now_ms: int) -> None:
        for cid in cids:
            self.chosen.pop(cid, None)
            if choice is not None:
                self.chosen[cid] = choice

    def requeue(self, cid: bytes | None, *, now_ms: int, also_pinned: bool = True) -> int:
        count = 0
        for key, row in self.rows.items():
            state = row.status.state
            chosen = state is PinState.ERROR if cid is None else key == cid
            if state in (PinState.PINNING, PinState.REMOTE) or (state is PinState.PINNED and not also_pinned):
                continue
            if chosen:
                self._queue(row, now_ms)
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

    def leaving(self, *, from_ms: int = 0, to_ms: int, limit: int) -> list[Leaving]:
        found = [Leaving(cid, since) for cid, since in self.left.items() if from_ms <= since <= to_ms]
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
