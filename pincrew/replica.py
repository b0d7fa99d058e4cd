"""One replica of the pinset: what arrives is judged, waits in the inbox, and is applied window by window.

``receive``, ``receive_page`` and ``receive_proof`` take verified envelopes into the inbox; ``apply`` takes what is
ready into a window and has it decided and committed (``pincrew.windows``). An author (``pincrew.trusted``) brings its
own envelopes to the same windows; a replica alone cannot write. ``receive`` may be called while a window is open.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Sequence
from itertools import pairwise

from pincrew import domains, limits
from pincrew.errors import Malformed, PincrewError
from pincrew.gate import Admitted, Gate, Missing, Received, Screening, Stopped
from pincrew.inbox import Inbox, Sealed
from pincrew.keys import verify
from pincrew.pinset import DocumentFault
from pincrew.proofs import Proofs
from pincrew.steps import Step
from pincrew.store.database import Database
from pincrew.store.history import History
from pincrew.values import Dependency, Envelope, Head, SessionId
from pincrew.windows import Applied, Windows
from pincrew.wire import decode_envelope, decode_sealed

_ADMITTED_PER_STEP = 100


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
        self.windows = Windows(
            database, cluster=cluster, curators=curators, trust=trust, shard_bits=shard_bits, now_ms=now_ms
        )
        self.database = database
        self.history: History = self.windows.history
        self.shard_bits = shard_bits
        self.inbox = Inbox()
        self.proofs = Proofs(self.windows)
        self._forks: dict[SessionId, tuple[Sealed, ...]] = {}  # one proof ends a session
        self._window_envelopes_max = limits.WINDOW_OPERATIONS_MAX
        self.is_held_back: Callable[[], bool] = lambda: False

    # ---- state ------------------------------------------------------------------------------------------------

    @property
    def gate(self) -> Gate:
        """The judge of what comes next, as of the last window."""
        return self.windows.gate

    def trust(self, curators: Collection[bytes], number: int) -> None:
        """Put a later trust record in force (invariant 14: never an earlier one)."""
        self.windows.trust(curators, number)

    @property
    def heads(self) -> dict[SessionId, Head]:
        """How far each session was applied, durably. Not to be changed."""
        return self.windows.heads

    @property
    def stopped(self) -> dict[SessionId, str]:
        """The sessions that go no further, with the reason."""
        return {s.id: s.stopped for s in self.gate.sessions.values() if s.stopped is not None}

    def digest(self) -> bytes:
        """Return a hash of trust number, base number and all heads: equal digests, equal pinsets (invariant 11)."""
        return self.windows.digest()

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

    def receive_page(
        self, session: SessionId, bodies: Sequence[bytes], signature: bytes, envelopes: Sequence[Envelope] = ()
    ) -> Received:
        """Take in a run of envelopes of one session; the last one's signature vouches for all (invariant 1).

        ``envelopes`` are the bodies, where the caller has read them already.
        """
        try:
            envelopes = envelopes or [decode_envelope(body, self.shard_bits) for body in bodies]
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

    def receive_proof(
        self, session: SessionId, bodies: Sequence[bytes], signature: bytes, envelopes: Sequence[Envelope] = ()
    ) -> Received:
        """Take in a run that may prove a fork.

        One that only goes on from here, or is no further, proves nothing and is not taken: a newcomer must not get the
        branch that counts nowhere else because somebody showed it first.
        """
        try:
            envelopes = envelopes or [decode_envelope(body, self.shard_bits) for body in bodies]
        except Malformed as error:
            return Received(Screening.CHECK, session, fault=str(error))
        if envelopes and not any(self._contradicts(envelope) for envelope in envelopes):
            return Received(Screening.HELD, session, envelopes[-1].number)
        return self.receive_page(session, bodies, signature, envelopes)

    def _contradicts(self, envelope: Envelope) -> bool:
        """Return whether an envelope is of another branch than what took effect here."""
        state = self.gate.sessions.get(envelope.session)
        if state is None or envelope.number > state.number + 1:
            return False
        if envelope.number == state.number + 1:
            return envelope.previous != state.hash
        return self.gate.screen(envelope) is not Screening.HELD

    def _verified(self, envelopes: Sequence[Envelope], signature: bytes) -> Received:
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
                self._forks[envelope.session] = (*page[index:], *waiting)
                break
            if envelope.number > head:
                self.inbox.offer(sealed, head)
            elif self.gate.screen(envelope) is not Screening.HELD:
                self._forks[envelope.session] = tuple(page[index:])
                break
        return Received(Screening.CHECK, last.session, last.number)

    def apply(self) -> Generator[Step, None, Applied]:
        """Apply one window of what is ready; nothing ready gives an empty ``Applied``."""
        self.windows.refresh()
        applied = Applied()
        if self.is_held_back():
            return applied
        self._drop_passed()
        for sealed, *others in self._forks.values():
            self._stop(sealed, f"two envelopes with number {sealed.envelope.number}", *others, into=applied)
        self._forks.clear()
        batch: list[Sealed] = []
        try:
            with self.windows.window():
                yield from self._next_window(batch, applied)
                if not batch:
                    return applied
                yield from self.windows.commit(batch, None, applied)
        except DocumentFault as fault:
            if self._window_envelopes_max > 1:
                self._window_envelopes_max = 1
            else:
                self._stop(batch[0], f"its operations cannot be applied: {fault}", into=applied)
            return Applied(stopped=applied.stopped)
        if len(batch) == 1:
            self._window_envelopes_max = limits.WINDOW_OPERATIONS_MAX
        for sealed in batch:
            # A revocation, or the need for room, may have taken it out while the window was open.
            if self.inbox.get(sealed.envelope.session, sealed.envelope.number) is not None:
                self.inbox.pop(sealed.envelope.session, sealed.envelope.number)
        return applied

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
                            _, *rest = self.inbox.to_signature(session, head + 1)
                            self._stop(sealed, verdict.reason, *rest, into=applied)
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
                    if unyielded >= _ADMITTED_PER_STEP:
                        unyielded = 0
                        yield None

    def _drop_passed(self) -> None:
        """Take out of the inbox what took effect another way (a commit that said it failed, this peer's own writes, a
        base), and what never can."""
        for session in self.inbox.sessions():
            state = self.gate.sessions.get(session)
            if session.author not in self.gate.curators or (state is not None and state.stopped is not None):
                self.inbox.forget(session)
                continue
            head = state.number if state is not None else 0
            passed = self.inbox.passed(session, head)
            for index, sealed in enumerate(passed):
                if self.gate.screen(sealed.envelope) is Screening.CHECK:
                    self._forks[session] = _to_signature([*passed[index:], *self.inbox.to_signature(session, head + 1)])
                    break

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
        session = sealed.envelope.session
        state = self.gate.sessions.get(session)
        if state is None or state.stopped is None:
            number, last = (0, b"") if state is None else (state.number, state.hash)
            rest = self.inbox.to_signature(session, number + 1)
            if not rest or rest[0].envelope.previous != last or rest[-1].signature is None:
                rest = []
            self.windows.stop_session(session, reason, (sealed, *others), rest)
            self.proofs.note(session)
            into.stopped.append((session, reason))
        self.inbox.forget(session)


def _to_signature(run: list[Sealed]) -> tuple[Sealed, ...]:
    """Return a run as far as the first envelope whose own signature is here."""
    end = next((at for at, sealed in enumerate(run, 1) if sealed.signature is not None), len(run))
    return tuple(run[:end])
