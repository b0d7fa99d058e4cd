"""One replica of the pinset: gate, documents and store, joined so that each window is one transaction.

Verified envelopes wait in the inbox; ``apply`` takes what is ready into a *window*, lets the documents decide the
winners key by key, and commits log, rows, ids and heads together (invariant 7). An author (``pincrew.trusted``) brings
its own envelopes the same way; a replica alone cannot write.

Windows are generators of *steps*, so that the owner decides how to wait: a step is None (a place to let others run;
the work between two is a few milliseconds) or a function that blocks and may run in a thread; what it raises is thrown
into the generator (``finish`` shows how). Only one window is open at a time; ``receive`` may be called meanwhile. What
others see of the heads moves only with the commit (invariant 4). A window that is not committed leaves nothing behind:
the gate is built anew from disk.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeVar, overload

from pincrew import domains, limits
from pincrew.errors import Malformed, PincrewError
from pincrew.gate import Admitted, Gate, Missing, Received, Screening, SessionState, Stopped
from pincrew.inbox import Inbox, Sealed
from pincrew.keys import verify
from pincrew.pinset import DocumentFault, KeyDocument
from pincrew.store.database import Database
from pincrew.store.history import Evidence, History
from pincrew.store.window import ItemRow, LogRow, RowChange, SessionRow, WindowChanges
from pincrew.values import (
    Dependency,
    Envelope,
    Head,
    Operation,
    OperationId,
    Put,
    SessionId,
)
from pincrew.wire import client_id, decode_envelope, decode_sealed
from pincrew.yjs import ItemId

Step = Callable[[], None] | None
# The winner of a key before and after a window.
Decision = tuple[ItemId | None, ItemId | None]
Decisions = dict[bytes, Decision]
Result = TypeVar("Result")
_ADMITTED_PER_SLICE = 1_000
_KEYS_PER_SLICE = 200
_NOBODY = 2  # a Yjs client that makes no edits


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
    ) -> None:
        """Open the replica that ``database`` holds.

        ``curators`` and ``trust`` are those of the trust record in force.
        """
        self.database = database
        self.history = History(database)
        self.cluster = cluster
        self.shard_bits = shard_bits
        self.inbox = Inbox()
        self._forks: list[tuple[Sealed, ...]] = []
        self._now_ms = now_ms
        self._window_envelopes_max = limits.WINDOW_OPERATIONS_MAX
        self.watched: frozenset[bytes] = frozenset()
        self.generation = 0
        self._stale = False
        self._curators: Collection[bytes] = curators
        self._trust = trust
        self.reload()

    # ---- state ------------------------------------------------------------------------------------------------

    def reload(self) -> None:
        """Build the gate anew from what is on disk; whoever writes must open a new session (invariant 4)."""
        self._stale = False
        self.generation += 1
        self.gate = Gate(self.cluster, self._curators, self._trust, self.history)
        self.gate.restore(
            SessionState(row.sid, SessionId(row.author, row.nonce), row.client, row.number, row.hash, row.stopped)
            for row in self.history.sessions()
        )
        self.clients = {session.sid: session.client for session in self.gate.sessions.values()}
        self._heads = {session.id: session.head for session in self.gate.sessions.values() if session.number}
        self._digest = b""
        self._item = self.database.counter("item")

    def trust(self, curators: Collection[bytes], number: int) -> None:
        """Put a later trust record in force (invariant 14: never an earlier one)."""
        assert number >= self._trust
        self._curators, self._trust = curators, number
        self.gate.curators, self.gate.trust = curators, number
        self._digest = b""

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
        page = [Sealed(envelope, signature if envelope is last else None) for envelope in envelopes]
        for index, sealed in enumerate(page):
            envelope = sealed.envelope
            waiting = self.inbox.to_signature(envelope.session, envelope.number)
            if waiting and waiting[0].envelope.hash != envelope.hash:
                # A proof is a run that ends at a signature, so that anybody can check it.
                self._forks.append((*page[index:], *waiting))
                break
            if envelope.number > head:
                self.inbox.offer(sealed, head)
            elif self.gate.screen(envelope) is not Screening.HELD:
                self._forks.append(tuple(page[index:]))
                break
        return Received(Screening.CHECK, last.session, last.number)

    def apply(self) -> Generator[Step, None, Applied]:
        """Apply one window of what is ready; nothing ready gives an empty ``Applied``."""
        self.refresh()
        applied = Applied()
        self._drop_passed()
        for sealed, *others in self._forks:
            self._stop(sealed, f"two envelopes with number {sealed.envelope.number}", *others, into=applied)
        self._forks.clear()
        batch: list[Sealed] = []
        try:
            with self.window():
                yield from self._next_window(batch, applied)
                if not batch:
                    return applied
                yield from self.commit_window(batch, None, applied)
        except DocumentFault as fault:
            if self._window_envelopes_max > 1:
                self._window_envelopes_max = 1
            else:
                self._stop(batch[0], f"its operations cannot be applied: {fault}", into=applied)
            return Applied(stopped=applied.stopped)
        for sealed in batch:
            self.inbox.pop(sealed.envelope.session, sealed.envelope.number)
        if len(batch) == 1:
            self._window_envelopes_max = limits.WINDOW_OPERATIONS_MAX
        return applied

    @contextmanager
    def window(self) -> Iterator[None]:
        """Open a window: if it ends early, however that happens, the gate is ahead of the disk and is built anew."""
        try:
            yield
        except PincrewError:
            self.reload()
            raise
        except BaseException:  # above all GeneratorExit: the owner gave the window up half way
            self._stale = True
            raise

    def refresh(self) -> None:
        """Build the gate anew if a window was given up."""
        if self._stale:
            self.reload()

    def _next_window(self, batch: list[Sealed], applied: Applied) -> Generator[Step, None, None]:
        """Admit what is ready into ``batch``, in a causal order, up to the bounds of a window."""
        operations = size = unyielded = 0
        progress = True
        while progress:
            progress = False
            for session in self.inbox.sessions():
                is_signed = True
                while True:
                    # A window ends where a signature is, for what this peer holds it must be able to serve.
                    is_full = operations >= limits.WINDOW_OPERATIONS_MAX or size >= limits.WINDOW_BYTES_MAX
                    if (is_full and is_signed) or len(batch) >= self._window_envelopes_max:
                        break
                    state = self.gate.sessions.get(session)
                    head = state.number if state is not None else 0
                    sealed = self.inbox.get(session, head + 1)
                    if sealed is None:
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
                        if isinstance(verdict, Missing):
                            self.inbox.block(session, head)
                        break
                    self.inbox.unblock(session)
                    is_signed = sealed.signature is not None
                    batch.append(sealed)
                    operations += sealed.envelope.operations
                    size += len(sealed.envelope.body)
                    progress = True
                    unyielded += sealed.envelope.operations + 1
                    if unyielded >= _ADMITTED_PER_SLICE:
                        unyielded = 0
                        yield None

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
        """End a session here, and keep what proves why (invariant 3); the log holds an applied other half.

        What follows the head up to a signature stays in the log, unapplied: without it nobody could be served the
        envelopes of its page that did take effect (invariant 14), and whoever gets it comes to the same end.
        """
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
            rest = self.inbox.to_signature(envelope.session, state.number + 1)
            if not rest or rest[0].envelope.previous != state.hash or rest[-1].signature is None:
                rest = []
            proof = [
                Evidence(state.sid, reason, one.envelope.body, one.signature, self._now_ms())
                for one in (sealed, *others)
            ]
            self.history.stop_session(_session_row(state), proof, [_log_row(state.sid, one) for one in rest])
        self.inbox.forget(envelope.session)

    # ---- windows ----------------------------------------------------------------------------------------------

    def commit_window(
        self, batch: list[Sealed], decided: Decisions | None, applied: Applied
    ) -> Generator[Step, None, None]:
        """Let the documents decide, key by key, then write everything in one transaction (invariant 7).

        ``decided`` is given by an author, whose edits are decided already. All envelopes are admitted.
        """
        changes = WindowChanges()
        by_key: dict[tuple[int, bytes], list[tuple[ItemId, Operation]]] = {}
        for envelope, signature in batch:
            state = self.gate.sessions[envelope.session]
            changes.log.append(_log_row(state.sid, Sealed(envelope, signature)))
            changes.sessions[state.sid] = _session_row(state)
            for dependency in envelope.dependencies:
                changes.dependencies[state.sid, self.gate.sessions[dependency.session].sid] = dependency.number
            for part in envelope.parts:
                n = part.first_n
                for operation in part.operations:
                    identifier = ItemId(state.client, n)
                    by_key.setdefault((part.shard, operation.cid), []).append((identifier, operation))
                    if isinstance(operation, Put):
                        changes.items.append(self._item_row(part.shard, operation, state.sid, n, envelope.number))
                        n += 1
                if n > part.first_n:
                    changes.shard_puts[state.sid, part.shard] = n
            applied.operations += envelope.operations
            applied.advanced.add(envelope.session)
            if applied.operations % _ADMITTED_PER_SLICE < envelope.operations:
                yield None
        applied.envelopes += len(batch)
        self.clients = {session.sid: session.client for session in self.gate.sessions.values()}
        for index, (shard, cid) in enumerate(sorted(by_key)):
            if index % _KEYS_PER_SLICE == _KEYS_PER_SLICE - 1:
                yield None
            operations = by_key[shard, cid]
            was, now = self._decide(shard, cid, operations) if decided is None else decided[cid]
            if was != now:
                self._row_changed(changes, applied, shard, cid, was, now, operations)
        yield None
        yield lambda: _keep(applied, changes.commit(self.database, self._now_ms()))
        self.gate.window_committed()
        self._heads = self._heads | {session: self.gate.sessions[session].head for session in applied.advanced}
        self._digest = b""
        applied.changed += len(changes.rows)

    def key_document(self, shard: int, cid: bytes, client: int = _NOBODY) -> tuple[KeyDocument, ItemId | None]:
        """Return a key's document as the store has it, and its winner. ``client`` is that of edits, if any."""
        items = self.history.items(shard, cid, self.clients)
        live = next((item.id for item in items if item.live), None)
        return KeyDocument(client, items), live

    def _decide(self, shard: int, cid: bytes, operations: list[tuple[ItemId, Operation]]) -> Decision:
        """Apply a key's operations to its document; return its winner before and after."""
        document, before = self.key_document(shard, cid)
        for identifier, operation in operations:
            if isinstance(operation, Put):
                document.put(identifier, self._item_id(operation.origin))
            else:
                document.delete([self._item_id(target) for target in operation.targets])
        return before, document.winner()

    def _row_changed(
        self,
        changes: WindowChanges,
        applied: Applied,
        shard: int,
        cid: bytes,
        was: ItemId | None,
        now: ItemId | None,
        operations: list[tuple[ItemId, Operation]],
    ) -> None:
        was_put = None if was is None else self._stored_id(was)
        if now is None:
            changes.rows.append(RowChange(shard, cid, was_put, None, b""))
            return
        # yrs lets only a newly integrated put win, so the winner is among the window's.
        put = next(one for identifier, one in operations if identifier == now and isinstance(one, Put))
        changes.rows.append(RowChange(shard, cid, was_put, self._stored_id(now), put.record))
        if was is not None and was_put is not None:
            loser, winner = self.gate.clients[was.client], self.gate.clients[now.client]
            ours, theirs = loser.author in self.watched, winner.author in self.watched
            if ours and not theirs and not self._had_seen(winner, shard, cid, was_put):
                applied.lost.append(Lost(cid, winner))

    def _stored_id(self, item: ItemId) -> tuple[int, int]:
        return self.gate.sessions[self.gate.clients[item.client]].sid, item.clock

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

    @overload
    def _item_id(self, identifier: OperationId) -> ItemId: ...
    @overload
    def _item_id(self, identifier: OperationId | None) -> ItemId | None: ...
    def _item_id(self, identifier: OperationId | None) -> ItemId | None:
        if identifier is None:
            return None
        return ItemId(self.gate.sessions[identifier.session].client, identifier.n)


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


def _log_row(sid: int, sealed: Sealed) -> LogRow:
    envelope = sealed.envelope
    return LogRow(sid, envelope.number, envelope.hash, envelope.body, sealed.signature)


def _session_row(state: SessionState) -> SessionRow:
    return SessionRow(state.sid, state.id.author, state.id.nonce, state.client, state.number, state.hash, state.stopped)


def _keep(applied: Applied, change: int) -> None:
    applied.change = change
