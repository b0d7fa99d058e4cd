"""The reorder buffer: envelopes whose signature was checked and that cannot take effect yet.

Per session it holds a contiguous run from the head on, as pages bring it (the next window, bounded over all sessions
together), and a few early ones that pubsub brought (bounded per session). What does not fit is dropped, for it can be
fetched again (invariant 5).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
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
        self.size = 0

    def offer(self, sealed: Sealed, head: int) -> bool:
        """Keep an envelope that comes after ``head`` if there is room; return whether it is kept."""
        envelope = sealed.envelope
        queue = self._queues.get(envelope.session) or _Queue()
        if envelope.number in queue.waiting:
            return True
        contiguous = envelope.number == head + 1 or envelope.number - 1 in queue.waiting
        if contiguous:
            fits = self.size + len(envelope.body) <= _CONTIGUOUS_BYTES_MAX
        else:
            fits = (
                queue.size + len(envelope.body) <= limits.REORDER_BYTES_MAX
                and len(queue.waiting) < limits.REORDER_ENVELOPES_MAX
            )
        if not fits and envelope.number != head + 1:
            return False
        self._queues[envelope.session] = queue
        queue.waiting[envelope.number] = sealed
        queue.size += len(envelope.body)
        self.size += len(envelope.body)
        return True

    def get(self, session: SessionId, number: int) -> Sealed | None:
        """Return a waiting envelope."""
        queue = self._queues.get(session)
        return None if queue is None else queue.waiting.get(number)

    def pop(self, session: SessionId, number: int) -> Sealed:
        """Take out one that took effect."""
        queue = self._queues[session]
        sealed = queue.waiting.pop(number)
        size = len(sealed.envelope.body)
        queue.size -= size
        self.size -= size
        if not queue.waiting:
            del self._queues[session]
        return sealed

    def passed(self, session: SessionId, head: int) -> list[Sealed]:
        """Take out those up to ``head``: others of these numbers took effect, or these did in another way."""
        queue = self._queues.get(session)
        numbers = [number for number in queue.waiting if number <= head] if queue is not None else []
        return [self.pop(session, number) for number in sorted(numbers)]

    def forget(self, session: SessionId) -> None:
        """Drop a session's envelopes."""
        queue = self._queues.pop(session, None)
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
