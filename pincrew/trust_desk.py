"""The trust of one running cluster, as its API shows and changes it, and what it means for this very peer.

A record that a command signed is checked by the chain, kept, and in force at once; ``Peer`` tells the neighbours.
"""

from __future__ import annotations

import trio

from pincrew.api.shapes import SessionHead, TrustInfo
from pincrew.errors import Conflict, NotAllowed
from pincrew.health import ReasonCode, ReasonText
from pincrew.keys import public_of
from pincrew.paths import ClusterPaths
from pincrew.peer import Peer
from pincrew.trust import TrustRecord
from pincrew.trust_change import FormerCurator, former_curators
from pincrew.trust_view import trust_info
from pincrew.values import Head


class TrustDesk:
    """Implements ``api.contract.TrustDoor``."""

    def __init__(self, peer: Peer, paths: ClusterPaths) -> None:
        self._peer = peer
        self._paths = paths

    async def info(self) -> TrustInfo:
        """Return who owns and who curates."""
        chain = self._peer.member.chain
        network = self._peer.network
        connected = {one.peer for one in network.connections()} if network is not None else set()

        def seen(peer: str) -> tuple[str | None, bool | None]:
            if peer == self._peer.id:
                return self._peer.options.peer_name or None, None
            heard = self._peer.heard_of(peer)
            return (heard.name or None) if heard is not None else None, peer in connected

        return await trio.to_thread.run_sync(trust_info, self._paths, chain, seen)

    def records(self) -> list[bytes]:
        """Return the signed records in force, then the rival of a conflict."""
        chain = self._peer.member.chain
        return [*chain.encoded(), *chain.evidence()]

    async def sessions(self, author: str, before: int | None) -> list[SessionHead]:
        """Return how far each session of an author was taken in; ``before``: as if no later envelope were there.

        Raises Misuse for what is no peer id, Conflict where such an envelope is not held any more.
        """
        key = public_of(author)
        replica = self._peer.member.replica
        heads = {session: head for session, head in replica.heads.items() if session.author == key}
        lines = []
        for session, head in sorted(heads.items()):
            if before is not None and before <= head.number:
                sid = replica.gate.sessions[session].sid
                number = before - 1
                digest = await trio.to_thread.run_sync(replica.history.hash_at, sid, number) if number else b""
                if digest is None:
                    raise Conflict(
                        f"Envelope {number} of a session is not held here any more",
                        next_step="Choose a later number, or `--since now`",
                    )
                head = Head(number, digest)
            if head.number:
                lines.append(SessionHead(session.nonce.hex(), head.number, head.hash.hex()))
        return lines

    async def take(self, sealed: bytes) -> TrustInfo:
        """Put a record in force that enough owners signed; harmless when it is already.

        Raises Malformed, Forged, or Conflict: above all where another record has come since it was made. Merged like a
        neighbour's, such a record would be proof of a conflict and halt the cluster; made here, it is a mistake.
        """
        record = TrustRecord.decode(sealed)
        member = self._peer.member
        held = member.chain.records[record.n : record.n + 1]
        if held and held[0] != record:
            raise Conflict(
                f"Another trust record {record.n} is in force already",
                means="Nothing was changed",
                next_step="Look at `pincrew trust ls`, and make your change anew",
            )
        if not held:
            member.adopt(member.chain.extended(record))
        return await self.info()

    # ---- what it means for this peer ------------------------------------------------------------------------------

    def check_curator(self) -> None:
        """Raise NotAllowed where this peer is no curator any more."""
        former = self._former()
        if former is not None:
            raise NotAllowed(
                self._revoked(former),
                means="Nothing was changed",
                next_step="Ask an owner: `pincrew trust undo` or `pincrew trust add` makes this peer one again",
            )

    def reasons(self, role: str) -> list[ReasonText]:
        """Say what the user should know of this peer's own place, which is ``role`` at present."""
        is_named = self._peer.member.chain.is_curator(self._peer.key.public)
        former = self._former()
        if former is not None:
            return [ReasonText(ReasonCode.NOT_CURATOR, self._revoked(former) + self._lost(former))]
        if is_named and role != "curator":
            text = (
                f"This peer is named as a curator of {self._paths.name} and still only follows."
                f" `pincrew serve {self._paths.name}` makes it one"
            )
            return [ReasonText(ReasonCode.CURATOR_NAMED, text)]
        return []

    def _former(self) -> FormerCurator | None:
        key = self._peer.key.public
        return next((one for one in former_curators(self._peer.member.chain) if one.key == key), None)

    def _revoked(self, former: FormerCurator) -> str:
        return f"You are no curator of {self._paths.name} any more: trust record {former.record} revoked this peer"

    def _lost(self, former: FormerCurator) -> str:
        """Say how much of what this peer wrote does not count."""
        if former.cut is None:
            return ""
        counted = {last.nonce: last.number for last in former.cut.sessions}
        beyond = sum(
            max(0, head.number - counted.get(session.nonce, 0))
            for session, head in self._peer.member.heads().items()
            if session.author == former.key
        )
        return f". {beyond} of its envelopes are beyond what still counts" if beyond else ""
