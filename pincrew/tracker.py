"""How far this peer got with each pin, and what it does next. No I/O; time and randomness are arguments.

What is wanted (the pinset's row) and how far it got (`Progress`) are two things. Rows change; for each changed row the
pinner makes one event, `advance` looks it up in `TABLE`, and the result is written through the `PinBook`.

Rules that the table cannot show:

1. `tries` counts attempts that the node or the network failed. A node that went away, a cancelled pin and a restart
   are no attempts: the pin returns to `queued` as it was.
2. A success forgets `tries` and the cause; a changed row or the user's `retry` tries at once but keeps the count.
3. What is held is let go in two steps: the row leaves (`unpinning`, or `remote` with a `leaving` entry), and
   `pincrew.removals` says when the node is told. A pin wanted again in between is simply `queued`: the node still
   has it. What this peer itself decides not to keep (`skipped`) has a `leaving` entry too where something is held, of
   the time OWN_DECISION_MS: it is let go without grace, and is no removal of a curator's.
4. An event that has no place in the table raises `IllegalEvent` and changes nothing.

`None` stands for "nothing known and nothing held": before the first event and after the last.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, StrEnum
from typing import Protocol

from pincrew.errors import NodeRefused, NoProgress, PincrewError
from pincrew.limits import (
    CAUSE_CHARACTERS_MAX,
    ERROR_CHARACTERS_MAX,
    PIN_FIRST_BLOCK_TIMEOUT_S,
    RETRY_DELAY_S_MAX,
    RETRY_DELAY_S_MIN,
)
from pincrew.values import Choice, Pin, PinState

NO_PROVIDER = "no provider found"
VANISHED = "unexpectedly unpinned"
DAMAGED = "damaged on the disk, fetched again"
STALLED = "no block arrived for {minutes} min"
REFUSED = "IPFS said: {sentence}"
# Why a pin is skipped. The first two end when there is room, the others when their rule changes.
NO_ROOM = "no room"
LARGER_THAN_SAID = "larger than said"
DENIED = "denied by your list"
SKIPPED_BY_USER = "skipped by you"
NOT_PART = "not your part"
FOR_ROOM = (NO_ROOM, LARGER_THAN_SAID)
# The time of `leaving` entries that this peer's own user and rules made. Curators' removals have real ones.
OWN_DECISION_MS = -1


class IllegalEvent(Exception):
    """An event that cannot happen in that state: a mistake in pincrew."""


class Event(StrEnum):
    """What can happen to one pin."""

    WANTED = "wanted"  # its row is new or changed, and is ours to keep
    ELSEWHERE = "elsewhere"  # its row is new or changed, and names other peers
    REMOVED = "removed"  # its row went away
    STARTED = "started"  # the node was asked to pin it
    COMPLETED = "completed"  # the node has all of it
    FAILED = "failed"  # an attempt ended without
    INTERRUPTED = "interrupted"  # the node went away, or we stopped asking: not an attempt
    REFUSED = "refused"  # we decided against it: no room, denied, not our part
    VANISHED = "vanished"  # the node lost a pin that it had
    RETRY = "retry"  # the user, or a curator, asks for another try
    RELEASED = "released"  # nothing of it is held for this cluster any more


_Q, _P, _K, _E = PinState.QUEUED, PinState.PINNING, PinState.PINNED, PinState.ERROR
_S, _R, _U = PinState.SKIPPED, PinState.REMOTE, PinState.UNPINNING
_HELD = "held"  # unpinning while something is held, else nothing

TABLE: Mapping[PinState | None, Mapping[Event, PinState | str | None]] = {
    None: {Event.WANTED: _Q, Event.ELSEWHERE: _R, Event.REMOVED: _HELD, Event.RELEASED: None},
    _Q: {
        Event.WANTED: _Q,
        Event.ELSEWHERE: _R,
        Event.REMOVED: _HELD,
        Event.STARTED: _P,
        Event.COMPLETED: _K,  # the node had it already
        Event.REFUSED: _S,
        Event.RETRY: _Q,
        Event.RELEASED: _Q,
        Event.INTERRUPTED: _Q,  # before the node was asked, or found on disk after a crash
        Event.FAILED: _E,  # the node refused before it was asked to pin
    },
    _P: {
        Event.WANTED: _P,
        Event.ELSEWHERE: _R,
        Event.REMOVED: _HELD,
        Event.COMPLETED: _K,
        Event.FAILED: _E,
        Event.INTERRUPTED: _Q,
        Event.REFUSED: _S,
        Event.RETRY: _P,
    },
    _K: {
        Event.REFUSED: _S,
        Event.WANTED: _Q,  # its mode may have changed; the node answers at once where it has not
        Event.ELSEWHERE: _R,
        Event.REMOVED: _HELD,
        Event.VANISHED: _Q,
        Event.RETRY: _Q,
    },
    _E: {
        Event.WANTED: _Q,
        Event.ELSEWHERE: _R,
        Event.REMOVED: _HELD,
        Event.STARTED: _P,
        Event.COMPLETED: _K,
        Event.FAILED: _E,
        Event.INTERRUPTED: _E,
        Event.REFUSED: _S,
        Event.RETRY: _Q,
        Event.RELEASED: _E,
    },
    _S: {
        Event.WANTED: _Q,
        Event.ELSEWHERE: _R,
        Event.REMOVED: _HELD,
        Event.REFUSED: _S,  # for another reason than before
        Event.RETRY: _Q,  # there is room again, its rule changed, or somebody asks for it
        Event.RELEASED: _S,
    },
    _R: {Event.WANTED: _Q, Event.ELSEWHERE: _R, Event.REMOVED: _HELD, Event.RELEASED: _R, Event.RETRY: _R},
    _U: {Event.WANTED: _Q, Event.ELSEWHERE: _R, Event.REMOVED: _U, Event.RELEASED: None},
}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one pin got. ``cause`` groups errors in a few words; ``error`` is the whole sentence."""

    state: PinState | None = None
    tries: int = 0
    next_try_ms: int | None = None
    cause: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """Why an attempt failed."""

    cause: str
    error: str


