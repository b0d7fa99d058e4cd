"""The reorder buffer: envelopes whose signature was checked and that cannot take effect yet.

Per session it holds a contiguous run from the head on, as pages bring it (the next window, bounded over all sessions
together), and a few early ones that pubsub brought (bounded per session). What does not fit is dropped, for it can be
fetched again (invariant 5). The next envelope of a session always finds room, for it may be what all others wait for:
where there is none, other sessions lose theirs, first those that are known to wait.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

from pincrew import limits
from pincrew.values import Envelope, SessionId


class Sealed(NamedTuple):
    """An envelope with its signature, or None where a later one of its page was checked instead."""

    envelope: Envelope
    signature: bytes | None


@dataclass(slots=True)
class _Queue:
    waiting: dict[int, Sealed] = field(default_factory=dict)
    size: int = 0


_CONTIGUOUS_BYTES_MAX = 2 * limits.WINDOW_BYTES_MAX


class Inbox:
    """Verified envelopes by session and number."""

    def __init__(self) -> None:
        self._queues: dict[SessionId, _Queue] = {}
        self._blocked: dict[SessionId, None] = {}  # in the order in which they came to wait
        self.size = 0

    def offer(self, sealed: Sealed, head: int) -> bool:
        """Keep an envelope that comes after ``head`` if there is room; return whether it is kept."""
        envelope = sealed.envelope
        queue = self._queues.get(envelope.session) or _Queue()
        if envelope.number in queue.waiting:
            return True
        contiguous = envelope.number == head + 1 or envelope.number - 1 in queue.waiting
        size = len(envelope.body)
        if contiguous and envelope.session not in self._blocked:
            fits = self.ready_size + size <= _CONTIGUOUS_BYTES_MAX
        else:
            fits = (
                queue.size + size <= limits.REORDER_BYTES_MAX
                and len(queue.waiting) < limits.REORDER_ENVELOPES_MAX
                and self.size + size <= limits.REORDER_TOTAL_BYTES_MAX
            )
        if not fits and envelope.number != head + 1:
            return False
        self._make_room(envelope.session, size)
        self._queues[envelope.session] = queue
        queue.waiting[envelope.number] = sealed
        queue.size += len(envelope.body)
        self.size += len(envelope.body)
        return True

    def _make_room(self, session: SessionId, size: int) -> None:
        """Let other sessions' envelopes go until ``size`` bytes of one session fit."""
        others_max = limits.REORDER_SESSIONS_MAX - (session not in self._queues)
        while self.size + size > limits.REORDER_TOTAL_BYTES_MAX or len(self._queues) > others_max:
            other = next((one for one in chain(self._blocked, self._queues) if one != session), None)
            if other is None:
                return
            self.forget(other)

    @property
    def ready_size(self) -> int:
        """Bytes of the sessions that nothing is known to hold up."""
        return self.size - sum(self._queues[session].size for session in self._blocked if session in self._queues)

    def is_blocked(self, session: SessionId) -> bool:
        """Whether a session's next envelope is here and waits for another session."""
        return session in self._blocked

    def block(self, session: SessionId, head: int) -> None:
        """A session's next envelope waits for another session: what follows it is held in the bounds of the reorder
        buffer only, so that no author can take the room of the others."""
        if session in self._blocked:
            return
        self._blocked[session] = None
        queue = self._queues[session]
        room = limits.REORDER_TOTAL_BYTES_MAX - self.size + queue.size
        kept_size = kept = 0
        # Up to the head they are in the open window, and leave when that is durable.
        for number in sorted(number for number in queue.waiting if number > head):
            size = len(queue.waiting[number].envelope.body)
            over = kept_size + size > min(limits.REORDER_BYTES_MAX, room) or kept >= limits.REORDER_ENVELOPES_MAX
            if over and number != head + 1:
                self.pop(session, number)
                continue
            kept_size, kept = kept_size + size, kept + 1

    def unblock(self, session: SessionId) -> None:
        """A session goes on."""
        self._blocked.pop(session, None)

    def to_signature(self, session: SessionId, number: int) -> list[Sealed]:
        """Return the run from ``number`` on, up to the first envelope whose own signature is here."""
        run: list[Sealed] = []
        while (sealed := self.get(session, number)) is not None:
            run.append(sealed)
            if sealed.signature is not None:
                break
            number += 1
        return run

    def get(self, session: SessionId, number: int) -> Sealed | None:
        """Return a waiting envelope."""
        queue = self._queues.get(session)
        return None if queue is None else queue.waiting.get(number)

    def pop(self, session: SessionId, number: int) -> Sealed:
        """Take one out."""
        queue = self._queues[session]
        sealed = queue.waiting.pop(number)
        size = len(sealed.envelope.body)
        queue.size -= size
        self.size -= size
        if not queue.waiting:
            del self._queues[session]
            self._blocked.pop(session, None)
        return sealed

    def passed(self, session: SessionId, head: int) -> list[Sealed]:
        """Take out those up to ``head``: others of these numbers took effect, or these did in another way."""
        queue = self._queues.get(session)
        numbers = [number for number in queue.waiting if number <= head] if queue is not None else []
        if numbers:
            self._blocked.pop(session, None)
        return [self.pop(session, number) for number in sorted(numbers)]

    def forget(self, session: SessionId) -> None:
        """Drop a session's envelopes."""
        queue = self._queues.pop(session, None)
        self._blocked.pop(session, None)
        if queue is not None:
            self.size -= queue.size

    def contiguous(self, session: SessionId, head: int) -> int:
        """Return the last number of the run that follows ``head`` without a gap."""
        queue = self._queues.get(session)
        if queue is not None:
            while head + 1 in queue.waiting:
                head += 1
        return head

    def sessions(self) -> Iterator[SessionId]:
        """Yield the sessions with something waiting; safe against changes meanwhile."""
        yield from tuple(self._queues)
