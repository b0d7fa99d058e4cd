"""Two and three of our own nodes over real connections; what only Kubo can show is in tests/contract."""

from __future__ import annotations

import hashlib
from random import Random

import pytest
import trio
import trio.testing

from pincrew import limits
from pincrew.errors import StoreFault
from pincrew.network.streams import length_prefix
from pincrew.node.bitswap.message import PROTOCOLS, Block, Message, Want, encode
from pincrew.node.bitswap.session import UnfitBlock
from pincrew.node.multihash import multihash_of
from support.bitswap_nodes import BitswapNode, running_node, walk

pytestmark = pytest.mark.slow

TIMEOUT_S = 30.0
RAW = b"\x01\x55\x12\x20"


async def until(condition: object) -> None:
    """Wait for a condition that other tasks bring about."""
    assert callable(condition)
    while not condition():  # noqa: ASYNC110 (what is waited for has no event of its own)
        await trio.sleep(0.005)


async def speaking(*nodes: BitswapNode) -> None:
    """Connect the first node with all others and wait until they speak Bitswap both ways."""
    first, *others = nodes
    for other in others:
        await first.host.connect(other.address)
    await until(lambda: len(first.exchange.partners) == len(others))
    await until(lambda: all(other.exchange.partners for other in others))


def test_blocks_travel_both_ways_over_one_connection() -> None:
    random = Random(1)

    async def main() -> None:
        async with running_node(1) as one, running_node(2) as two:
            here = [one.store.hold(random.randbytes(size)) for size in (10, 70_000, 2 * 1024 * 1024)]
            there = [two.store.hold(random.randbytes(size)) for size in (11, 70_001, 300_000)]
            await speaking(one, two)
            for node, cids in ((one, there), (two, here)):
                async with node.exchange.session() as session:
                    assert len(await walk(session, cids)) == 3
            assert one.store.blocks == two.store.blocks
            assert one.exchange.counts.blocks_sent == two.exchange.counts.blocks_received == 3
            assert one.exchange.counts.duplicate_blocks_received == 0

    trio.run(_within, main)


def test_a_crowd_of_small_blocks_comes_from_two_peers_without_duplicates() -> None:
    async def main() -> None:
        async with running_node(1) as one, running_node(2) as two, running_node(3) as three:
            cids = [node.store.hold(number.to_bytes(300)) for number in range(2_000) for node in (two, three)][::2]
            await speaking(one, two, three)
            async with one.exchange.session() as session:
                await walk(session, cids[:1])
                await walk(session, cids)
            assert len(one.store.blocks) == 2_000
            # The first is asked of both, and so small that both answer with the block itself.
            assert one.exchange.counts.duplicate_blocks_received <= 1
            assert min(node.exchange.counts.blocks_sent for node in (two, three)) > 200

    trio.run(_within, main)


def test_a_session_hears_who_sends_its_blocks_and_of_no_others() -> None:
    async def main() -> None:
        async with running_node(1) as one, running_node(2) as two, running_node(3) as three:
            theirs = {node.peer: node.store.hold(node.peer.encode() * 100) for node in (two, three)}
            local = one.store.hold(bytes(9_000))
            await speaking(one, two, three)
            heard: list[str] = []
            async with one.exchange.session(sent_by=heard.append) as session:
                await walk(session, [local, theirs[two.peer]])
                assert set(heard) == {two.peer}
                async with one.exchange.session() as other:
                    await walk(other, [theirs[three.peer]])
                assert set(heard) == {two.peer}, "another session's, and what was here, came from nobody"

    trio.run(_within, main)


def test_a_block_that_comes_later_reaches_who_waits() -> None:
    async def main() -> None:
        async with running_node(1) as one, running_node(2) as two:
            await speaking(one, two)
            data = bytes(5_000)
            cid = RAW + hashlib.sha256(data).digest()
            async with one.exchange.session() as session:
                session.want([cid])
                await until(lambda: two.exchange.wantlist_of(one.peer) == [cid])
                two.store.hold(data)
                two.exchange.have_now(multihash_of(cid), len(data))
                assert await session.receive() == (cid, data)

    trio.run(_within, main)


def test_a_silent_node_serves_nobody_and_then_those_who_waited() -> None:
    async def main() -> None:
        async with running_node(1) as one, running_node(2) as two:
            await speaking(one, two)
            cid = two.store.hold(b"x" * 5_000)
            two.exchange.be_silent(3_600)
            async with one.exchange.session() as session:
                session.want([cid])
                await until(lambda: two.exchange.wantlist_of(one.peer) == [cid])
                with trio.move_on_after(0.2) as waited:
                    await session.receive()
                assert waited.cancelled_caught and two.exchange.counts.blocks_sent == 0
                two.exchange.be_silent(0.1)
                assert (await session.receive())[0] == cid, "by itself, once the time is over"
            two.exchange.be_silent(3_600)
            other = two.store.hold(b"y" * 5_000)
            async with one.exchange.session() as session:
                session.want([other])
                await until(lambda: two.exchange.wantlist_of(one.peer) == [other])
                two.exchange.be_silent(0)
                assert (await session.receive())[0] == other

    trio.run(_within, main)


def test_a_walk_that_ends_leaves_no_wants_behind() -> None:
    async def main() -> None:
        async with running_node(1) as one, running_node(2) as two:
            await speaking(one, two)
            async with one.exchange.session() as session:
                session.want([RAW + bytes([number]) * 32 for number in range(20)])
                await until(lambda: len(two.exchange.wantlist_of(one.peer)) == 20)
            await until(lambda: two.exchange.wantlist_of(one.peer) == [])
            assert one.exchange.wantlist() == []

    trio.run(_within, main)


