"""One replica of the pinset: gate, documents and store, joined so that each window is one transaction.

Two things change a replica, and its one owner does one at a time:

- ``receive``: verified envelopes wait in the inbox; ``apply`` takes what is ready into a *window*, lets the documents
  decide the winners shard by shard, and commits log, rows, ids and heads together (invariant 7).
- ``write``: the curator's own operations become signed envelopes of this process's session by the same path; they are
  handed out only after the commit (invariant 4).

Both are generators of *steps*, so that the owner decides how to wait: a step is None (a place to let others run; the
work between two is a few milliseconds) or a function that blocks and may run in a thread; what it raises is thrown
into the generator (``finish`` shows how). While a window is open, ``receive`` may be called; what others see of the
heads moves only with the commit (invariant 4). A commit that fails, or may have failed, ends the session: documents
and gate are built anew from disk, and the next write draws a new nonce.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple, TypeVar

from pincrew import domains, limits
from pincrew.cid import map_key, shard_of
from pincrew.errors import Malformed, NotAllowed, PincrewError
from pincrew.gate import Admitted, Gate, Received, Screening, SessionState, Stopped
from pincrew.inbox import Inbox, Sealed
from pincrew.keys import SigningKey, verify
from pincrew.pinset import DocumentFault, Documents, Item, structure
from pincrew.store.database import Database
from pincrew.store.history import Evidence, History
from pincrew.store.window import ItemRow, LogRow, RowChange, SessionRow, WindowChanges
from pincrew.values import (
    Delete,
    Dependency,
    Envelope,
    Head,
    Operation,
    OperationId,
    Part,
    Put,
    SessionId,
)
from pincrew.wire import client_id, decode_envelope, decode_sealed, encode_body
from pincrew.yjs import ItemId, build_update

Step = Callable[[], None] | None
# Per CID the winner of its key before and after a window.
Decided = dict[bytes, tuple[ItemId | None, ItemId | None]]
Result = TypeVar("Result")
_SHARDS_PER_SLICE = 8
_ADMITTED_PER_SLICE = 1_000
_WRITE_BYTES_TARGET = 192 * 1024
_OPERATION_OVERHEAD_BYTES = 96


class WriteRequest(NamedTuple):
    """Set the record of a CID, or remove it (``record`` None)."""

    cid: bytes
    record: bytes | None


@dataclass(frozen=True, slots=True)
class Lost:
    """A put of this peer's own author lost against a concurrent one."""

    cid: bytes
    winner: SessionId


@dataclass
class Applied:
    """What one window did."""

    envelopes: int = 0
    operations: int = 0
    changed: int = 0
    change: int = 0
    advanced: set[SessionId] = field(default_factory=set)
    stopped: list[tuple[SessionId, str]] = field(default_factory=list)
    lost: list[Lost] = field(default_factory=list)


@dataclass
class Written:
    """Sealed envelopes of one write, durable, in the order to publish."""

    sealed: list[tuple[bytes, bytes]] = field(default_factory=list)
    absent: list[bytes] = field(default_factory=list)
    change: int = 0


