"""The gate: of each envelope it says whether it takes effect, waits, is refused, or proves a fork.

Pure: what is on disk comes through ``History``; time, settings and the order of arrival decide nothing (invariant 9).

The invariants of the replicated pinset (tests and other modules quote the numbers):

 1. An operation takes effect only inside an envelope whose author is trusted by the record in force and whose
    signature, its own or one hash-linked after it, was checked. Who delivered it never matters.
 2. Trust records form one chain from record 0; n+1 counts only if signed by n's owners; a replica never steps back.
 3. A session's envelopes are 1, 2, 3, ..., each naming the hash before. Two of one number prove a fork: the session
    stops, the proof is kept and shown.
 4. Nothing is sent that is not durable.
 5. Unverified bytes are not stored, parked or evidence; what one connection may make us hold or do is bounded.
 6. An envelope is applied once, after exactly the dependencies that it names by hash.
 7. Log, rows, ids, heads, change number: one transaction.
 8. pycrdt sees only bytes that this process built.
 9. Acceptance depends on bytes, trust record and base alone: not on clock, settings, arrival order, memory, version.
10. Each key is a canonical CID in its own shard; an origin or target is an operation on that same key.
11. Same trust record, base and heads => same rows, byte for byte.
12. Base n+1 is a function of base n and the log up to its cut. A keeper's base is adopted only if recomputed equal,
    or by a newcomer; an owner's always.
13. What an owner's base leaves out, and what depends on it, is void everywhere and re-issued by honest authors;
    nothing else that was acknowledged is ever dropped.
14. Trust number, base number and each session's head only rise. A peer announces only what it can serve, and forgets
    log only below a base that it serves whole.
15. No other peer's claim makes us drop, decline or unpin content; what we did not pin we never unpin.

Why an origin or target must lie within what its author *named*: a session's dependencies are the heads of all other
sessions that changed since, so what an author could have seen is exactly known. An origin beyond that would be valid
at a replica that happens to be further along and invalid at another (invariant 9).

What lies within the cut of the base in force is settled: an operation may name it whatever became of it, and the base
says what that means (``pincrew.pinset``). So nothing below a cut has to be remembered but how many puts there were.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from pincrew.values import Delete, Dependency, Envelope, Head, OperationId, Put, SessionId
from pincrew.wire import client_id

_RESERVED_CLIENTS = (0, 1)


class Screening(Enum):
    """What can be said of an envelope before its signature is checked; nothing may be kept on this ground."""

    CHECK = "check the signature"
    HELD = "already held"
    OTHER_CLUSTER = "of another cluster"
    UNTRUSTED = "its author is not a curator"
    NEWER_TRUST = "made under a trust record that is not here yet"
    NEWER_BASE = "made on a base that is not here yet"
    STOPPED = "its session was stopped"
    SETTLED = "it goes on from a branch that a base left out"


@dataclass(frozen=True, slots=True)
class Received:
    """What became of bytes from a peer. ``fault`` is set when the sender broke the rules."""

    screening: Screening
    session: SessionId | None = None
    number: int = 0
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Admitted:
    """It takes effect now; the gate's heads already count it."""


@dataclass(frozen=True, slots=True)
class Held:
    """It took effect before."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Envelopes of its own session are missing after number ``after``."""

    after: int


@dataclass(frozen=True, slots=True)
class Missing:
    """Envelopes of other sessions are missing."""

    dependencies: tuple[Dependency, ...]


@dataclass(frozen=True, slots=True)
class Stopped:
    """It can never take effect: the session ends before it. ``fork`` is whether it proves that of its author."""

    reason: str
    fork: bool = False


Verdict = Admitted | Held | Gap | Missing | Stopped


class History(Protocol):
    """What the gate needs to know of the past."""

    def dependencies(self, sid: int) -> dict[int, int]: ...
    def shard_puts(self, sid: int) -> dict[int, int]: ...
    def hash_at(self, sid: int, number: int) -> bytes | None: ...
    def put_number(self, shard: int, cid: bytes, sid: int, n: int) -> int | None: ...
    def base_puts(self, sid: int) -> dict[int, int]: ...