def advance(
    progress: Progress,
    event: Event,
    *,
    now_ms: int = 0,
    luck: float = 0.0,
    fault: Fault | None = None,
    held: bool = False,
) -> Progress:
    """Return what ``event`` makes of ``progress``.

    ``luck`` in [0, 1) spreads the next try (``failed`` only); ``fault`` comes with ``failed`` and ``refused``; ``held``
    says with ``removed`` whether the node may have it for us. Raises IllegalEvent for what the table does not have.
    """
    row = TABLE[progress.state]
    if event not in row:
        raise IllegalEvent(f"{event} in state {progress.state}")
    if event in (Event.FAILED, Event.REFUSED) and fault is None:
        raise IllegalEvent(f"{event} without a cause")
    target = row[event]
    state = (PinState.UNPINNING if held else None) if target == _HELD else target
    assert state is None or isinstance(state, PinState)
    if state is None:
        return Progress()
    if event is Event.FAILED:
        assert fault is not None
        tries = progress.tries + 1
        return Progress(state, tries, now_ms + retry_delay_ms(tries, luck), fault.cause, fault.error)
    if event is Event.REFUSED:
        assert fault is not None
        return Progress(state, progress.tries, None, fault.cause, fault.error)
    if event is Event.VANISHED:
        return Progress(state, 0, None, VANISHED, None)
    if event in (Event.COMPLETED, Event.ELSEWHERE, Event.REMOVED):
        return Progress(state)
    if state is PinState.QUEUED:
        return replace(progress, state=state, next_try_ms=None)
    return replace(progress, state=state)


def retry_delay_ms(tries: int, luck: float) -> int:
    """Return how long to wait after the ``tries``-th failure: doubling, bounded, with a quarter of it left to luck."""
    assert tries >= 1 and 0.0 <= luck < 1.0
    # The exponent is bounded before the power, so that a huge count costs nothing.
    delay_s = min(RETRY_DELAY_S_MAX, RETRY_DELAY_S_MIN * 2.0 ** min(tries - 1, 32))
    return int(1_000 * delay_s * (0.75 + 0.25 * luck))


# ---- why it failed ------------------------------------------------------------------------------------------------
# Sentences of the node name CIDs and addresses; the cause leaves them out, so that 10,000 errors are three causes.
# The embedded node's words and the operating system's, which Kubo passes on.
_NO_ROOM = re.compile(r"no room:|no space left on device", re.IGNORECASE)
_PARTICULARS = re.compile(r"\b(Qm[1-9A-HJ-NP-Za-km-z]{44}|b[a-z2-7]{30,}|z[1-9A-HJ-NP-Za-km-z]{40,}|12D3Koo\w+)\b")


