"""Who may speak on pubsub, also while a trust record is on its way; and what goes from one to another."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from random import Random
from typing import Any

import pytest
import trio
import trio.testing

from pincrew.errors import NoRoom, NotAllowed
from pincrew.gate import Screening
from pincrew.keys import SigningKey, peer_id
from pincrew.member import Member
from pincrew.neighbourhood import _VERDICTS, Neighbourhood
from pincrew.network import FrameStream, Verdict
from pincrew.requests import Answer, Request
from pincrew.steps import finish
from pincrew.store.database import Database
from pincrew.sync import Sync
from pincrew.trust import TrustChain
from sim.forge import Author, put
from sim.swarm import key_of
from unit.golden.vectors import cid
from unit.test_member import chain


def member_of(known: TrustChain) -> Member:
    return Member(Database(None), known, now_ms=lambda: 5, now=lambda: 0.0)


def neighbourhood(
    known: TrustChain, member: Member | None = None, wake: Callable[[], None] = lambda: None, **node: Any
) -> Neighbourhood:
    member = member or member_of(known)

    async def answer(request: Request) -> Answer:
        raise AssertionError("nobody asks")

    return Neighbourhood(
        member,
        Sync(member, known.cluster_id, Random(1)),
        wake=wake,
        answer=answer,
        on_neighbours=lambda: None,
        on_announcements=lambda: None,
        on_handshake_failed=lambda address, peer, reason: None,
        **node,
    )


def said(name: str, known: TrustChain, trust: int = 0) -> tuple[SigningKey, bytes]:
    author = Author(key_of(name), known.cluster_id)
    author.trust = trust
    return key_of(name), author.sign(put(cid(1))).sealed


def test_only_curators_speak() -> None:
    here = neighbourhood(chain(("a",)))
    curator, envelope = said("a", chain(("a",)))
    assert here.validate(curator.public, envelope) is Verdict.ACCEPT
    assert here.validate(curator.public, b"nonsense") is Verdict.REJECT
    stranger, of_stranger = said("c", chain(("a",)))
    assert here.validate(stranger.public, of_stranger) is Verdict.REJECT
    assert here.validate(stranger.public, envelope) is Verdict.REJECT, "another's words"


def test_a_curator_whose_record_is_not_here_yet_does_not_misbehave() -> None:
    longer = chain(("a",), ("a", "b"))
    new, envelope = said("b", longer, trust=1)
    assert neighbourhood(chain(("a",))).validate(new.public, envelope) is Verdict.DUPLICATE
    assert neighbourhood(longer).validate(new.public, envelope) is Verdict.ACCEPT


def test_a_curator_that_has_not_heard_of_its_end_does_not_misbehave_and_is_not_believed() -> None:
    here = neighbourhood(chain(("a", "b"), ("a",)))
    former, envelope = said("b", chain(("a", "b")))
    assert here.validate(former.public, envelope) is Verdict.DUPLICATE


def test_there_is_an_answer_to_whatever_is_said_of_an_envelope() -> None:
    assert set(_VERDICTS) == set(Screening)


def delivered(here: Neighbourhood, author: str, between: Callable[[], None] = lambda: None) -> None:
    """Hand three pieces of four bytes over; ``between`` is called after the second one."""

    async def pieces() -> AsyncIterator[bytes]:
        yield b"1111"
        yield b"2222"
        between()
        yield b"3333"

    trio.run(here.take_delivery, peer_id(key_of(author).public), pieces())


def test_a_delivery_is_taken_from_curators_alone_and_for_as_long_as_they_are_some() -> None:
    taken: list[bytes] = []

    async def take(pieces: AsyncIterator[bytes]) -> None:
        taken.extend([piece async for piece in pieces])

    known = chain(("a", "b"))
    member = member_of(known)
    here, adopt = neighbourhood(known, member, take_blocks=take), member.adopt
    delivered(here, "b")
    assert taken == [b"1111", b"2222", b"3333"]
    with pytest.raises(NotAllowed, match="Only curators"):
        delivered(here, "c")
    with pytest.raises(NotAllowed, match="Only curators"):
        delivered(here, "b", lambda: adopt(chain(("a", "b"), ("a",))))
    assert len(taken) == 3
    with pytest.raises(NotAllowed, match="fetches by itself"):
        delivered(neighbourhood(known), "a")


def test_no_more_is_taken_than_the_node_has_room_for() -> None:
    taken: list[bytes] = []

    async def take(pieces: AsyncIterator[bytes]) -> None:
        async for piece in pieces:
            taken.append(piece)

    rooms = iter([12, 11, None])
    here = neighbourhood(chain(("a",)), take_blocks=take, room=lambda: next(rooms))
    delivered(here, "a")
    with pytest.raises(NoRoom, match="room for 11 bytes more"):
        delivered(here, "a")
    assert taken == [b"1111", b"2222", b"3333", b"1111", b"2222"]
    delivered(here, "a")


class Raw:
    """A stream in memory, by the names that libp2p's have."""

    muxed_stream = None

    def __init__(self, stream: trio.StapledStream[trio.abc.SendStream, trio.abc.ReceiveStream]) -> None:
        self._stream = stream

    async def read(self, most: int) -> bytes:
        return bytes(await self._stream.receive_some(most))

    async def write(self, data: bytes) -> None:
        await self._stream.send_all(data)

    async def reset(self) -> None:
        await self._stream.aclose()


def test_the_proof_of_a_fork_goes_from_one_to_the_other() -> None:
    """Both stand on one branch, and one of them saw the other branch."""
    known = chain(("a",))
    here, there = member_of(known), member_of(known)
    author = Author(key_of("a"), known.cluster_id, shard_bits=known.genesis.shard_bits)
    common = author.sign(put(cid(1)))
    twin = author.copy()
    left, right = author.sign(put(cid(2))), twin.sign(put(cid(3)))
    for member, seen in ((here, (common, left, right)), (there, (common, left))):
        for forged in seen:
            assert member.replica.receive(forged.sealed).fault is None
            finish(member.replica.apply())
    assert here.proven() == {author.session: 2} and here.standing() == there.standing()
    told = trio.Event()

    def wake() -> None:
        finish(there.replica.apply())
        if there.proven():
            told.set()

    async def main() -> None:
        one, other = trio.testing.memory_stream_pair()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(neighbourhood(known, here).serve_sync, "there", FrameStream("there", Raw(one)), True)
            second = neighbourhood(known, there, wake)
            nursery.start_soon(second.serve_sync, "here", FrameStream("here", Raw(other)), False)
            with trio.fail_after(30):
                await told.wait()
            nursery.cancel_scope.cancel()

    trio.run(main)
    assert list(there.replica.stopped) == [author.session] and there.proof(author.session) == here.proof(author.session)
