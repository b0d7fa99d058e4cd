"""One peer's membership in a cluster: trust chain, replica and announcements, as its neighbours see them.

No network and no loop: the daemon's peer and the simulation drive the same object.
"""

from __future__ import annotations

from collections.abc import Callable

from pincrew import limits
from pincrew.announcement import Announcements
from pincrew.errors import Conflict, Malformed, PeerFault
from pincrew.frames import Page, Standing
from pincrew.gate import Received
from pincrew.replica import Replica
from pincrew.store.database import Database
from pincrew.store.history import History
from pincrew.trust import TrustChain, TrustRecord
from pincrew.values import Dependency, Envelope, Head, SessionId
from pincrew.wire import decode_envelope

_NO_HEAD = Head(0, b"")


class Member:
    """What ``pincrew.sync`` needs of a peer."""

    def __init__(
        self,
        database: Database,
        chain: TrustChain,
        *,
        now_ms: Callable[[], int],
        now: Callable[[], float],
    ) -> None:
        """Join what ``database`` holds with ``chain`` (of the config document).

        Raises Forged where the two are not of one cluster.
        """
        history = History(database)
        self.chain = _stored_chain(history) or chain
        self.chain = self.chain.merge(chain.records)
        history.keep_trust_records(self.chain.encoded(), *self.chain.evidence())
        self.replica = Replica(
            database,
            cluster=chain.cluster_id,
            curators=self.chain.curators,
            trust=self.chain.head.n,
            shard_bits=chain.genesis.shard_bits,
            now_ms=now_ms,
        )
        self.heard = Announcements(chain.cluster_id)
        self._now = now

    def adopt(self, chain: TrustChain) -> bool:
        """Take over what a config document adds to the trust chain; return whether it moved. Raises PeerFault."""
        merged = self.chain.merge(chain.records)
        return self._moved(merged)

    def _moved(self, merged: TrustChain) -> bool:
        if merged == self.chain:
            return False
        self.replica.history.keep_trust_records(merged.encoded(), *merged.evidence())
        self.chain = merged
        self.replica.trust(merged.curators, merged.head.n)
        return True

    # ---- sync.Pinset ------------------------------------------------------------------------------------------

    def standing(self) -> Standing:
        """Trust number and hash, base, and the digest over them and all heads."""
        return Standing(self.chain.head.n, self.chain.head.hash, self.replica.gate.base, self.replica.digest())

    def heads(self) -> dict[SessionId, Head]:
        """How far each session was applied."""
        return self.replica.heads

    def head(self, session: SessionId) -> Head:
        """How far one session was applied."""
        return self.replica.heads.get(session, _NO_HEAD)

    def is_open(self, session: SessionId) -> bool:
        """Whether more of a session can take effect here."""
        state = self.replica.gate.sessions.get(session)
        return self.chain.is_curator(session.author) and (state is None or state.stopped is None)

    def contiguous(self, session: SessionId) -> int:
        """The last number held without a gap."""
        return self.replica.inbox.contiguous(session, self.head(session).number)

    def waiting(self) -> list[Dependency]:
        """What verified envelopes wait for."""
        return self.replica.waiting()

    def backlog(self) -> int:
        """Bytes received and not applied, of sessions that nothing holds up."""
        return self.replica.inbox.ready_size

    def is_blocked(self, session: SessionId) -> bool:
        """Whether the next envelope of a session is here and waits for another session."""
        return self.replica.inbox.is_blocked(session)

    def differs(self, session: SessionId, head: Head) -> bool:
        """Whether a claimed head is of another branch than the envelope of that number here."""
        state = self.replica.gate.sessions.get(session)
        if state is None or not 0 < head.number <= self.head(session).number or not head.hash:
            return False
        return self.replica.history.hash_at(state.sid, head.number) != head.hash

    def page(self, session: SessionId, after: int) -> tuple[int, list[bytes], bytes] | None:
        """Envelopes of a session for a neighbour."""
        return self.replica.page(session, after)

    def receive_page(
        self,
        session: SessionId,
        bodies: tuple[bytes, ...],
        signature: bytes,
        envelopes: tuple[Envelope, ...] = (),
    ) -> Received:
        """Envelopes of a session from a neighbour."""
        return self.replica.receive_page(session, bodies, signature, envelopes)

    def read_ahead(self, page: Page) -> Page:
        """Return a page with its envelopes read, the slow part of taking it in; any thread may do it.

        One that cannot be read is returned as it is: ``receive_page`` says why.
        """
        try:
            return page._replace(envelopes=tuple(decode_envelope(one, self.replica.shard_bits) for one in page.bodies))
        except Malformed:
            return page

    def trust_records(self, first: int) -> list[bytes]:
        """Signed trust records from number ``first``, and the proof of a conflict."""
        return self.chain.encoded()[first : first + limits.TRUST_RECORDS_PER_FRAME_MAX - 1] + self.chain.evidence()

    def receive_trust(self, records: tuple[bytes, ...]) -> str | None:
        """Trust records from a neighbour; returns what is wrong with them."""
        try:
            self._moved(self.chain.merge([TrustRecord.decode(record) for record in records]))
        except (PeerFault, Conflict) as error:
            return error.what
        return None

    def receive_announcement(self, announcement: bytes) -> bool:
        """An announcement from a neighbour; returns whether it is news."""
        return self.heard.accept(announcement, self._now())

    def announcements(self) -> list[bytes]:
        """The announcements worth passing on."""
        return [heard.sealed for heard in self.heard.current(self._now())]


def _stored_chain(history: History) -> TrustChain | None:
    records = history.trust_records()
    if not records:
        return None
    chain = TrustChain.from_encoded(records)
    rival = history.trust_rival()
    return chain if rival is None else chain.merge([TrustRecord.decode(rival)])