def fault_of(error: PincrewError, *, blocks_done: int, waited_s: float) -> Fault:
    """Put a failed attempt in the words that a person reads.

    ``waited_s`` is the no-progress time-out that was in force. The node being down is not a fault of a pin: the caller
    makes it ``interrupted``.
    """
    sentence = " ".join(error.what.split()) or "an error without words"
    if isinstance(error, NoProgress):
        if blocks_done == 0:
            waited_s = min(waited_s, PIN_FIRST_BLOCK_TIMEOUT_S)
        minutes = max(1, round(waited_s / 60))
        cause = NO_PROVIDER if blocks_done == 0 else STALLED.format(minutes=minutes)
        return Fault(cause, f"{STALLED.format(minutes=minutes)}, {blocks_done} blocks so far")
    if isinstance(error, NodeRefused):
        general = _PARTICULARS.sub("…", sentence)
        cause = NO_ROOM if _NO_ROOM.search(sentence) else REFUSED.format(sentence=general)
        return Fault(_short(cause, CAUSE_CHARACTERS_MAX), _short(sentence, ERROR_CHARACTERS_MAX))
    return Fault(
        _short(sentence, CAUSE_CHARACTERS_MAX),
        _short(" ".join(error.sentence.split()) or sentence, ERROR_CHARACTERS_MAX),
    )


def _short(text: str, characters_max: int) -> str:
    return text if len(text) <= characters_max else text[: characters_max - 1] + "…"


# ---- who keeps what, and what comes next --------------------------------------------------------------------------
class Share(Enum):
    """Whether a pin is this peer's to keep."""

    KEEP = "keep"
    REMOTE = "remote"


def wanted(pin: Pin, own_peer_id: str) -> Share:
    """Return ``KEEP`` for a pin that is everyone's or names this peer, else ``REMOTE``."""
    return Share.KEEP if not pin.keepers or own_peer_id in pin.keepers else Share.REMOTE


class Lane(StrEnum):
    """Where the next pin is taken from."""

    CHOSEN = "chosen"  # queued, and the user wants it next; in the order of his words
    FRESH = "fresh"  # queued, newest first: what a curator just added overtakes an old backlog
    BACKLOG = "backlog"  # queued, oldest first, so that a steady stream of new pins never starves the old
    RETRY = "retry"  # failed before and due again, longest due first


_TURNS = (Lane.FRESH, Lane.FRESH, Lane.BACKLOG, Lane.RETRY)
_INSTEAD: Mapping[Lane, tuple[Lane, ...]] = {
    Lane.FRESH: (Lane.FRESH, Lane.BACKLOG, Lane.RETRY),
    Lane.BACKLOG: (Lane.BACKLOG, Lane.FRESH, Lane.RETRY),
    Lane.RETRY: (Lane.RETRY, Lane.FRESH, Lane.BACKLOG),
}


def lanes(turn: int) -> tuple[Lane, ...]:
    """Return the lanes to look into, best first, for the ``turn``-th slot that became free.

    What the user chose comes first. Any four turns in a row contain one for the backlog and one for retries, so neither
    can starve for any other reason.
    """
    return (Lane.CHOSEN, *_INSTEAD[_TURNS[turn % len(_TURNS)]])


