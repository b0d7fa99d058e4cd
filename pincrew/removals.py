"""When something that left the pinset may leave this peer's node. No I/O; time is an argument.

A rogue or careless curator must not be able to delete everyone's backup in minutes (design.md, section 4). So:

1. Nothing is unpinned before its grace is over, counted from when this peer learned of its removal.
2. When the removals of one day exceed both a fraction of what is kept and a handful, or a fixed number, a *hold*
   begins. It covers that day's removals and every later one. It ends when the user decides, when nothing held is left,
   or after ``hold_s`` if what is then still held is no longer such a mass.
3. A held removal waits ``hold_s`` from its own time, so that a flood in the last hour of a hold gains nothing by it.
4. The user's word covers the removals up to that moment and no later one. Accepted: they may go at once. Rejected: they
   stay, as the user's own. Either ends the hold.
5. Who obeys (curators' own peers; ``--obey``) waits for nothing.

All is decided from counts per hour and from `RemovalsState`, which is kept on disk; a removal is only known by its
time. The answer is one time: what was removed up to then may be unpinned now.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from pincrew.limits import (
    REMOVALS_FRACTION_MAX,
    REMOVALS_FREE_PINS,
    REMOVALS_HOLD_S,
    REMOVALS_PINS_MAX,
    UNPIN_GRACE_S,
)

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
_DONE_HOURS_MAX = 26


class Decision(StrEnum):
    """What the user can say to held removals."""

    ACCEPT = "accept"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class RemovalsRules:
    """The user's settings."""

    grace_s: float = UNPIN_GRACE_S
    hold_s: float = REMOVALS_HOLD_S
    obey: bool = False


