"""The author of one curator: requests become signed envelopes of this process's session.

It goes the way of everybody's envelopes (the gate admits them, the documents decide, one transaction keeps them) and
hands out only what is durable (invariant 4). A *session* is one process life, or less: a commit that failed, or may
have failed, ends it, and the next write draws a new nonce, so that no number is ever used twice.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pincrew import domains, limits
from pincrew.cid import shard_of
from pincrew.errors import NotAllowed, PincrewError
from pincrew.gate import Admitted, Screening
from pincrew.inbox import Sealed
from pincrew.keys import SigningKey
from pincrew.pinset import KeyDocument
from pincrew.replica import Replica
from pincrew.steps import Step
from pincrew.values import Delete, Dependency, Operation, OperationId, Part, Put, SessionId
from pincrew.windows import Applied, Decisions, Known, in_order, live_of
from pincrew.wire import client_id, decode_envelope, encode_body
from pincrew.yjs import ItemId

_KEYS_PER_STEP = 20
_BODY_BYTES_TARGET = 192 * 1024
_OPERATION_OVERHEAD_BYTES = 96


class WriteRequest(NamedTuple):
    """Set the record of a CID, or remove it (``record`` None).

    ``over``: only where this put still holds, for it is what somebody decided about.
    """

    cid: bytes
    record: bytes | None
    over: OperationId | None = None


@dataclass
class Written:
    """Sealed envelopes of one write, durable, in the order to publish.

    ``absent`` are the CIDs that were not there to remove; of ``overtaken``, another put holds than was decided about.
    """

    sealed: list[tuple[bytes, bytes]] = field(default_factory=list)
    absent: list[bytes] = field(default_factory=list)
    overtaken: list[bytes] = field(default_factory=list)
    change: int = 0


class Author:
    """Writes to one replica under one key."""

    def __init__(
        self, replica: Replica, key: SigningKey, *, now_ms: Callable[[], int], nonce: Callable[[], bytes]
    ) -> None:
        """``nonce`` gives 16 random bytes for each new session."""
        self._windows = replica.windows
        self._key = key
        self._now_ms = now_ms
        self._nonce = nonce
        self._generation = replica.windows.generation
        self.session = self._draw_session()
        replica.windows.watched = frozenset([key.public])

    def _draw_session(self) -> SessionId:
        while True:
            session = SessionId(self._key.public, self._nonce())
            if client_id(session) > 1 and client_id(session) not in self._windows.gate.clients:
                return session

    def write(self, requests: Sequence[WriteRequest]) -> Generator[Step, None, Written]:
        """Make ``requests`` durable. A generator of steps, as ``Replica.apply`` is.

        The last request for a CID holds. A removal of an absent CID is reported in ``absent`` and writes nothing.
        Raises StoreFault, or NotAllowed when the trust record in force does not name this author.
        """
        self._windows.refresh()
        own = self._windows.gate.sessions.get(self.session)
        is_stopped = own is not None and own.stopped is not None  # somebody else wrote in it, too
        if self._generation != self._windows.generation or is_stopped:
            self._generation, self.session = self._windows.generation, self._draw_session()
        written, applied = Written(), Applied()
        latest = {request.cid: request for request in requests}
        shards: dict[int, list[bytes]] = {}
        for index, cid in enumerate(latest):
            if index % _KEYS_PER_STEP == _KEYS_PER_STEP - 1:
                yield None
            shards.setdefault(shard_of(cid, self._windows.shard_bits), []).append(cid)
        ordered = yield from in_order(shards)
        decided: Decisions = {}
        with self._windows.window():
            batch = list(self._openings())
            known = yield from self._windows.look_up(ordered)
            start = 0
            while start < len(ordered):
                end = _envelope_end(ordered, latest, start)
                parts = yield from self._parts(ordered[start:end], latest, known, decided, written)
                if parts:
                    batch.append(self._seal(parts, self._new_dependencies()))
                start = end
            if batch:
                yield from self._windows.commit(batch, decided, applied)
        written.sealed = [(sealed.envelope.body, sealed.signature or b"") for sealed in batch]
        written.change = applied.change
        return written

    def reissue(self, void: Sequence[bytes]) -> Generator[Step, None, Written]:
        """Write again what a base made void: of ``void`` (envelopes of this author, in their order) the last word on
        each key (invariant 13). Raises StoreFault, NotAllowed.

        Who overwrote one of these having seen it is void with it, so nothing that is newer is overwritten.
        """
        requests: dict[bytes, WriteRequest] = {}
        for body in void:
            for part in decode_envelope(body, self._windows.shard_bits).parts:
                for operation in part.operations:
                    record = operation.record if isinstance(operation, Put) else None
                    requests[operation.cid] = WriteRequest(operation.cid, record)
            yield None
        return (yield from self.write(list(requests.values())))

    def _parts(
        self,
        keys: list[tuple[int, bytes]],
        latest: dict[bytes, WriteRequest],
        known: Known,
        decided: Decisions,
        written: Written,
    ) -> Generator[Step, None, tuple[Part, ...]]:
        """Edit each key's document and say what yrs made of it. ``keys`` are (shard, CID), ascending.

        After a local put that put holds, after a local delete nothing does: nobody else is in between.
        """
        client = client_id(self.session)
        parts: dict[int, tuple[int, list[Operation]]] = {}
        next_n: dict[int, int] = {}
        for index, (shard, cid) in enumerate(keys):
            if index % _KEYS_PER_STEP == _KEYS_PER_STEP - 1:
                yield None
            record, over = latest[cid].record, latest[cid].over
            items = known.get(cid, ())
            live = live_of(items)
            if over is not None and (live is None or self._operation_id(live) != over):
                written.overtaken.append(cid)
                continue
            if record is None and live is None:
                written.absent.append(cid)
                continue
            if shard not in parts:
                next_n[shard] = self._puts_so_far(shard)
                parts[shard] = next_n[shard], []
            operations = parts[shard][1]
            if record is None:
                assert live is not None
                decided[cid] = live, None
                operations.append(Delete(cid, (self._operation_id(live),)))
            else:
                identifier = ItemId(client, next_n[shard])
                origin = KeyDocument(client, items).write_put(identifier)
                decided[cid] = live, identifier
                operations.append(Put(cid, record, None if origin is None else self._operation_id(origin)))
                next_n[shard] += 1
        return tuple(Part(shard, first, tuple(operations)) for shard, (first, operations) in parts.items())

    def _puts_so_far(self, shard: int) -> int:
        state = self._windows.gate.sessions.get(self.session)
        return 0 if state is None else self._windows.gate.puts(state).get(shard, 0)

    def _operation_id(self, item: ItemId) -> OperationId:
        return OperationId(self._windows.gate.clients[item.client], item.clock)

    def _new_dependencies(self) -> list[Dependency]:
        """Return the heads that moved since this session last named them, in ascending order of session."""
        gate = self._windows.gate
        own = gate.sessions.get(self.session)
        known = {} if own is None else gate.known(own)
        return sorted(
            Dependency(session.id, session.number, session.hash)
            for session in gate.sessions.values()
            if session.id != self.session and session.number > known.get(session.sid, 0)
        )

    def _openings(self) -> Iterable[Sealed]:
        """Yield envelopes without operations for dependencies that would not fit one envelope."""
        most = limits.ENVELOPE_DEPENDENCIES_MAX // 2
        while len(dependencies := self._new_dependencies()) > most:
            yield self._seal((), dependencies[:most])

    def _seal(self, parts: tuple[Part, ...], dependencies: list[Dependency]) -> Sealed:
        """Number, sign and admit an own envelope; the gate checks the writer as it checks everybody."""
        windows = self._windows
        state = windows.gate.sessions.get(self.session)
        body = encode_body(
            cluster=windows.cluster,
            base=windows.gate.base,
            trust=windows.gate.trust,
            session=self.session,
            number=1 if state is None else state.number + 1,
            previous=b"" if state is None else state.hash,
            time_ms=self._now_ms(),
            dependencies=tuple(dependencies),
            parts=parts,
        )
        envelope = decode_envelope(body, windows.shard_bits)
        if windows.gate.screen(envelope) is Screening.UNTRUSTED:
            raise NotAllowed("The trust record in force does not name this peer as a curator")
        verdict = windows.gate.admit(envelope)
        if not isinstance(verdict, Admitted):
            raise PincrewError(f"the gate refused this peer's own envelope: {verdict}")
        return Sealed(envelope, self._key.sign(domains.ENVELOPE, body))


def _envelope_end(ordered: list[tuple[int, bytes]], latest: dict[bytes, WriteRequest], start: int) -> int:
    """Return where the envelope that begins at ``start`` must end to keep its limits."""
    size = 0
    for at in range(start, min(len(ordered), start + limits.ENVELOPE_OPERATIONS_MAX)):
        cid = ordered[at][1]
        size += len(cid) + len(latest[cid].record or b"") + _OPERATION_OVERHEAD_BYTES
        if size > _BODY_BYTES_TARGET and at > start:
            return at
    return min(len(ordered), start + limits.ENVELOPE_OPERATIONS_MAX)