class Replica:
    """The pinset of one cluster at one peer."""

    def __init__(
        self,
        database: Database,
        *,
        cluster: bytes,
        curators: Collection[bytes],
        trust: int,
        shard_bits: int,
        now_ms: Callable[[], int],
        nonce: Callable[[], bytes],
        key: SigningKey | None = None,
    ) -> None:
        """Open the replica that ``database`` holds.

        ``curators`` and ``trust`` are those of the trust record in force; ``key`` is a curator's own, where this peer
        writes. ``nonce`` gives 16 random bytes for each new session.
        """
        self.database = database
        self.history = History(database)
        self.cluster = cluster
        self.shard_bits = shard_bits
        self.inbox = Inbox()
        self._forks: list[tuple[Sealed, ...]] = []
        self._key = key
        self._now_ms = now_ms
        self._nonce = nonce
        self._window_envelopes_max = limits.WINDOW_OPERATIONS_MAX
        self._curators: Collection[bytes] = curators
        self._trust = trust
        self._reload()

    # ---- state ------------------------------------------------------------------------------------------------

    def _reload(self) -> None:
        """Build gate and documents from what is on disk, and begin a new session."""
        self.gate = Gate(self.cluster, self._curators, self._trust, self.history)
        self.gate.restore(
            SessionState(row.sid, SessionId(row.author, row.nonce), row.client, row.number, row.hash, row.stopped)
            for row in self.history.sessions()
        )
        self._heads = {session.id: session.head for session in self.gate.sessions.values() if session.number}
        self._digest = b""
        self._stale = False
        self._item = self.database.counter("item")
        self._session = self._draw_session() if self._key is not None else None
        client = client_id(self._session) if self._session is not None else 2
        self._documents = Documents(self._load_shard, client)

    def _reload_if_stale(self) -> None:
        if self._stale:
            self._reload()

    def _draw_session(self) -> SessionId:
        assert self._key is not None
        while True:
            session = SessionId(self._key.public, self._nonce())
            if client_id(session) > 1 and client_id(session) not in self.gate.clients:
                return session

    def _load_shard(self, shard: int) -> Iterable[Item]:
        clients = {session.sid: session.client for session in self.gate.sessions.values()}
        return self.history.items(shard, clients)

    def trust(self, curators: Collection[bytes], number: int) -> None:
        """Put a later trust record in force (invariant 14: never an earlier one)."""
        assert number >= self._trust
        self._curators, self._trust = curators, number
        self.gate.curators, self.gate.trust = curators, number
        self._digest = b""

    @property
    def writes(self) -> bool:
        """Whether this peer has the key of an author."""
        return self._key is not None

    @property
    def heads(self) -> dict[SessionId, Head]:
        """How far each session was applied, durably. Not to be changed."""
        return self._heads

    @property
    def stopped(self) -> dict[SessionId, str]:
        """The sessions that go no further, with the reason."""
        return {s.id: s.stopped for s in self.gate.sessions.values() if s.stopped is not None}

    def digest(self) -> bytes:
        """Return a hash of trust number, base number and all heads: equal digests, equal pinsets (invariant 11)."""
        if not self._digest:
            self._digest = heads_digest(self._trust, self.gate.base, self._heads)
        return self._digest

    def page(self, session: SessionId, after: int) -> tuple[int, list[bytes], bytes] | None:
        """Return envelopes of a session after a number, ending at a checked signature; None if none are held."""
        state = self.gate.sessions.get(session)
        return None if state is None else self.history.page(state.sid, after)

    # ---- receiving --------------------------------------------------------------------------------------------

    def receive(self, sealed: bytes) -> Received:
        """Take in one sealed envelope (as pubsub brings it)."""
        try:
            body, signature = decode_sealed(sealed)
            envelope = decode_envelope(body, self.shard_bits)
        except Malformed as error:
            return Received(Screening.CHECK, fault=str(error))
        screening = self.gate.screen(envelope)
        if screening is not Screening.CHECK:
            return Received(screening, envelope.session, envelope.number)
        waiting = self.inbox.get(envelope.session, envelope.number)
        if waiting is not None and waiting.envelope.hash == envelope.hash:
            return Received(Screening.HELD, envelope.session, envelope.number)
        return self._verified([envelope], signature)

    def receive_page(self, session: SessionId, bodies: Sequence[bytes], signature: bytes) -> Received:
        """Take in a run of envelopes of one session; the last one's signature vouches for all (invariant 1)."""
        try:
            envelopes = [decode_envelope(body, self.shard_bits) for body in bodies]
        except Malformed as error:
            return Received(Screening.CHECK, session, fault=str(error))
        if not envelopes or any(envelope.session != session for envelope in envelopes):
            return Received(Screening.CHECK, session, fault="a page is empty or mixes sessions")
        for before, envelope in pairwise(envelopes):
            if envelope.number != before.number + 1 or envelope.previous != before.hash:
                return Received(Screening.CHECK, session, fault="a page is not a chain")
        screening = Screening.HELD
        for envelope in envelopes:
            screening = self.gate.screen(envelope)
            if screening not in (Screening.HELD, Screening.CHECK):
                return Received(screening, session, envelope.number)
        if screening is Screening.HELD:
            return Received(screening, session, envelopes[-1].number)
        return self._verified(envelopes, signature)

    def _verified(self, envelopes: list[Envelope], signature: bytes) -> Received:
        last = envelopes[-1]
        try:
            verify(last.session.author, domains.ENVELOPE, last.body, signature)
        except PincrewError:
            return Received(Screening.CHECK, last.session, last.number, fault="a signature is forged")
        state = self.gate.sessions.get(last.session)
        head = state.number if state is not None else 0
        for envelope in envelopes:
            sealed = Sealed(envelope, signature if envelope is last else None)
            waiting = self.inbox.get(envelope.session, envelope.number)
            if waiting is not None and waiting.envelope.hash != envelope.hash:
                self._forks.append((sealed, waiting))
                break
            if envelope.number > head:
                self.inbox.offer(sealed, head)
            elif self.gate.screen(envelope) is not Screening.HELD:
                self._forks.append((sealed,))
                break
        return Received(Screening.CHECK, last.session, last.number)

    def apply(self) -> Generator[Step, None, Applied]:
        """Apply one window of what is ready; nothing ready gives an empty ``Applied``."""
        self._reload_if_stale()
        applied = Applied()
        self._drop_passed()
        for sealed, *others in self._forks:
            self._stop(sealed, f"two envelopes with number {sealed.envelope.number}", *others, into=applied)
        self._forks.clear()
        batch = yield from self._next_window(applied)
        if not batch:
            return applied
        try:
            yield from self._commit_window(batch, None, applied)
        except DocumentFault as fault:
            self._reload()
            if self._window_envelopes_max > 1:
                self._window_envelopes_max = 1
            else:
                self._stop(batch[0], f"its operations cannot be applied: {fault}", into=applied)
            return applied
        except PincrewError:
            self._reload()
            raise
        except BaseException:  # above all GeneratorExit: the owner gave the window up half way
            self._stale = True
            raise
        for sealed in batch:
            self.inbox.pop(sealed.envelope.session, sealed.envelope.number)
        if len(batch) == 1:
            self._window_envelopes_max = limits.WINDOW_OPERATIONS_MAX
        return applied

    def _next_window(self, applied: Applied) -> Generator[Step, None, list[Sealed]]:
        """Admit what is ready, in a causal order, up to the bounds of a window."""
        batch: list[Sealed] = []
        operations = size = unyielded = 0
        progress = True
        while progress:
            progress = False
            for session in self.inbox.sessions():
                while operations < limits.WINDOW_OPERATIONS_MAX and size < limits.WINDOW_BYTES_MAX:
                    state = self.gate.sessions.get(session)
                    sealed = self.inbox.get(session, (state.number if state is not None else 0) + 1)
                    if sealed is None or len(batch) >= self._window_envelopes_max:
                        break
                    screening = self.gate.screen(sealed.envelope)
                    if screening is not Screening.CHECK:
                        if screening in (Screening.UNTRUSTED, Screening.STOPPED):
                            self.inbox.forget(session)
                        break
                    verdict = self.gate.admit(sealed.envelope)
                    if isinstance(verdict, Stopped):
                        if not batch:
                            self._stop(sealed, verdict.reason, into=applied)
                        break
                    if not isinstance(verdict, Admitted):
                        break
                    batch.append(sealed)
                    operations += sealed.envelope.operations
                    size += len(sealed.envelope.body)
                    progress = True
                    unyielded += sealed.envelope.operations + 1
                    if unyielded >= _ADMITTED_PER_SLICE:
                        unyielded = 0
                        yield None
        return batch

    def _drop_passed(self) -> None:
        """Take out of the inbox what took effect another way: a commit that said it failed, or this peer's writes."""
        for session in self.inbox.sessions():
            state = self.gate.sessions.get(session)
            for sealed in self.inbox.passed(session, state.number if state is not None else 0):
                if self.gate.screen(sealed.envelope) is Screening.CHECK:
                    self._forks.append((sealed,))

    def waiting(self) -> list[Dependency]:
        """Return what verified envelopes wait for, so that it can be asked for."""
        wanted: dict[SessionId, Dependency] = {}
        for session in self.inbox.sessions():
            state = self.gate.sessions.get(session)
            sealed = self.inbox.get(session, (state.number if state is not None else 0) + 1)
            if sealed is None:
                continue
            for dependency in sealed.envelope.dependencies:
                other = self.gate.sessions.get(dependency.session)
                if other is None or other.number < dependency.number:
                    wanted[dependency.session] = dependency
        return list(wanted.values())

    def _stop(self, sealed: Sealed, reason: str, *others: Sealed, into: Applied) -> None:
        """End a session here, and keep what proves why (invariant 3); the log holds an applied other half."""
        envelope = sealed.envelope
        state = self.gate.sessions.get(envelope.session)
        if state is None:
            state = SessionState(
                len(self.gate.sessions) + 1, envelope.session, client_id(envelope.session), known={}, puts={}
            )
            self.gate.restore([state])
        if state.stopped is None:
            state.stopped = reason
            into.stopped.append((envelope.session, reason))
            proof = [
                Evidence(state.sid, reason, one.envelope.body, one.signature, self._now_ms())
                for one in (*others, sealed)
            ]
            self.history.stop_session(_session_row(state), proof)
        self.inbox.forget(envelope.session)

    # ---- windows ----------------------------------------------------------------------------------------------

    def _commit_window(
        self, batch: list[Sealed], decided: Decided | None, applied: Applied
    ) -> Generator[Step, None, None]:
        """Let the documents decide, shard by shard, then write everything in one transaction.

        ``decided`` is given by the writer, whose edits the documents have decided already.
        """
        changes = WindowChanges()
        puts: dict[tuple[int, int], tuple[Put, int]] = {}  # (sid, n) within one shard
        by_shard: dict[int, list[tuple[SessionState, int, Part]]] = {}
        for envelope, signature in batch:
            state = self.gate.sessions[envelope.session]
            changes.log.append(LogRow(state.sid, envelope.number, envelope.hash, envelope.body, signature))
            changes.sessions[state.sid] = _session_row(state)
            for dependency in envelope.dependencies:
                changes.dependencies[state.sid, self.gate.sessions[dependency.session].sid] = dependency.number
            for part in envelope.parts:
                by_shard.setdefault(part.shard, []).append((state, envelope.number, part))
            applied.operations += envelope.operations
            applied.advanced.add(envelope.session)
        applied.envelopes += len(batch)
        # Not by session: one that was stopped for its client id has that of another.
        sids = {client: self.gate.sessions[session].sid for client, session in self.gate.clients.items()}
        for index, shard in enumerate(sorted(by_shard)):
            if index % _SHARDS_PER_SLICE == _SHARDS_PER_SLICE - 1:
                yield None
            puts.clear()
            if decided is None:
                winners = self._decide(shard, by_shard[shard])
            else:
                winners = {op.cid: decided[op.cid] for _, _, part in by_shard[shard] for op in part.operations}
            for state, number, part in by_shard[shard]:
                n = part.first_n
                for operation in part.operations:
                    if isinstance(operation, Put):
                        puts[state.sid, n] = operation, number
                        changes.items.append(self._item_row(shard, operation, state.sid, n, number))
                        n += 1
                if n > part.first_n:
                    changes.shard_puts[state.sid, shard] = n
            for cid, (was, now) in winners.items():
                if was != now:
                    self._row_changed(changes, applied, shard, cid, was, now, sids, puts)
        yield None
        yield lambda: _keep(applied, changes.commit(self.database, self._now_ms()))
        self.gate.window_committed()
        self._heads = self._heads | {session: self.gate.sessions[session].head for session in applied.advanced}
        self._digest = b""
        applied.changed += len(changes.rows)

    def _decide(self, shard: int, parts: list[tuple[SessionState, int, Part]]) -> Decided:
        """Apply the parts to the shard's document; return each key's winner before and after."""
        document = self._documents.get(shard)
        keys = {operation.cid: map_key(operation.cid) for _, _, part in parts for operation in part.operations}
        before = document.winners(keys.values())
        for state, _, part in parts:
            document.apply(self._update(state, part, keys))
        return dict(zip(keys, zip(before, document.winners(keys.values()), strict=True), strict=True))

    def _row_changed(
        self,
        changes: WindowChanges,
        applied: Applied,
        shard: int,
        cid: bytes,
        was: ItemId | None,
        now: ItemId | None,
        sids: dict[int, int],
        puts: dict[tuple[int, int], tuple[Put, int]],
    ) -> None:
        was_id = None if was is None else (sids[was.client], was.clock)
        if now is None:
            changes.rows.append(RowChange(shard, cid, was_id, None, b""))
            return
        now_id = (sids[now.client], now.clock)
        changes.rows.append(RowChange(shard, cid, was_id, now_id, puts[now_id][0].record))
        if was is not None and was_id is not None and self._key is not None:
            loser, winner = self.gate.clients[was.client], self.gate.clients[now.client]
            if loser.author == self._key.public != winner.author and not self._had_seen(winner, shard, cid, was_id):
                applied.lost.append(Lost(cid, winner))

    def _had_seen(self, session: SessionId, shard: int, cid: bytes, put: tuple[int, int]) -> bool:
        """Return whether a session's author had applied a put (sid, n) by now."""
        number = self.history.put_number(shard, cid, *put)
        known = self.gate.sessions[session].known or {}
        return number is not None and number <= known.get(put[0], 0)

    def _item_row(self, shard: int, put: Put, sid: int, n: int, number: int) -> ItemRow:
        self._item += 1
        if put.origin is None:
            return ItemRow(shard, put.cid, sid, n, number, None, None, self._item)
        origin_sid = self.gate.sessions[put.origin.session].sid
        return ItemRow(shard, put.cid, sid, n, number, origin_sid, put.origin.n, self._item)

    def _update(self, state: SessionState, part: Part, keys: dict[bytes, str]) -> bytes:
        """Build the Yjs update of one part (invariant 8)."""
        structs = []
        deletes = []
        n = part.first_n
        for operation in part.operations:
            if isinstance(operation, Delete):
                deletes += [self._item_id(target) for target in operation.targets]
                continue
            origin = None if operation.origin is None else self._item_id(operation.origin)
            structs.append(structure(Item(ItemId(state.client, n), keys[operation.cid], origin, True)))
            n += 1
        return build_update(state.client, part.first_n, structs, deletes)

    def _item_id(self, identifier: OperationId) -> ItemId:
        return ItemId(self.gate.sessions[identifier.session].client, identifier.n)

    # ---- writing ----------------------------------------------------------------------------------------------

    def write(self, requests: Sequence[WriteRequest]) -> Generator[Step, None, Written]:
        """Make ``requests`` durable as envelopes of this process's session.

        The last request for a CID holds. A removal of an absent CID is reported in ``absent`` and writes nothing.
        """
        if self._key is None or self._session is None:
            raise PincrewError("this peer has no author's key")
        self._reload_if_stale()
        written, applied = Written(), Applied()
        latest = {request.cid: request.record for request in requests}
        ordered = sorted((shard_of(cid, self.shard_bits), cid) for cid in latest)
        batch: list[Sealed] = []
        decided: Decided = {}
        try:
            for opening in self._opening_envelopes():
                batch.append(opening)
            start = 0
            while start < len(ordered):
                end = _envelope_end(ordered, latest, start)
                sealed = yield from self._write_envelope(ordered[start:end], latest, decided, written)
                if sealed is not None:
                    batch.append(sealed)
                start = end
            if batch:
                yield from self._commit_window(batch, decided, applied)
        except PincrewError:
            # What the documents hold may not be on disk: a new session never reuses a number (invariant 4).
            self._reload()
            raise
        except BaseException:  # as in ``apply``
            self._stale = True
            raise
        written.sealed = [(sealed.envelope.body, sealed.signature or b"") for sealed in batch]
        written.change = applied.change
        return written

    def _write_envelope(
        self,
        group: list[tuple[int, bytes]],
        latest: dict[bytes, bytes | None],
        decided: Decided,
        written: Written,
    ) -> Generator[Step, None, Sealed | None]:
        by_shard: dict[int, list[bytes]] = {}
        for shard, cid in group:
            by_shard.setdefault(shard, []).append(cid)
        parts = []
        for index, (shard, cids) in enumerate(by_shard.items()):
            if index % _SHARDS_PER_SLICE == _SHARDS_PER_SLICE - 1:
                yield None
            part = self._write_part(shard, cids, latest, decided, written)
            if part.operations:
                parts.append(part)
        if not parts:
            return None
        return self._seal(tuple(parts), self._new_dependencies())

    def _write_part(
        self,
        shard: int,
        cids: list[bytes],
        latest: dict[bytes, bytes | None],
        decided: Decided,
        written: Written,
    ) -> Part:
        assert self._session is not None
        document = self._documents.get(shard)
        keys = {cid: map_key(cid) for cid in cids}
        live = dict(zip(cids, document.winners(keys.values()), strict=True))
        puts = [cid for cid in cids if latest[cid] is not None]
        deletes = [cid for cid in cids if latest[cid] is None and live[cid] is not None]
        written.absent += [cid for cid in cids if latest[cid] is None and live[cid] is None]
        state = self.gate.sessions.get(self._session)
        client = client_id(self._session)
        first_n = 0
        if state is not None:
            if state.puts is None:
                state.puts = self.history.shard_puts(state.sid)
            first_n = state.puts.get(shard, 0)
        if not puts and not deletes:
            return Part(shard, first_n, ())
        captured = document.edit(client, first_n, [keys[cid] for cid in puts], [keys[cid] for cid in deletes])
        operations: list[Operation] = []
        for cid, struct in zip(puts, captured.structs, strict=True):
            record = latest[cid]
            assert record is not None
            origin = None if struct.origin is None else self._operation_id(struct.origin)
            operations.append(Put(cid, record, origin))
        for cid in deletes:
            target = live[cid]
            assert target is not None
            operations.append(Delete(cid, (self._operation_id(target),)))
        decided.update(zip(cids, zip(live.values(), document.winners(keys.values()), strict=True), strict=True))
        return Part(shard, first_n, tuple(operations))

    def _operation_id(self, item: ItemId) -> OperationId:
        return OperationId(self.gate.clients[item.client], item.clock)

    def _new_dependencies(self) -> list[Dependency]:
        """Return the heads that moved since this session last named them, in ascending order of session."""
        assert self._session is not None
        own = self.gate.sessions.get(self._session)
        known = {} if own is None else (own.known or {})
        return sorted(
            Dependency(session.id, session.number, session.hash)
            for session in self.gate.sessions.values()
            if session.id != self._session and session.number > known.get(session.sid, 0)
        )

    def _opening_envelopes(self) -> Iterable[Sealed]:
        """Yield envelopes without operations for dependencies that would not fit one envelope."""
        most = limits.ENVELOPE_DEPENDENCIES_MAX // 2
        while len(dependencies := self._new_dependencies()) > most:
            yield self._seal((), dependencies[:most])

    def _seal(self, parts: tuple[Part, ...], dependencies: list[Dependency]) -> Sealed:
        """Number, sign and admit an own envelope; the gate checks the writer as it checks everybody."""
        assert self._session is not None and self._key is not None
        state = self.gate.sessions.get(self._session)
        body = encode_body(
            cluster=self.cluster,
            base=self.gate.base,
            trust=self._trust,
            session=self._session,
            number=1 if state is None else state.number + 1,
            previous=b"" if state is None else state.hash,
            time_ms=self._now_ms(),
            dependencies=tuple(dependencies),
            parts=parts,
        )
        envelope = decode_envelope(body, self.shard_bits)
        screening = self.gate.screen(envelope)
        if screening is Screening.UNTRUSTED:
            raise NotAllowed("The trust record in force does not name this peer as a curator")
        verdict = self.gate.admit(envelope)
        if not isinstance(verdict, Admitted):
            raise PincrewError(f"the gate refused this peer's own envelope: {verdict}")
        return Sealed(envelope, self._key.sign(domains.ENVELOPE, body))