@dataclass(frozen=True, slots=True)
class RemovalsState:
    """What must survive a restart.

    ``held_from_ms``: removals from then on are held (None: no hold); ``hold_since_ms``: when the hold began.
    ``accepted_to_ms``, ``rejected_to_ms``: the user's word covers the removals up to then. ``done``: (hour, how many)
    of this day's removals that were already carried out, which only a short grace can bring about.
    """

    held_from_ms: int | None = None
    hold_since_ms: int | None = None
    accepted_to_ms: int = -1
    rejected_to_ms: int = -1
    done: tuple[tuple[int, int], ...] = ()

    @property
    def decided_to_ms(self) -> int:
        """Removals up to here are decided and count for nothing."""
        return max(self.accepted_to_ms, self.rejected_to_ms)

    def word_on(self, since_ms: int) -> Decision | None:
        """Return the user's word on what was removed at a time; what was rejected stays so (``letting_go``)."""
        if since_ms <= self.rejected_to_ms:
            return Decision.REJECT
        return Decision.ACCEPT if since_ms <= self.accepted_to_ms else None

    def to_text(self) -> str:
        """Write it for ``from_text``."""
        return json.dumps(
            {
                "held_from": self.held_from_ms,
                "since": self.hold_since_ms,
                "accepted": self.accepted_to_ms,
                "rejected": self.rejected_to_ms,
                "done": self.done,
            }
        )

    @classmethod
    def from_text(cls, text: str | None) -> RemovalsState:
        """Read what ``to_text`` wrote; None is the beginning."""
        if text is None:
            return cls()
        fields: dict[str, Any] = json.loads(text)
        return cls(
            fields["held_from"],
            fields["since"],
            fields["accepted"],
            fields["rejected"],
            tuple((hour, count) for hour, count in fields["done"]),
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from the counts.

    ``free_to_ms``: removals with a time up to then may be unpinned now. ``next_ms``: look again then at the latest,
    even if nothing happens. ``held``: how many removals wait for the user (0: no hold); the oldest of them goes by
    itself at ``held_until_ms``.
    """

    state: RemovalsState
    free_to_ms: int
    next_ms: int | None
    held: int = 0
    held_until_ms: int | None = None


def evaluate(
    state: RemovalsState,
    rules: RemovalsRules,
    *,
    now_ms: int,
    kept: int,
    hours: Sequence[tuple[int, int]],
) -> Verdict:
    """Say what may be unpinned now.

    ``hours`` are (start of the hour, how many) of the removals not yet carried out whose time is later than
    ``state.decided_to_ms``; ``kept`` is what the node keeps for this cluster, those removals included.
    """
    if rules.obey:
        return Verdict(replace(state, held_from_ms=None, hold_since_ms=None, done=()), now_ms, None)
    done = tuple(entry for entry in state.done if entry[0] > now_ms - DAY_MS - HOUR_MS)
    state = replace(state, done=done)
    today = [hour for hour, count in (*hours, *done) if count and hour > now_ms - DAY_MS - HOUR_MS]
    removed_today = sum(count for hour, count in (*hours, *done) if hour > now_ms - DAY_MS - HOUR_MS)
    if state.held_from_ms is None and _is_mass(removed_today, kept + sum(count for _, count in done)):
        held_from = max(min(today), state.decided_to_ms + 1)
        state = replace(state, held_from_ms=held_from, hold_since_ms=now_ms)
    grace_ms, hold_ms = int(rules.grace_s * 1_000), int(max(rules.hold_s, rules.grace_s) * 1_000)
    if state.held_from_ms is not None:
        held = [(hour, count) for hour, count in hours if count and hour + HOUR_MS > state.held_from_ms]
        is_over = now_ms >= (state.hold_since_ms or 0) + hold_ms
        if not _is_mass(removed_today, kept) and (
            not held or (is_over and not _is_mass(sum(count for _, count in held), kept))
        ):
            state = replace(state, held_from_ms=None, hold_since_ms=None)
    if state.held_from_ms is None:
        free_to = max(now_ms - grace_ms, state.accepted_to_ms)
        return Verdict(state, free_to, _next(hours, now_ms, grace_ms, free_to))
    free_to = max(min(now_ms - grace_ms, state.held_from_ms - 1), now_ms - hold_ms, state.accepted_to_ms)
    oldest = max(min((hour for hour, _ in held), default=now_ms), state.held_from_ms)
    before = [(hour, count) for hour, count in hours if hour < state.held_from_ms]
    times = [_next(before, now_ms, grace_ms, free_to), _next(held, now_ms, hold_ms, free_to)]
    return Verdict(
        state,
        free_to,
        min((time for time in times if time is not None), default=None),
        sum(count for _, count in held),
        oldest + hold_ms,
    )


def decide(state: RemovalsState, decision: Decision, *, now_ms: int) -> RemovalsState:
    """Return the state after the user's word on every removal up to now."""
    word = replace(state, held_from_ms=None, hold_since_ms=None)
    if decision is Decision.ACCEPT:
        return replace(word, accepted_to_ms=now_ms)
    return replace(word, rejected_to_ms=now_ms)


def carried_out(state: RemovalsState, times_ms: Sequence[int]) -> RemovalsState:
    """Count removals (by their times) that were unpinned; those that the user decided count for nothing."""
    done = dict(state.done)
    for time_ms in times_ms:
        if time_ms > state.decided_to_ms:
            hour = time_ms - time_ms % HOUR_MS
            done[hour] = done.get(hour, 0) + 1
    return replace(state, done=tuple(sorted(done.items())[-_DONE_HOURS_MAX:]))


def _is_mass(removed: int, kept: int) -> bool:
    if removed > REMOVALS_PINS_MAX:
        return True
    return removed > REMOVALS_FREE_PINS and removed > REMOVALS_FRACTION_MAX * kept


def _next(hours: Sequence[tuple[int, int]], now_ms: int, wait_ms: int, free_to_ms: int) -> int | None:
    """Return when the next of ``hours`` gets free: within the hour that is over next, at the latest at its end."""
    waiting = [hour for hour, count in hours if count and hour + HOUR_MS > free_to_ms]
    if not waiting:
        return None
    # Only the hour is known, so an hour that began to be free is looked at once a minute until it is over; more often
    # where the wait is shorter than that.
    return max(min(waiting) + wait_ms, now_ms + min(60_000, max(1_000, wait_ms)))
