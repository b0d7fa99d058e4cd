"""What shows anybody that an author signed two branches of a session, so that it travels to who saw only one of them.

A proof is kept as *runs*: envelopes in a row of which the last one's signature vouches for all. One run is of a branch
that did not take effect here; where neither did, there are two. Whoever holds another branch sees the fork from a run
alone. A base settles which branch counts: then the proof proves nothing any more, and is not shown.
"""

from __future__ import annotations

from collections.abc import Mapping

from pincrew import limits
from pincrew.errors import Malformed
from pincrew.gate import Gate
from pincrew.inbox import Sealed
from pincrew.values import SessionId
from pincrew.windows import Windows
from pincrew.wire import decode_envelope


class Proofs:
    """The proofs of one replica that are worth showing. Calls block, as far as they read the store."""

    def __init__(self, windows: Windows) -> None:
        self._windows = windows
        self._numbers: dict[SessionId, int] = {}
        self._gate: Gate | None = None  # of which these are

    def numbers(self) -> Mapping[SessionId, int]:
        """Return the sessions of which there is a proof, each with the number from which on branches differ.

        Whoever holds less may be on either branch, and must not get what would go on from there.
        """
        gate = self._windows.gate
        if self._gate is not gate:  # a new one comes with each base, and each start
            self._gate = gate
            self._numbers.clear()
            stopped = {state.sid: state.id for state in gate.sessions.values() if state.stopped is not None}
            kept = [sid for sid in self._windows.history.proven() if sid in stopped] if stopped else []
            for sid in kept[-limits.PROVEN_SESSIONS_MAX :]:
                self.note(stopped[sid])
        return self._numbers

    def note(self, session: SessionId) -> None:
        """A session was stopped: from now on there may be a proof of why."""
        runs = self._runs(session)
        if not runs:
            return
        self._numbers[session] = min(self._differs_from(run[0]) for run in runs)
        if len(self._numbers) > limits.PROVEN_SESSIONS_MAX:
            del self._numbers[next(iter(self._numbers))]

    def runs(self, session: SessionId) -> list[tuple[tuple[bytes, ...], bytes]]:
        """Return the runs that prove a fork, each with the signature of its last envelope."""
        return [
            (tuple(sealed.envelope.body for sealed in run), run[-1].signature or b"") for run in self._runs(session)
        ]

    def _runs(self, session: SessionId) -> list[list[Sealed]]:
        state = self._windows.gate.sessions[session]
        runs: list[list[Sealed]] = []
        run: list[Sealed] = []
        try:
            for one in self._windows.history.evidence(state.sid):
                envelope = decode_envelope(one.body, self._windows.shard_bits)
                if run and envelope.previous != run[-1].envelope.hash:
                    run = []  # there was no room for its signature, so that nobody else could check it
                run.append(Sealed(envelope, one.signature))
                if one.signature is not None:
                    runs.append(run)
                    run = []
        except Malformed:  # a damaged disk proves nothing
            return []
        return [
            run
            for run in runs[-limits.PROOF_RUNS_MAX :]
            if self._differs_from(run[0]) > state.cut.number and len(run) <= limits.PAGE_ENVELOPES_MAX
        ]

    def _differs_from(self, sealed: Sealed) -> int:
        """Return the first number of which a run shows another envelope: its own first, or that one's forerunner."""
        envelope = sealed.envelope
        state = self._windows.gate.sessions[envelope.session]
        before = self._windows.gate.hash_at(state, envelope.number - 1) if envelope.number <= state.number + 1 else None
        is_elsewhere = before is not None and before != envelope.previous
        return envelope.number - is_elsewhere
