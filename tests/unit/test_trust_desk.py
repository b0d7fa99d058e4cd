"""Trust of a running cluster: what it takes, what it refuses, and what it tells its user. Real clusters on loopback."""

from __future__ import annotations

import pytest
import trio
from pincrew.trusted.author import Author, WriteRequest
from pincrew.trusted.curator import Curator
from pincrew.trusted.cutting import cut_of
from pincrew.trusted.pin_requests import wanted_pin
from pincrew.trusted.writer import Writer

from pincrew.api.shapes import PinRequest
from pincrew.errors import Conflict, Forged, Malformed, Misuse, NotAllowed
from pincrew.identity import load_key
from pincrew.keys import SigningKey, peer_id
from pincrew.paths import Home
from pincrew.peer import now_ms
from pincrew.roster import Roster
from pincrew.trust import TrustChain
from pincrew.trust_change import undone, with_keeper, with_more, without
from pincrew.values import Head, SessionId
from support.machines import made_up_cids
from support.signers import SECOND_CURATOR, STRANGER
from unit.test_roster import calling, home, made, trio_test, until

__all__ = ["home"]
CIDS = made_up_cids(4, "desk")


async def running(home: Home, roster: Roster) -> tuple[Curator, SigningKey]:
    await roster.start("books", None)
    cluster = roster.cluster("books")
    assert isinstance(cluster, Curator)
    return cluster, load_key(home.cluster("books").owner)


def chain_of(cluster: Curator) -> TrustChain:
    records = cluster.trust.records()
    return TrustChain.from_encoded(records)


@trio_test
async def test_a_signed_record_is_in_force_at_once_and_again_is_harmless(home: Home) -> None:
    made(home, "books")
    async with calling(home) as roster:
        cluster, owner = await running(home, roster)
        record = with_more(chain_of(cluster), curators=[SECOND_CURATOR.public]).signed(owner)
        info = await cluster.trust.take(record.encode())
        assert info.record == 1 and len(info.curators) == 2
        assert [one.connected for one in info.curators if one.peer_id == cluster.peer.id] == [None]
        assert [one.connected for one in info.curators if one.peer_id != cluster.peer.id] == [False]
        assert cluster.peer.member.replica.gate.trust == 1
        assert (await cluster.trust.take(record.encode())).record == 1
        told: list[str] = []
        while not told:
            told = [one.text for one in await cluster.peer.diary.after(0, wait=True) if one.kind == "trust_changed"]
        assert len(told) == 1 and peer_id(SECOND_CURATOR.public) in told[0]
    async with calling(home) as roster:
        cluster, _ = await running(home, roster)
        assert chain_of(cluster).head.n == 1, "it was kept"


@trio_test
async def test_what_is_not_the_next_record_is_refused_and_halts_nothing(home: Home) -> None:
    made(home, "books")
    async with calling(home) as roster:
        cluster, owner = await running(home, roster)
        start = chain_of(cluster)
        await cluster.trust.take(with_keeper(start, None).signed(owner).encode())
        late = with_more(start, curators=[SECOND_CURATOR.public]).signed(owner)
        with pytest.raises(Conflict, match="Another trust record 1 is in force"):
            await cluster.trust.take(late.encode())
        stolen = with_more(chain_of(cluster), curators=[STRANGER.public])
        with pytest.raises(Forged):
            await cluster.trust.take(stolen.signed(STRANGER).encode())
        with pytest.raises(Forged, match="0 of 1"):
            await cluster.trust.take(stolen.encode())
        with pytest.raises(Malformed):
            await cluster.trust.take(b"nonsense")
        chain = chain_of(cluster)
        assert chain.conflict is None and chain.head.n == 1


