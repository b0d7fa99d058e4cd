"""Who is shown the proof that a session is forked.

Whoever holds one shows it, once on each link, to a neighbour that holds as much of that session: it may know of one
branch only. To one that holds less it would be the losing branch, and it is not sent. Under another trust record, or on
another base, a neighbour might not be able to judge it. Proofs are read from the store, and neighbours may be hundreds:
they are shown one by one.

Part of ``pincrew.sync``: no I/O, no clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from pincrew import limits
from pincrew.frames import Proof, Standing
from pincrew.gate import Received
from pincrew.values import Envelope, Head, SessionId

Claims = Mapping[SessionId, Head]
"""What one neighbour claims to have."""

_NOWHERE = Standing(0, b"", 0, b"")


class ProofHolder(Protocol):
    """What this needs of the peer's member."""

    def standing(self) -> Standing: ...
    def heads(self) -> dict[SessionId, Head]: ...
    def head(self, session: SessionId) -> Head: ...
    def proven(self) -> Mapping[SessionId, int]:
        """The sessions of which there is a proof that they are forked, each with the number from which on it counts."""
        ...

    def proof(self, session: SessionId) -> list[Proof]: ...
    def receive_proof(
        self,
        session: SessionId,
        bodies: tuple[bytes, ...],
        signature: bytes,
        envelopes: tuple[Envelope, ...] = (),
    ) -> Received:
        """Take in a part of a proof, as ``receive_page`` does, if it proves anything here."""
        ...


@dataclass(slots=True)
class _Link:
    standing: Standing = _NOWHERE  # when its claims were made
    shown: dict[SessionId, int] = field(default_factory=dict)  # the forked ones that it knows of, with our base then


class ProofSync:
    """One peer's side of showing proofs."""

    def __init__(self, holder: ProofHolder) -> None:
        self._holder = holder
        self._links: dict[str, _Link] = {}
        self._next_proof = 0.0
        self._may_show_more = False

    # ---- events -----------------------------------------------------------------------------------------------

    def linked(self, peer: str) -> None:
        """There is a new neighbour, which was shown nothing."""
        self._links[peer] = _Link()

    def unlinked(self, peer: str) -> None:
        """A neighbour is gone."""
        self._links.pop(peer, None)

    def stands(self, peer: str, standing: Standing) -> None:
        """A neighbour says where it stands."""
        self._links[peer].standing = standing

    def received(self, peer: str, proof: Proof) -> str | None:
        """A neighbour shows a part of a proof; return what is wrong with it, if anything."""
        received = self._holder.receive_proof(*proof)
        if received.fault is not None:
            return received.fault
        if proof.session in self._holder.heads():  # whoever shows it to us has stopped that session
            self._links[peer].shown[proof.session] = self._holder.standing().base
        return None

    # ---- the decision -----------------------------------------------------------------------------------------

    def evaluate(self, claims: Callable[[str], Claims], now: float) -> list[tuple[str, Proof]]:
        """Show one neighbour one proof, if there is one that it may not know of, given what each claims to have."""
        if now < self._next_proof:
            return []
        proven = self._holder.proven()
        self._may_show_more = bool(proven)
        if not proven:
            return []
        self._next_proof = now + limits.PROOF_INTERVAL_S
        ours = self._holder.standing()
        for peer, link in self._links.items():
            if link.standing[:3] != ours[:3]:
                continue
            for session, number in proven.items():
                if link.shown.get(session) != ours.base and self._held_by(link, claims(peer), session, ours) >= number:
                    link.shown[session] = ours.base
                    return [(peer, part) for part in self._holder.proof(session)]
        self._may_show_more = False
        return []

    def _held_by(self, link: _Link, claims: Claims, session: SessionId, ours: Standing) -> int:
        """Return how far a neighbour is known to have applied a session."""
        if link.standing.digest == ours.digest:
            return self._holder.head(session).number
        claim = claims.get(session)
        return claim.number if claim is not None and claim.hash else 0  # what pubsub hinted is not applied yet

    def next_due(self) -> float:
        """Return when ``evaluate`` next has something to say by itself."""
        return self._next_proof if self._may_show_more else float("inf")
