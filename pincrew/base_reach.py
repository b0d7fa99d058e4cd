"""How far writing counts when a base is made or comes into force: what is beyond a cut, and what builds on that.

Both questions are closed over dependencies: an envelope that builds on one that does not count does not count either.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple

from pincrew.base_form import Base, Cut
from pincrew.gate import SessionState
from pincrew.steps import Step
from pincrew.store.bases import BaseStore
from pincrew.trust import TrustChain
from pincrew.values import Head, SessionId
from pincrew.windows import Windows
from pincrew.wire import client_id, decode_envelope

_ENVELOPES_PER_STEP = 500

Voided = dict[int, tuple[Head, str | None]]
"""How far the sessions (by sid) that a base cuts back still count, and why each is stopped, if it is."""


class Reach:
    """How far the sessions of one replica count. Work is done in steps (``pincrew.steps``)."""

    def __init__(self, windows: Windows, store: BaseStore) -> None:
        self._windows = windows
        self._store = store

    def void(self, base: Base, cut: Cut, chain: TrustChain, *, is_owners: bool) -> Generator[Step, None, Voided]:
        """Return what a base makes void here: what an owner's cuts off, and whatever builds on that.

        Whoever signed: where a session of the cut has the Yjs client of another one here, that other one goes.
        """
        gate = self._windows.gate
        curators = chain.records[base.trust].curators  # of bytes alone, whatever trust says by now
        strangers: list[tuple[SessionState, Head]] = []
        clients = {client_id(session): session for session in cut}
        void: Voided = {}
        for session, state in gate.sessions.items():
            end = cut.get(session, Head(0, b""))
            if not state.number:
                continue
            if clients.get(state.client, session) != session:
                void[state.sid] = Head(0, b""), "its client id belongs to another session"
            elif not is_owners:
                continue
            elif state.cut.number > end.number:  # the base in force settled more: a lie, or made at the same time
                void[state.sid] = end, None
            elif state.number < end.number:
                continue
            elif end.number and gate.hash_at(state, end.number) != end.hash:
                void[state.sid] = end, None
            elif state.number > end.number and session.author not in curators:
                strangers.append((state, end))
        for state, end in strangers:
            bodies: list[bytes] = []
            yield lambda state=state, end=end, into=bodies: into.extend(  # type: ignore[misc]
                self._store.log_after(state.sid, end.number, end.number + 1)
            )
            # Whom a record later than the base's named may have written before they had the base: that is not meant.
            if not bodies or decode_envelope(bodies[0], self._windows.shard_bits).trust <= base.trust:
                void[state.sid] = end, "its author is no curator any more"
        beyond: list[_Beyond] = []
        if void:
            yield lambda: beyond.extend(self._beyond(cut))
        found = bool(void)
        while found:
            found = False
            for index, one in enumerate(beyond):
                if index % _ENVELOPES_PER_STEP == _ENVELOPES_PER_STEP - 1:
                    yield None
                if one.sid in void and void[one.sid][0].number < one.number:
                    continue
                if any(_is_void(void.get(sid), number, digest) for sid, number, digest in one.dependencies):
                    void[one.sid] = Head(one.number - 1, one.previous), "it builds on what an owner's base made void"
                    found = True
        return void

    def allowed_cut(self, chain: TrustChain) -> Generator[Step, None, dict[SessionId, Head]]:
        """Return how far everything that took effect here counts: wholly, but for former curators and what builds on
        their writing beyond their cut. Never less than the base in force."""
        gate, durable = self._windows.gate, self._windows.heads  # the gate alone may be ahead of the disk, by a window
        sessions = [(session, gate.sessions[session]) for session in durable]
        allowed = {(cut.author, last.nonce): last.number for cut in chain.head.cuts for last in cut.sessions}
        cut_off = {cut.author for cut in chain.head.cuts}
        ends = {state.sid: durable[session].number for session, state in sessions}
        former = [(session, state) for session, state in sessions if session.author in cut_off]
        for session, state in former:
            ends[state.sid] = max(state.cut.number, min(ends[state.sid], allowed.get(session, 0)))
        beyond: list[_Beyond] = []
        if any(ends[state.sid] < durable[session].number for session, state in former):
            yield lambda: beyond.extend(self._beyond({session: state.cut for session, state in sessions}))
        is_stable = False
        while not is_stable:
            is_stable = True
            for index, one in enumerate(beyond):
                if index % _ENVELOPES_PER_STEP == _ENVELOPES_PER_STEP - 1:
                    yield None
                if one.number <= ends[one.sid] and any(
                    number > ends.get(sid, 0) for sid, number, _ in one.dependencies
                ):
                    ends[one.sid], is_stable = one.number - 1, False
        heads = [(session, ends[state.sid], gate.hash_at(state, ends[state.sid])) for session, state in sessions]
        return {session: Head(end, digest or b"") for session, end, digest in heads if end}

    def _beyond(self, cut: Cut) -> list[_Beyond]:
        """Return every envelope beyond a cut."""
        sessions = self._windows.gate.sessions
        found = []
        for session, head in self._windows.heads.items():
            end, state = cut.get(session, Head(0, b"")), sessions[session]
            for body in self._store.log_after(state.sid, end.number, head.number):
                envelope = decode_envelope(body, self._windows.shard_bits)
                named = [(sessions[one.session].sid, one.number, one.hash) for one in envelope.dependencies]
                found.append(_Beyond(state.sid, envelope.number, envelope.previous, named))
        return found


class _Beyond(NamedTuple):
    """An envelope beyond a cut: its session (sid), number, the hash before it, and what it depends on (sid, number,
    hash)."""

    sid: int
    number: int
    previous: bytes
    dependencies: list[tuple[int, int, bytes]]


def _is_void(end: tuple[Head, str | None] | None, number: int, digest: bytes) -> bool:
    """Return whether an envelope that is depended on is void, given how far its session counts (None: wholly)."""
    if end is None:
        return False
    head, _ = end
    return number > head.number or (number == head.number and digest != head.hash)