@dataclass(slots=True)
class SessionState:
    """A session as far as it was applied here. ``known``, ``puts`` and ``base_puts`` are loaded when first needed.

    ``cut`` is how far it lies within the base in force.
    """

    sid: int
    id: SessionId
    client: int
    number: int = 0
    hash: bytes = b""
    stopped: str | None = None
    known: dict[int, int] | None = None
    puts: dict[int, int] | None = None
    base_puts: dict[int, int] | None = None
    cut: Head = Head(0, b"")  # noqa: RUF009 (a tuple: nobody changes it)

    @property
    def head(self) -> Head:
        """Number and hash of the last envelope applied."""
        return Head(self.number, self.hash)


@dataclass(slots=True)
class Gate:
    """Heads of all sessions, and the judgement of the next envelope of each.

    ``admit`` advances the heads before anything is on disk; the replica that cannot commit builds a new gate.
    """

    cluster: bytes
    curators: Collection[bytes]
    trust: int
    history: History
    base: int = 0
    sessions: dict[SessionId, SessionState] = field(default_factory=dict)
    clients: dict[int, SessionId] = field(default_factory=dict)
    _window_puts: dict[tuple[bytes, int, int], int] = field(default_factory=dict)
    _window_hashes: dict[tuple[int, int], bytes] = field(default_factory=dict)

    def restore(self, sessions: Iterable[SessionState]) -> None:
        """Take over the sessions that a store holds."""
        for session in sorted(sessions, key=lambda one: not one.cut.number):  # what a base names goes first
            self.sessions[session.id] = session
            if session.number or session.stopped is None:
                self.clients.setdefault(session.client, session.id)

    def screen(self, envelope: Envelope) -> Screening:
        """Say what an envelope's own bytes and the trust record tell (invariants 1, 9)."""
        if envelope.cluster != self.cluster:
            return Screening.OTHER_CLUSTER
        if envelope.trust > self.trust:
            return Screening.NEWER_TRUST
        if envelope.session.author not in self.curators:
            return Screening.UNTRUSTED
        # Ids mean the same on both sides of a base, so neighbouring bases understand each other.
        if envelope.base > self.base + 1:
            return Screening.NEWER_BASE
        session = self.sessions.get(envelope.session)
        if session is not None:
            if session.stopped is not None:
                return Screening.STOPPED
            if self._is_held(session, envelope):
                return Screening.HELD
            if envelope.number == session.cut.number + 1 and envelope.previous != session.cut.hash:
                return Screening.SETTLED
        return Screening.CHECK

    def admit(self, envelope: Envelope) -> Verdict:
        """Judge an envelope whose signature was checked; ``Admitted`` moves its session's head.

        ``screen`` must have said CHECK for it under the present trust record.
        """
        session = self.sessions.get(envelope.session)
        if session is None:
            client = client_id(envelope.session)
            if client in _RESERVED_CLIENTS or client in self.clients:
                return Stopped("its client id belongs to another session", fork=True)
            session = SessionState(len(self.sessions) + 1, envelope.session, client, known={}, puts={}, base_puts={})
        if session.stopped is not None:
            return Stopped(session.stopped)
        verdict = self._judge(envelope, session)
        if isinstance(verdict, Admitted):
            self._advance(envelope, session)
        elif isinstance(verdict, Stopped) and envelope.base > self.base:
            return Missing(())  # what it builds on may be settled by the base it was made on: it waits for that
        return verdict

    def _judge(self, envelope: Envelope, session: SessionState) -> Verdict:
        if envelope.number <= session.number:
            return (
                Held()
                if self._is_held(session, envelope)
                else Stopped(f"two envelopes with number {envelope.number}", fork=True)
            )
        if envelope.number > session.number + 1:
            return Gap(session.number)
        if envelope.previous != session.hash:
            return Stopped(f"two envelopes with number {session.number}", fork=True)
        verdict = self._judge_dependencies(envelope, session)
        if verdict is not None:
            return verdict
        return self._judge_operations(envelope, session) or Admitted()

    def _judge_dependencies(self, envelope: Envelope, session: SessionState) -> Verdict | None:
        known = self.known(session)
        missing = []
        for dependency in envelope.dependencies:
            other = self.sessions.get(dependency.session)
            if other is None or other.number < dependency.number:
                missing.append(dependency)
            elif dependency.number < other.cut.number:
                continue  # settled, and perhaps forgotten: not everybody could look
            elif self.hash_at(other, dependency.number) != dependency.hash:
                return Stopped("it builds on another branch of a forked session")
            elif other.cut.number < dependency.number <= known.get(other.sid, 0):
                return Stopped("it names a dependency that does not rise")
        return Missing(tuple(missing)) if missing else None

    def _judge_operations(self, envelope: Envelope, session: SessionState) -> Stopped | None:
        puts = self.puts(session)
        known = dict(self.known(session))
        for dependency in envelope.dependencies:
            known[self.sessions[dependency.session].sid] = dependency.number
        known[session.sid] = session.number
        for part in envelope.parts:
            if part.first_n != puts.get(part.shard, 0):
                return Stopped("its puts are not numbered in order")
            for operation in part.operations:
                if isinstance(operation, Delete):
                    named: tuple[OperationId, ...] = operation.targets
                else:
                    named = () if operation.origin is None else (operation.origin,)
                for identifier in named:
                    other = self.sessions.get(identifier.session)
                    if other is not None and self.is_based(other, part.shard, identifier.n):
                        continue
                    number = (
                        None if other is None else self._put_number(part.shard, operation.cid, other.sid, identifier.n)
                    )
                    if other is None or number is None:
                        return Stopped("it names an operation that is not on the same key")
                    if number > known.get(other.sid, 0):
                        return Stopped("it names an operation that it does not depend on")
        return None

    def _advance(self, envelope: Envelope, session: SessionState) -> None:
        self.sessions[session.id] = session
        self.clients[session.client] = session.id
        known, puts = self.known(session), self.puts(session)
        for dependency in envelope.dependencies:
            known[self.sessions[dependency.session].sid] = dependency.number
        for part in envelope.parts:
            n = part.first_n
            for operation in part.operations:
                if isinstance(operation, Put):
                    self._window_puts[operation.cid, session.sid, n] = envelope.number
                    n += 1
            if n > part.first_n:
                puts[part.shard] = n
        session.number, session.hash = envelope.number, envelope.hash
        self._window_hashes[session.sid, envelope.number] = envelope.hash

    def window_committed(self) -> None:
        """Forget what only the open window knew; it is in the history now."""
        self._window_puts.clear()
        self._window_hashes.clear()

    def known(self, session: SessionState) -> dict[int, int]:
        """Return, per other session (sid), the highest envelope that this one's author named. Not to be changed."""
        if session.known is None:
            session.known = self.history.dependencies(session.sid)
        return session.known

    def puts(self, session: SessionState) -> dict[int, int]:
        """Return, per shard, how many puts a session made. Not to be changed."""
        if session.puts is None:
            session.puts = self.history.shard_puts(session.sid)
        return session.puts

    def is_based(self, session: SessionState, shard: int, n: int) -> bool:
        """Return whether put ``n`` of a session in a shard lies within the cut of the base in force."""
        if session.base_puts is None:
            session.base_puts = self.history.base_puts(session.sid) if session.cut.number else {}
        return n < session.base_puts.get(shard, 0)

    def _is_held(self, session: SessionState, envelope: Envelope) -> bool:
        """Return whether an envelope took effect before, or a base settled which one of its number did."""
        if envelope.number > session.number:
            return False
        return envelope.number <= session.cut.number or self.hash_at(session, envelope.number) == envelope.hash

    def hash_at(self, session: SessionState, number: int) -> bytes | None:
        """Return the hash of an applied envelope, None where it is forgotten."""
        if number == session.number:
            return session.hash
        if number == session.cut.number:
            return session.cut.hash
        return self._window_hashes.get((session.sid, number)) or self.history.hash_at(session.sid, number)

    def _put_number(self, shard: int, cid: bytes, sid: int, n: int) -> int | None:
        number = self._window_puts.get((cid, sid, n))
        return self.history.put_number(shard, cid, sid, n) if number is None else number
