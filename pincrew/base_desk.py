"""The bases of one running cluster, as its API shows and makes them."""

from __future__ import annotations

from pincrew.api.shapes import BaseCandidate, BaseInfo
from pincrew.keys import peer_id
from pincrew.peer import Peer


class BaseDesk:
    """Implements ``api.contract.BaseDoor``."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    def info(self) -> BaseInfo:
        """Return the base in force, and what is under way."""
        member = self._peer.member
        bases, base, keeper = member.bases, member.bases.in_force.base, member.chain.keeper
        return BaseInfo(
            cluster=self._peer.options.name,
            n=bases.n,
            hash=None if base is None else base.hash.hex(),
            pins=0 if base is None else base.pins,
            bytes=0 if base is None else base.size,
            log_bytes=bases.making.figures()["log_bytes"],
            keeper=None if keeper is None else peer_id(keeper),
            candidate=self._candidate(),
        )

    def _candidate(self) -> BaseCandidate | None:
        bases = self._peer.member.bases
        stage, candidate = bases.stage(), bases.candidate
        if stage is None or candidate is None:
            return None
        base = candidate.base
        return BaseCandidate(base.n, stage.name.lower(), peer_id(base.signer), bases.fetched(), base.pins)

    async def header(self) -> bytes:
        """Return what is to be signed of the next base."""
        return await self._peer.succession.header()

    async def take(self, sealed: bytes | None) -> BaseInfo:
        """Put a signed base in force, or (None) make one. Raises NotAllowed, or PincrewError where another came."""
        if sealed is None:
            await self._peer.succession.make()
        else:
            await self._peer.succession.offer(sealed)
        return self.info()
