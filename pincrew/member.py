"""One peer's membership in a cluster: trust chain, replica and announcements, as its neighbours see them.

No network and no loop: the daemon's peer and the simulation drive the same object.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping

from pincrew import limits
from pincrew.announcement import Announcements
from pincrew.base_form import pack_blob, unpack_blob
from pincrew.base_sync import Stage
from pincrew.bases import Bases, Turned
from pincrew.errors import Conflict, Malformed, PeerFault
from pincrew.frames import Blob, Page, Proof, Standing
from pincrew.gate import Received, Screening
from pincrew.replica import Replica
from pincrew.steps import Step
from pincrew.store.database import Database
from pincrew.store.staging import Staged
from pincrew.store.trust_store import TrustStore
from pincrew.trust import TrustChain, TrustRecord
from pincrew.values import Dependency, Envelope, Head, SessionId
from pincrew.wire import decode_envelope, decode_sealed

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
        staged: Staged | None = None,
        author: bytes = b"",
    ) -> None:
        """Join what ``database`` holds with ``chain`` (of the config document).

        ``staged`` keeps what is fetched of a base (None = in memory), ``author`` is this peer's own key where it
        writes. Raises Forged where the two are not of one cluster. ``on_trust`` is called with the chain that was in
        force before, each time when it has moved on.
        """
        self._kept = TrustStore(database)
        self.chain = (self._kept.chain() or chain).merge(chain.records)
        self._kept.keep(self.chain)
        self.on_trust: Callable[[TrustChain], None] = lambda before: None
        self.replica = Replica(
            database,
            cluster=chain.cluster_id,
            curators=self.chain.curators,
            trust=self.chain.head.n,
            shard_bits=chain.genesis.shard_bits,
            now_ms=now_ms,
        )
        self.bases = Bases(self.replica.windows, {} if staged is None else staged, now_ms=now_ms, author=author)
        self.replica.is_held_back = self.is_held_back
        self._served: dict[bytes, bytes] = {}
        self.heard = Announcements(chain.cluster_id)
        self._now = now

    def adopt(self, chain: TrustChain) -> bool:
        """Take over what a config document adds to the trust chain; return whether it moved. Raises PeerFault."""
        merged = self.chain.merge(chain.records)
        return self._moved(merged)

    def _moved(self, merged: TrustChain) -> bool:
        if merged == self.chain:
            return False
        self._kept.keep(merged)
        before, self.chain = self.chain, merged
        self.replica.trust(merged.curators, merged.head.n)
        self.on_trust(before)
        return True

    def was_curator(self, public: bytes) -> bool:
        """Return whether some trust record, in force or not any more, names a curator."""
        return any(public in record.curators for record in self.chain.records)

    def is_beyond_our_trust(self, sealed: bytes) -> bool:
        """Return whether an envelope claims to be made under a trust record that is not here yet."""
        try:
            envelope = decode_envelope(decode_sealed(sealed)[0], self.replica.shard_bits)
        except Malformed:
            return False
        return self.replica.gate.screen(envelope) is Screening.NEWER_TRUST

    def turn(self) -> Generator[Step, None, Turned | None]:
        """Go one step towards the next base; None where there is nothing to tell.

        Only the last, ``is_turning``, must have the replica to itself. Raises StoreFault.
        """
        stage = self.bases.stage()
        if stage is Stage.CHECK:
            return (yield from self.bases.check())
        if stage is Stage.READY:
            return (yield from self.bases.adopt(self.chain))
        return None

    def base_header(self, *, is_owners: bool = False) -> Generator[Step, None, bytes]:
        """Return what the keeper, or an owner, is to sign of the next base: all that took effect and trust lets count.

        Of a former curator that is what the trust record says was its last good envelope, and nobody's writing counts
        that builds on more than that.
        """
        cut = yield from self.bases.making.allowed_cut(self.chain)
        return (yield from self.bases.making.header(self.chain.head.n, cut, is_owners=is_owners))

    # ---- sync.Pinset ------------------------------------------------------------------------------------------

    def standing(self) -> Standing:
        """Trust number and hash, base, and the digest over them and all heads."""
        return Standing(self.chain.head.n, self.chain.standing, self.replica.gate.base, self.replica.digest())

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
        """Whether a claimed head is of another branch than the envelope of that number here, if that is still known."""
        state = self.replica.gate.sessions.get(session)
        if state is None or not 0 < head.number <= self.head(session).number or not head.hash:
            return False
        known = self.replica.gate.hash_at(state, head.number)
        return known is not None and known != head.hash

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

    def proven(self) -> Mapping[SessionId, int]:
        """The sessions that are proven to be forked, with the number from which on they are."""
        return self.replica.proofs.numbers()

    def proof(self, session: SessionId) -> list[Proof]:
        """The proof of that for a neighbour."""
        return [Proof(session, *run) for run in self.replica.proofs.runs(session)]

    def receive_proof(
        self,
        session: SessionId,
        bodies: tuple[bytes, ...],
        signature: bytes,
        envelopes: tuple[Envelope, ...] = (),
    ) -> Received:
        """Part of a proof from a neighbour."""
        return self.replica.receive_proof(session, bodies, signature, envelopes)

    def read_ahead(self, page: Page | Proof) -> Page | Proof:
        """Return a page with its envelopes read, the slow part of taking it in; any thread may do it.

        One that cannot be read is returned as it is: ``receive_page`` says why.
        """
        try:
            return page._replace(envelopes=tuple(decode_envelope(one, self.replica.shard_bits) for one in page.bodies))
        except Malformed:
            return page

    def is_held_back(self) -> bool:
        """Whether a base is being taken, so that envelopes would only be in its way."""
        return self.bases.is_taking

    def base_sealed(self, n: int) -> bytes | None:
        """Base ``n``, or else the one in force."""
        return self.bases.in_force.sealed(n)

    def base_offered(self, sealed: bytes) -> str | None:
        """A base from a neighbour; returns what is wrong with it."""
        return self.bases.offer(sealed, self.chain)

    def blob_piece(self, name: bytes, offset: int) -> Blob:
        """A piece of a packed blob for a neighbour. Blocks, unless ``prepare_blob`` was called for it."""
        packed = self.prepare_blob(name)
        return Blob(name, offset, len(packed), packed[offset : offset + limits.BLOB_PIECE_BYTES_MAX])

    def prepare_blob(self, name: bytes) -> bytes:
        """Compute and pack a blob that a neighbour asks for, empty where it is not here; any thread may do it.

        The last few are kept for further pieces.
        """
        packed = self._served.get(name, b"")
        if not packed and (blob := self.bases.in_force.blob(name)) is not None:
            packed = pack_blob(blob)
            for old in list(self._served)[: -limits.BLOBS_SERVED_KEPT]:
                self._served.pop(old, None)
            self._served[name] = packed
        return packed

    def keep_blob(self, name: bytes, packed: bytes) -> bool:
        """A packed blob from a neighbour that was asked for it; returns whether it is that one."""
        try:
            return self.bases.keep(name, unpack_blob(packed))
        except Malformed:
            return False

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

    @property
    def announced_peers(self) -> int:
        """Of how many peers something was heard, expired or not."""
        return len(self.heard)
