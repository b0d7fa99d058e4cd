"""Everything that pincrew can tell a person went wrong, split by whose fault it is.

A person is told four things: what happened, where, what it means for the data, and the command to type next.
``code`` is the machine word of the same fault: it travels in API answers and in events, and never changes meaning.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class PincrewError(Exception):
    """Something went wrong inside pincrew."""

    code = "internal"
    http_status = 500
    exit_code = 1

    def __init__(self, what: str = "", *, where: str = "", means: str = "", next_step: str = "") -> None:
        self.what = what or (type(self).__doc__ or "").strip().splitlines()[0]
        self.where = where
        self.means = means
        self.next_step = next_step
        super().__init__(self.sentence)

    @property
    def sentence(self) -> str:
        """All four parts as one paragraph, for a terminal or a log line."""
        return self._told(self.where)

    def said_of(self, subject: str) -> str:
        """The same for where ``subject`` is told anyway: it is not named again."""
        return self._told("" if self.where == subject else self.where)

    def _told(self, where: str) -> str:
        first = f"{self.what.rstrip('.')} ({where})." if where else f"{self.what.rstrip('.')}."
        parts = [first, self.means, self.next_step]
        return " ".join(part if part.endswith((".", "?", "!", "`")) else part + "." for part in parts if part)


class Misuse(PincrewError):
    """What was asked for cannot be done as asked."""

    code = "bad_request"
    http_status = 400
    exit_code = 2


class NotFound(Misuse):
    """There is no such thing here."""

    code = "not_found"
    http_status = 404
    exit_code = 1


class Conflict(Misuse):
    """That contradicts what is already here."""

    code = "conflict"
    http_status = 409
    exit_code = 1


class NotAllowed(Misuse):
    """This peer may not do that."""

    code = "not_allowed"
    http_status = 403
    exit_code = 8


class PeerFault(PincrewError):
    """Another peer sent something that it must not send."""

    code = "peer_fault"
    http_status = 502


class Forged(PeerFault):
    """A signature does not fit what it signs."""

    code = "forged"


class Malformed(PeerFault):
    """Bytes from outside do not have the agreed form."""

    code = "malformed"


class HandshakeFailed(PeerFault):
    """A peer answered but does not belong to this cluster, or one of us lacks its key."""

    code = "handshake_failed"


class WorldFault(PincrewError):
    """The disk, the network or the IPFS node did not do its part."""

    code = "world"
    http_status = 503


class StoreFault(WorldFault):
    """The state on disk cannot be read or written."""

    code = "store"


class DamagedStore(StoreFault):
    """The state on disk is damaged."""

    code = "damaged_store"


class NewerStore(StoreFault):
    """The state on disk was written by a newer pincrew."""

    code = "newer_store"


class NoRoom(StoreFault):
    """There is no room for more blocks."""

    code = "no_room"


class BlockCorrupt(StoreFault):
    """A block on this disk does not match its hash."""

    code = "block_corrupt"


class NodeDown(WorldFault):
    """The IPFS node does not answer."""

    code = "node_down"


class NodeStarting(NodeDown):
    """The IPFS node is just starting."""

    code = "node_starting"


class NodeRefused(WorldFault):
    """The IPFS node answered with an error."""

    code = "node_error"


class NoProgress(WorldFault):
    """No block arrived for too long."""

    code = "no_progress"


class SourceUnreachable(WorldFault):
    """The config document could not be fetched."""

    code = "source_unreachable"


class PortInUse(WorldFault):
    """Another program listens on that port."""

    code = "port_in_use"
    exit_code = 1


class DaemonLost(WorldFault):
    """The connection to the daemon broke."""

    # No word of its own: no daemon ever answers with it. What was asked may have been done, or may still be.


class DaemonNotRunning(WorldFault):
    """The pincrew daemon is not running."""

    code = "daemon_not_running"
    exit_code = 3


def leaf(error: BaseException) -> BaseException:
    """Return the first error inside of the groups in which nurseries wrap what failed: what a person can read."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


@contextmanager
def unwrapped() -> Iterator[None]:
    """Let a PincrewError leave the groups in which nurseries wrapped it. Raises it, or the group as it came."""
    try:
        yield
    # All of it goes on up.
    except BaseExceptionGroup as group:
        error = leaf(group)
        raise error if isinstance(error, PincrewError) else group from None