def test_providers_are_sought_for_what_nobody_has_and_used_when_they_come() -> None:
    async def main() -> None:
        async with running_node(1) as one, running_node(2) as two:
            cid = two.store.hold(b"x" * 2_000)
            with trio.fail_after(limits.BITSWAP_SEARCH_DELAY_S_MIN + TIMEOUT_S):
                async with one.exchange.session() as session:
                    session.want([cid])
                    await until(lambda: one.sought == [cid])
                    await one.host.connect(two.address)
                    assert (await session.receive())[0] == cid

    trio.run(_within, main)


@pytest.mark.parametrize("wants_all", [True, False])
def test_a_search_ends_with_the_session_that_asked_for_it(wants_all: bool) -> None:
    async def main() -> None:
        async with running_node(1) as one:
            one.search_ends = trio.Event()
            cid = RAW + bytes(32)
            async with one.exchange.session(wants_all=wants_all) as session:
                session.want([cid])
                await until(lambda: one.searches == [wants_all])
            await until(lambda: not one.searches)
            # Whoever wants it next has a search of his own.
            async with one.exchange.session() as session:
                session.want([cid])
                await until(lambda: one.searches == [False])
            await until(lambda: not one.searches)

    trio.run(_within, main)


def test_a_search_for_a_block_alone_goes_on_while_others_wait_for_it() -> None:
    async def main() -> None:
        async with running_node(1) as one:
            one.search_ends = trio.Event()
            cid = RAW + bytes(32)
            async with one.exchange.session() as reading:
                async with one.exchange.session() as session:
                    session.want([cid])
                    await until(lambda: one.searches == [False])
                    reading.want([cid])
                await trio.testing.wait_all_tasks_blocked()
                assert one.searches == [False] and one.sought == [cid]
                reading.cancel([cid])
                await until(lambda: not one.searches)

    trio.run(_within, main)


def test_a_search_for_all_below_a_block_goes_on_when_the_block_came() -> None:
    async def main() -> None:
        async with running_node(1) as one:
            one.search_ends = trio.Event()
            data = bytes(5_000)
            cid = RAW + hashlib.sha256(data).digest()
            async with one.exchange.session(wants_all=True) as session:
                session.want([cid])
                await until(lambda: one.searches)
                one.store.hold(data)
                one.exchange.have_now(multihash_of(cid), len(data))
                assert await session.receive() == (cid, data)
                await trio.testing.wait_all_tasks_blocked()
                assert one.searches == [True]
            await until(lambda: not one.searches)

    trio.run(_within, main)


def test_a_full_store_is_told_to_who_waits_and_to_nobody_else() -> None:
    async def main() -> None:
        async with running_node(1) as one, running_node(2) as two:
            cid = two.store.hold(bytes(3_000))
            await speaking(one, two)
            one.store.failure = StoreFault("full")
            with pytest.raises(StoreFault):
                await one.exchange.fetch(cid)
            one.store.failure = None
            assert await one.exchange.fetch(cid) == bytes(3_000)

    trio.run(_within, main)


def test_what_is_pushed_unasked_is_dropped_and_ends_the_connection() -> None:
    async def main() -> None:
        async with running_node(1) as one, running_node(2) as two:
            await speaking(one, two)
            _, raw = await two.host.new_stream(one.peer, PROTOCOLS)
            message = encode(Message(blocks=[Block(RAW, Random(3).randbytes(1024 * 1024))]))
            with pytest.raises(Exception):  # noqa: B017 (the connection ends somewhere in one of the writes)
                for _ in range(4 * limits.BITSWAP_UNSOLICITED_BYTES_MAX // len(message)):
                    await raw.write(length_prefix(len(message)) + message)
                    await trio.sleep(0.01)
            await until(lambda: not one.host.is_connected(two.peer))
            assert one.store.blocks == {}

    trio.run(_within, main)


@pytest.mark.parametrize("nonsense", [b"\x03\xff\xff\xff", b"\xff" * 20, encode(Message(wants=[Want(b"no cid")]))])
def test_who_sends_nonsense_is_disconnected(nonsense: bytes) -> None:
    async def main() -> None:
        async with running_node(1) as one, running_node(2) as two, running_node(3) as three:
            cid = three.store.hold(bytes(3_000))
            await speaking(one, three)
            await speaking(one, two)
            _, raw = await two.host.new_stream(one.peer, PROTOCOLS)
            await raw.write(nonsense if nonsense[0] != 0x0A else length_prefix(len(nonsense)) + nonsense)
            await until(lambda: not one.host.is_connected(two.peer))
            assert await one.exchange.fetch(cid) == bytes(3_000)

    trio.run(_within, main)


def test_a_block_larger_than_any_fails_alone_and_is_not_kept() -> None:
    async def main() -> None:
        async with running_node(1) as one, running_node(2) as two:
            large, small = two.store.hold(bytes(limits.BLOCK_BYTES_MAX + 1)), two.store.hold(bytes(3_000))
            await speaking(one, two)
            async with one.exchange.session() as session:
                session.want([large])
                with pytest.raises(UnfitBlock, match="larger"):
                    await session.receive()
                session.want([small])
                assert await session.receive() == (small, bytes(3_000))
            assert list(one.store.blocks.values()) == [bytes(3_000)]

    trio.run(_within, main)


def test_our_stream_is_opened_again_when_the_other_side_resets_it() -> None:
    async def main() -> None:
        async with running_node(1) as one, running_node(2) as two:
            cid = two.store.hold(bytes(3_000))
            await speaking(one, two)
            for connection in two.host._host.get_network().get_connections():
                for stream in connection.get_streams():
                    await stream.reset()
            assert await one.exchange.fetch(cid) == bytes(3_000)

    trio.run(_within, main)


async def _within(main: object) -> None:
    assert callable(main)
    with trio.fail_after(TIMEOUT_S):
        await main()
