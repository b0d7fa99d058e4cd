"""The owner of a simulated cluster: signs every trust record, and knows all of them while peers may not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pincrew.keys import SigningKey
from pincrew.trust import Cut, LastGood, TrustChain, TrustRecord, first_record
from pincrew.trust_change import with_keeper, with_more, without
from pincrew.values import SessionId

if TYPE_CHECKING:
    from sim.swarm import Node


class Owner:
    """One owner key and the records that it signed."""

    def __init__(self, key: SigningKey, curators: list[bytes]) -> None:
        self.key = key
        record = first_record([key.public], curators, b"s" * 16, keeper=curators[0], shard_bits=2)
        self.chain = TrustChain.from_records([record.signed(key)])
        self.ever = set(curators)
        self.last_base = b""

    def adds(self, *curators: bytes) -> TrustChain:
        """Name more curators; nobody else knows it yet."""
        return self._sign(with_more(self.chain, curators=curators))

    def keeps(self, keeper: bytes) -> TrustChain:
        """Name another keeper."""
        return self._sign(with_keeper(self.chain, keeper))

    def revokes(self, author: bytes, told: Node) -> TrustChain:
        """Revoke a curator with what one peer holds of its writing as the last that counts."""
        assert told.member is not None
        heads = {session: head for session, head in told.member.heads().items() if session.author == author}
        return self.drops(author, *(LastGood(session.nonce, *head) for session, head in sorted(heads.items())))

    def drops(self, author: bytes, *last: LastGood) -> TrustChain:
        """Revoke a curator of whose writing no more than this counts."""
        return self._sign(without(self.chain, Cut(author, last)))

    def cut_off(self, session: SessionId, number: int, trust: int) -> bool:
        """Whether a record later than the one that an envelope was made under says that it does not count."""
        cuts = [
            cut for record in self.chain.records[trust + 1 :] for cut in record.cuts if cut.author == session.author
        ]
        return any(
            number > max((last.number for last in cut.sessions if last.nonce == session.nonce), default=0)
            for cut in cuts
        )

    def revoked(self, author: bytes, trust: int) -> bool:
        """Whether a record later than this one does not name a curator."""
        return any(author not in record.curators for record in self.chain.records[trust + 1 :])

    def _sign(self, record: TrustRecord) -> TrustChain:
        self.chain = self.chain.extended(record.signed(self.key))
        self.ever |= record.curators
        return self.chain