@trio_test
async def test_sessions_of_an_author_up_to_a_number(home: Home) -> None:
    made(home, "books")
    async with calling(home) as roster:
        cluster, _ = await running(home, roster)
        for cid in CIDS[:3]:
            await cluster.write([PinRequest(cid=cid)])
        own = cluster.peer.id
        (now,) = await cluster.trust.sessions(own, None)
        (session,) = cluster.peer.member.heads()
        head = cluster.peer.member.heads()[session]
        assert (now.nonce, now.number, now.hash) == (session.nonce.hex(), 3, head.hash.hex())
        (earlier,) = await cluster.trust.sessions(own, 3)
        sid = cluster.peer.member.replica.gate.sessions[session].sid
        kept = cluster.peer.member.replica.history.hash_at(sid, 2)
        assert kept is not None and (earlier.number, earlier.hash) == (2, kept.hex())
        assert await cluster.trust.sessions(own, 99) == [now]
        assert await cluster.trust.sessions(own, 1) == []
        assert await cluster.trust.sessions(peer_id(STRANGER.public), None) == []
        with pytest.raises(Misuse, match="peer id"):
            await cluster.trust.sessions("nobody", None)


@trio_test
async def test_a_revoked_curator_is_told_what_does_not_count_and_refused(home: Home) -> None:
    made(home, "books")
    async with calling(home) as roster:
        cluster, owner = await running(home, roster)
        await cluster.write([PinRequest(cid=CIDS[0])])
        (session,) = cluster.peer.member.heads()
        good = cluster.peer.member.heads()[session]
        await cluster.write([PinRequest(cid=CIDS[1])])
        assert not [one for one in cluster.summary().reasons if one.code == "not_curator"]
        chain = chain_of(cluster)
        cut = cut_of(session.author, {session: good, SessionId(session.author, b"x" * 16): Head(1, bytes(32))})
        await cluster.trust.take(without(chain, cut).signed(owner).encode())
        (reason,) = [one for one in cluster.summary().reasons if one.code == "not_curator"]
        assert "no curator of books any more: trust record 1" in reason.text
        assert "1 of its envelopes are beyond what still counts" in reason.text
        with pytest.raises(NotAllowed, match="no curator of books any more"):
            await cluster.write([PinRequest(cid=CIDS[2])])
        with pytest.raises(NotAllowed):
            await cluster.publish(force_secret=False)
        await cluster.trust.take(undone(chain_of(cluster)).signed(owner).encode())
        await cluster.write([PinRequest(cid=CIDS[2])])
        assert not [one for one in cluster.summary().reasons if one.code == "not_curator"]


@trio_test
async def test_writes_that_wait_while_their_author_is_revoked_are_refused_and_not_lost_silently(home: Home) -> None:
    made(home, "books")
    async with calling(home) as roster:
        cluster, owner = await running(home, roster)
        author = Author(cluster.peer.member.replica, cluster.peer.key, now_ms=now_ms, nonce=lambda: bytes(16))
        writer = Writer(author, cluster.peer.applier, cluster.peer.member.bases.store, lambda written: None)
        refused: list[str] = []

        async def write(request: WriteRequest) -> None:
            try:
                await writer.write([request])
            except NotAllowed as error:
                refused.append(error.what)

        async with trio.open_nursery() as nursery:
            for cid in CIDS:
                nursery.start_soon(write, wanted_pin(PinRequest(cid=cid), now_ms()).request())
            await until(lambda: len(writer._orders) == len(CIDS))
            record = without(chain_of(cluster), cut_of(cluster.peer.key.public, {})).signed(owner)
            await cluster.trust.take(record.encode())
            await nursery.start(writer.run)
            await until(lambda: len(refused) == len(CIDS))
            nursery.cancel_scope.cancel()
        assert all("curator" in words for words in refused)
        assert cluster.peer.member.heads() == {}


@trio_test
async def test_where_the_document_is_offered_a_new_one_is_made_when_trust_moves(home: Home) -> None:
    made(home, "books")
    async with calling(home) as roster:
        await roster.start("books", "127.0.0.1:0")
        cluster = roster.cluster("books")
        assert isinstance(cluster, Curator)
        before = cluster.latest
        record = with_keeper(chain_of(cluster), None).signed(load_key(home.cluster("books").owner))
        await cluster.trust.take(record.encode())
        await until(lambda: cluster.latest is not before and cluster.latest is not None)
        assert cluster.latest is not None and cluster.latest.trust.head == record
