"""What a walk sees: blocks of the store, of the identity hash, and the store's failures."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from pincrew import limits
from pincrew.errors import Malformed, StoreFault
from support.bitswap_nodes import DictStore, running_node

pytestmark = pytest.mark.slow


def test_blocks_of_the_store_are_read_as_they_are_taken() -> None:
    class Counting(DictStore):
        read = 0

        async def get_many(self, multihashes):  # type: ignore[no-untyped-def]
            self.read += len(multihashes)
            return await super().get_many(multihashes)

    async def main() -> None:
        async with running_node(1) as node:
            store = node.store = Counting()
            node.exchange._store = store
            cids = [store.hold(number.to_bytes(4) * 64 * 1024) for number in range(40)]
            async with node.exchange.session() as session:
                session.want(cids)
                got = [await session.receive()]
                assert store.read <= limits.BITSWAP_LOCAL_READ_BYTES_MAX // (256 * 1024)
                got += [await session.receive() for _ in range(39)]
            assert [cid for cid, _ in got] == cids

    trio.run(main)


def test_what_has_come_is_taken_together_within_a_bound() -> None:
    async def main() -> None:
        async with running_node(1) as node:
            cids = [node.store.hold(number.to_bytes(4) * 250) for number in range(10)]
            async with node.exchange.session() as session:
                session.want(cids)
                some = await session.receive_some(bytes_max=4_500)
                rest = await session.receive_some(bytes_max=1_000_000)
            assert [len(some), len(rest)] == [4, 6]
            assert [cid for cid, _ in some + rest] == cids

    trio.run(main)


def test_a_cid_that_holds_its_data_needs_nobody() -> None:
    async def main() -> None:
        async with running_node(1) as node:
            assert await node.exchange.fetch(b"\x01\x55\x00\x05hello") == b"hello"
            assert node.sought == []

    trio.run(main)


def test_a_cid_that_nobody_can_have_is_refused() -> None:
    async def main() -> None:
        async with running_node(1) as node, node.exchange.session() as session:
            with pytest.raises(Malformed):
                session.want([b"\x01\x55\x22\x08" + bytes(8)])

    trio.run(main)


def test_a_read_that_was_cancelled_loses_nothing() -> None:
    async def main() -> None:
        async with running_node(1) as node:
            cid = node.store.hold(b"here")
            async with node.exchange.session() as session:
                session.want([cid])
                await trio.testing.wait_all_tasks_blocked()
                with trio.CancelScope() as scope:
                    scope.cancel()
                    await session.receive()
                assert await session.receive() == (cid, b"here")

    trio.run(main)


def test_a_store_that_cannot_be_asked_is_told_to_the_walk() -> None:
    class Broken(DictStore):
        async def has_many(self, multihashes):  # type: ignore[no-untyped-def]
            raise StoreFault

    async def main() -> None:
        async with running_node(1) as node:
            node.exchange._store = Broken()
            with pytest.raises(StoreFault):
                await node.exchange.fetch(b"\x01\x55\x12\x20" + bytes(32))

    trio.run(main)
