"""What took effect: gate, documents and store of one replica, moved window by window.

A *window* is a batch of admitted envelopes: the documents decide the winners key by key, then log, rows, ids and heads
are committed together (invariant 7). It is a generator of steps (``pincrew.steps``), and only one is open at a time.
What others see of the heads moves only with the commit (invariant 4). A window that is not committed leaves nothing
behind: the gate is built anew from disk.

Keys are taken in ascending order of shard and CID, so that the store's pages are met in their order. The order is made
shard by shard: one sort of a window's keys would hold the interpreter for longer than the API should wait.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from pincrew import domains
from pincrew.base_form import decode_base
from pincrew.errors import PincrewError
from pincrew.gate import Gate, SessionState
from pincrew.inbox import Sealed
from pincrew.pinset import Item, KeyDocument
from pincrew.steps import Step
from pincrew.store.database import Database
from pincrew.store.history import Evidence, History
from pincrew.store.window import DeleteRow, ItemRow, LogRow, RowChange, SessionRow, WindowChanges
from pincrew.values import Head, Operation, OperationId, Put, SessionId
from pincrew.wire import client_id
from pincrew.yjs import ItemId

# The winner of a key before and after a window.
Decision = tuple[ItemId | None, ItemId | None]
Decisions = dict[bytes, Decision]
# Each key's puts, in the order in which they were applied; a key without any is left out.
Known = dict[bytes, list[Item]]
# What a window does to one key: operations with their ids, and the rows of those that are puts.
_Touched = list[tuple[ItemId, Operation, ItemRow | None]]
_KEYS_PER_STEP = 20
_OPERATIONS_PER_STEP = 100
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
    advanced: dict[SessionId, None] = field(default_factory=dict)
    stopped: list[tuple[SessionId, str]] = field(default_factory=list)
    lost: list[Lost] = field(default_factory=list)


class Windows:
    """The state of one replica, and the one way to move it."""

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
        """Open what ``database`` holds. ``curators`` and ``trust`` are those of the trust record in force."""
        self.database = database
        self.history = History(database)
        self.cluster = cluster
        self.shard_bits = shard_bits
        self.watched: frozenset[bytes] = frozenset()
        self.generation = 0
        self._now_ms = now_ms
        self._stale = False
        self._curators: Collection[bytes] = curators
        self._trust = trust
        self.reload()

    # ---- state ------------------------------------------------------------------------------------------------

    def reload(self) -> None:
        """Build the gate anew from what is on disk; whoever writes must open a new session (invariant 4)."""
        self.generation += 1
        self._build()

    def turned(self, *, is_interrupted: bool) -> None:
        """Another base came into force; ``is_interrupted`` if with it something counts no longer."""
        self.generation += is_interrupted
        self._build()

    def _build(self) -> None:
        self._stale = False
        base, sealed = self.history.base()
        self._base_hash = decode_base(sealed).hash if sealed else b""
        self.gate = Gate(self.cluster, self._curators, self._trust, self.history, base)
        self.gate.restore(
            SessionState(
                row.sid,
                SessionId(row.author, row.nonce),
                row.client,
                row.number,
                row.hash,
                row.stopped,
                cut=cut,
            )
            for row, cut in self.history.sessions()
        )
        self._heads = {session.id: session.head for session in self.gate.sessions.values() if session.number}
        self._digest = b""
        self._item = self.database.counter("item")

    def refresh(self) -> None:
        """Build the gate anew if a window was given up."""
        if self._stale:
            self.reload()

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

    def digest(self) -> bytes:
        """Return a hash of trust number, base and all heads: equal digests, equal pinsets (invariant 11)."""
        if not self._digest:
            self._digest = heads_digest(self._trust, self.gate.base, self._base_hash, self._heads)
        return self._digest

    def stop_session(self, session: SessionId, reason: str, proof: Sequence[Sealed], rest: Sequence[Sealed]) -> None:
        """End a session here and keep ``proof`` of why (invariant 3); ``rest`` of its last page stays, unapplied."""
        state = self.gate.sessions.get(session)
        if state is None:
            state = SessionState(
                len(self.gate.sessions) + 1, session, client_id(session), known={}, puts={}, base_puts={}
            )
            self.gate.restore([state])
        state.stopped = reason
        kept = [Evidence(state.sid, reason, one.envelope.body, one.signature, self._now_ms()) for one in proof]
        self.history.stop_session(_session_row(state), kept, [_log_row(state.sid, one) for one in rest])

    # ---- windows ----------------------------------------------------------------------------------------------

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

    def commit(self, batch: list[Sealed], decided: Decisions | None, applied: Applied) -> Generator[Step, None, None]:
        """Let the documents decide, key by key, then write everything in one transaction (invariant 7).

        ``decided`` is given by an author, whose edits are decided already. All envelopes are admitted.
        """
        changes = WindowChanges()
        touched: dict[int, dict[bytes, _Touched]] = {}
        unyielded = 0
        for sealed in batch:
            envelope = sealed.envelope
            state = self.gate.sessions[envelope.session]
            changes.log.append(_log_row(state.sid, sealed))
            changes.sessions[state.sid] = _session_row(state)
            for dependency in envelope.dependencies:
                changes.dependencies[state.sid, self.gate.sessions[dependency.session].sid] = dependency.number
            for part in envelope.parts:
                n = part.first_n
                keys = touched.setdefault(part.shard, {})
                for operation in part.operations:
                    identifier, row = ItemId(state.client, n), None
                    if isinstance(operation, Put):
                        row = self._item_row(part.shard, operation, state.sid, n, envelope.number)
                        n += 1
                    else:
                        changes.deletes += [
                            DeleteRow(part.shard, operation.cid, state.sid, envelope.number, *self._stored_target(one))
                            for one in operation.targets
                        ]
                    keys.setdefault(operation.cid, []).append((identifier, operation, row))
                if n > part.first_n:
                    changes.shard_puts[state.sid, part.shard] = n
                unyielded += len(part.operations)
                if unyielded >= _OPERATIONS_PER_STEP:
                    unyielded = 0
                    yield None
            applied.operations += envelope.operations
            applied.advanced[envelope.session] = None
        applied.envelopes += len(batch)
        ordered = yield from in_order(touched)
        known = {} if decided is not None else (yield from self.look_up(ordered))
        for index, (shard, cid) in enumerate(ordered):
            if index % _KEYS_PER_STEP == _KEYS_PER_STEP - 1:
                yield None
            operations = touched[shard].pop(cid)  # freed as it goes: freeing a whole window at once takes long
            changes.items += (row for _, _, row in operations if row is not None)
            was, now = self._decide(known.get(cid, ()), operations) if decided is None else decided[cid]
            if was != now:
                self._row_changed(changes, applied, shard, cid, was, now, operations)
        applied.changed += len(changes.rows)
        yield None
        yield lambda: _keep(applied, changes.commit(self.database, self._now_ms()))
        self.gate.window_committed()
        self._heads = self._heads | {session: self.gate.sessions[session].head for session in applied.advanced}
        self._digest = b""

    def look_up(self, ordered: Sequence[tuple[int, bytes]]) -> Generator[Step, None, Known]:
        """Return what the store has of keys, given as (shard, CID) in ascending order."""
        known: Known = {}
        clients = {session.sid: session.client for session in self.gate.sessions.values()}
        cuts = {session.sid: session.cut.number for session in self.gate.sessions.values() if session.cut.number}
        yield lambda: known.update(self.history.items(ordered, clients, cuts))
        return known

    # ---- one key ----------------------------------------------------------------------------------------------

    def _decide(self, items: Sequence[Item], operations: _Touched) -> Decision:
        """Apply a key's operations to its document; return its winner before and after."""
        document, before = KeyDocument(_NOBODY, items), live_of(items)
        for identifier, operation, _ in operations:
            if isinstance(operation, Put):
                origin = operation.origin
                document.put(identifier, None if origin is None else self._item_id(origin))
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
        operations: _Touched,
    ) -> None:
        was_put = None if was is None else self._stored_id(was)
        was_based = was is not None and self._is_based(shard, was)
        if now is None:
            changes.rows.append(RowChange(shard, cid, was_put, None, b"", was_based))
            return
        # yrs lets only a newly integrated put win, so the winner is among the window's.
        put = next(one for identifier, one, _ in operations if identifier == now and isinstance(one, Put))
        changes.rows.append(RowChange(shard, cid, was_put, self._stored_id(now), put.record, was_based))
        if was is not None and was_put is not None:
            loser, winner = self.gate.clients[was.client], self.gate.clients[now.client]
            ours, theirs = loser.author in self.watched, winner.author in self.watched
            if ours and not theirs and not self._had_seen(winner, shard, cid, was_put):
                applied.lost.append(Lost(cid, winner))

    def _stored_id(self, item: ItemId) -> tuple[int, int]:
        return self.gate.sessions[self.gate.clients[item.client]].sid, item.clock

    def _stored_target(self, target: OperationId) -> tuple[int, int]:
        return self.gate.sessions[target.session].sid, target.n

    def _is_based(self, shard: int, item: ItemId) -> bool:
        """Return whether a put lies within the cut of the base in force."""
        return self.gate.is_based(self.gate.sessions[self.gate.clients[item.client]], shard, item.clock)

    def _had_seen(self, session: SessionId, shard: int, cid: bytes, put: tuple[int, int]) -> bool:
        """Return whether a session's author had applied a put (sid, n) by now, as far as that is still known."""
        number = self.history.put_number(shard, cid, *put)
        known = self.gate.sessions[session].known or {}
        return number is not None and number <= known.get(put[0], 0)

    def _item_row(self, shard: int, put: Put, sid: int, n: int, number: int) -> ItemRow:
        self._item += 1
        if put.origin is None:
            return ItemRow(shard, put.cid, sid, n, number, None, None, self._item)
        origin_sid = self.gate.sessions[put.origin.session].sid
        return ItemRow(shard, put.cid, sid, n, number, origin_sid, put.origin.n, self._item)

    def _item_id(self, identifier: OperationId) -> ItemId:
        return ItemId(self.gate.sessions[identifier.session].client, identifier.n)


def in_order(shards: Mapping[int, Collection[bytes]]) -> Generator[Step, None, list[tuple[int, bytes]]]:
    """Return (shard, CID) of keys given by shard, in ascending order."""
    ordered: list[tuple[int, bytes]] = []
    unyielded = 0
    for shard in sorted(shards):
        ordered += [(shard, cid) for cid in sorted(shards[shard])]
        unyielded += len(shards[shard])
        if unyielded >= _OPERATIONS_PER_STEP:
            unyielded = 0
            yield None
    return ordered


def live_of(items: Sequence[Item]) -> ItemId | None:
    """Return which put of a key holds."""
    return next((item.id for item in items if item.live), None)


def heads_digest(trust: int, base: int, base_hash: bytes, heads: dict[SessionId, Head]) -> bytes:
    """Return SHA-256 over trust number, base number and hash, and the heads in ascending order of session."""
    digest = hashlib.sha256(domains.HEADS + trust.to_bytes(8) + base.to_bytes(8) + base_hash)
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