def finish(steps: Generator[Step, None, Result]) -> Result:
    """Run all steps here and now."""
    raised: Exception | None = None
    while True:
        try:
            step = next(steps) if raised is None else steps.throw(raised)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]
        raised = None
        if step is not None:
            try:
                step()
            except Exception as error:  # whatever it is, the generator decides what it means
                raised = error


def heads_digest(trust: int, base: int, heads: dict[SessionId, Head]) -> bytes:
    """Return SHA-256 over trust number, base number and the heads in ascending order of session."""
    digest = hashlib.sha256(domains.HEADS + trust.to_bytes(8) + base.to_bytes(8))
    for session in sorted(heads):
        head = heads[session]
        digest.update(session.author + session.nonce + head.number.to_bytes(8) + head.hash)
    return digest.digest()


def _envelope_end(ordered: list[tuple[int, bytes]], latest: dict[bytes, bytes | None], start: int) -> int:
    """Return where the envelope that begins at ``start`` must end to keep its limits."""
    size = 0
    for at in range(start, min(len(ordered), start + limits.ENVELOPE_OPERATIONS_MAX)):
        cid = ordered[at][1]
        size += len(cid) + len(latest[cid] or b"") + _OPERATION_OVERHEAD_BYTES
        if size > _WRITE_BYTES_TARGET and at > start:
            return at
    return min(len(ordered), start + limits.ENVELOPE_OPERATIONS_MAX)


def _session_row(state: SessionState) -> SessionRow:
    return SessionRow(state.sid, state.id.author, state.id.nonce, state.client, state.number, state.hash, state.stopped)


def _keep(applied: Applied, change: int) -> None:
    applied.change = change