# ---- the book: what a store offers the pinner ---------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Change:
    """A row of the pinset that changed.

    ``pin`` None = it was removed; ``state`` (None = never settled) and ``tries`` are the last settled; ``leaving`` says
    that the CID has a `leaving` entry from before; ``size`` is the row's, as far as it is known.
    """

    change: int
    cid: bytes
    pin: Pin | None
    state: PinState | None
    tries: int = 0
    leaving: bool = False
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A row that may be pinned next. ``state`` is ``queued`` or ``error``; ``size`` is what is known of it so far."""

    pin: Pin
    state: PinState
    tries: int = 0
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """A row as rules look at it. ``row`` is its place in the order of ``standings``; of ``pin``, only CID, name, size
    and allocations are set."""

    row: int
    pin: Pin
    state: PinState
    cause: str | None
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Leaving:
    """Something held whose row went away, or names other peers now. Its grace counts from ``since_ms``."""

    cid: bytes
    since_ms: int


@dataclass(frozen=True, slots=True)
class StatusUpdate:
    """What is now known of one CID; it replaces what the book knew, field by field.

    - ``state`` None: nothing is held any more. The `leaving` entry goes; a row of the pinset, where there is one again
      (or still, for ``remote``), stays untouched.
    - ``leaving_ms`` set (only with ``unpinning`` and ``remote``): there is a `leaving` entry from that time on; an
      entry already there keeps its own, earlier time. ``unpinning`` is always such an entry without a row.
    - any other state: there is no `leaving` entry; it goes if there was one.
    - ``size`` None leaves the known size (a claim or a measured one) as it is; a new `leaving` entry has the row's.
    - A state of a row (anything but ``unpinning`` and None) for a CID that has no row any more is dropped: the
      removal's own change is still to come.
    """

    cid: bytes
    state: PinState | None
    tries: int = 0
    next_try_ms: int | None = None
    cause: str | None = None
    error: str | None = None
    size: int | None = None
    bytes_done: int | None = None
    blocks_done: int | None = None
    updated_ms: int = 0
    leaving_ms: int | None = None


class PinBook(Protocol):
    """The rows of one cluster as the pinner sees them. Every method may block and is called in a thread, one at a time.

    ``settle`` is one transaction: states, counters and cursor. A status never raises a row's change number, so the
    pinner does not see its own writes as changes.
    """

    def change_cursor(self) -> int:
        """Return the change number up to which the tracker has seen the rows."""

    def changes(self, limit: int) -> list[Change]:
        """Return changed and removed rows beyond the cursor, in the order of their change numbers."""

    def settle(self, updates: Sequence[StatusUpdate], cursor: int | None) -> None:
        """Record ``updates``, in order, and move the cursor (None: leave it)."""

    def candidates(self, lane: Lane, *, now_ms: int, limit: int) -> list[Candidate]:
        """Return rows in state ``queued`` (chosen: those that the user wants next; fresh: newest first; backlog: oldest
        first) or due ``error`` rows."""

    def next_due_ms(self) -> int | None:
        """Return the earliest next try of the ``error`` rows."""

    def standings(self, after: int, limit: int) -> list[Standing]:
        """Return rows behind ``after`` (-1: from the first) that are queued, pinned, skipped or in error."""

    def newest_pinned(self, limit: int) -> list[tuple[bytes, int]]:
        """Return (CID, size) of ``pinned`` rows, the newest of the list first."""

    def beyond(self, limit: int) -> tuple[int, int]:
        """Return how many of the newest pins, and how many bytes, would have to go for the others to fit ``limit``."""

    def readmit(self, size_max: int | None, limit: int, *, now_ms: int) -> int:
        """Queue rows that were skipped for want of room, the oldest first; return how many.

        Their known sizes come to at most ``size_max`` in all (None: to anything).
        """

    def kept_bytes(self) -> int:
        """Return the bytes of what is pinned and of what is about to be unpinned, from counters."""

    def pinned_bytes(self) -> int:
        """Return the bytes of what is pinned, from counters."""

    def skipped_for(self) -> Mapping[str, int]:
        """Return how many pins are skipped for each cause. Looks at every one of them."""

    def choices(self) -> dict[bytes, Choice]:
        """Return what the user said of single pins, in the order of his words."""

    def choose(self, cids: Sequence[bytes], choice: Choice | None, *, now_ms: int) -> None:
        """Keep what the user says of pins; None takes it back."""

    def interrupted(self, limit: int) -> list[Candidate]:
        """Return rows in state ``pinning``; asked once at start, when whoever pinned them is gone."""

    def requeue(self, cid: bytes | None, *, now_ms: int, also_pinned: bool = True) -> int:
        """Make ``error`` rows (or the row ``cid``, unless ``pinning`` or ``remote``) ``queued``; return how many."""

    def queue_pinned(self, limit: int, *, now_ms: int) -> int:
        """Make up to ``limit`` ``pinned`` rows ``queued``; return how many."""

    def node_id(self) -> str | None:
        """Return what ``save_node_id`` kept."""

    def save_node_id(self, peer_id: str | None) -> None:
        """Keep of which node ``pinned`` is said, durably; "" is a node that is not used any more, None is not known."""

    def pinned_page(self, after: bytes | None, limit: int) -> list[bytes]:
        """Return CIDs in state ``pinned`` in a fixed order of the book's choice, behind ``after``."""

    def counts(self) -> Mapping[PinState, int]:
        """Return how many there are of each state, ``unpinning`` (all `leaving` entries) included, from counters."""

    def leaving(self, *, from_ms: int = 0, to_ms: int, limit: int) -> list[Leaving]:
        """Return `leaving` entries with ``from_ms <= since_ms <= to_ms``, oldest first; own decisions come before 0."""

    def leaving_hours(self, *, after_ms: int) -> list[tuple[int, int]]:
        """Return (start of the hour in ms, how many) of the `leaving` entries with ``since_ms > after_ms``."""

    def removals_state(self) -> str | None:
        """Return what ``save_removals_state`` kept."""

    def save_removals_state(self, text: str) -> None:
        """Keep a text of at most 4 KiB, durably."""
