"""Blocks for readers, with an exchange that a script plays."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from pincrew.errors import NoRoom
from pincrew.node.bitswap.session import UnfitBlock
from pincrew.node.reader import Reader
from support.dags import leaf

ONE, TWO = leaf("one").root, leaf("two").root


class Script:
    """Sessions that deliver, or raise, what ``told`` is given."""

    def __init__(self, *rooms: bool) -> None:
        self.wanted: list[bytes] = []
        self.cancelled: list[bytes] = []
        self.rooms = list(rooms)
        self.told, self._heard = trio.open_memory_channel[tuple[bytes, bytes] | Exception](10)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Script]:
        yield self

    def want(self, cids: Iterable[bytes]) -> None:
        self.wanted += cids

    def cancel(self, cids: Iterable[bytes]) -> None:
        self.cancelled += cids

    async def receive(self) -> tuple[bytes, bytes]:
        said = await self._heard.receive()
        if isinstance(said, Exception):
            raise said
        return said

    async def make_room(self) -> bool:
        return self.rooms.pop(0)


def test_several_who_read_one_block_share_one_want_that_ends_with_the_last() -> None:
    async def main() -> None:
        script = Script()
        reader = Reader(script.session, script.make_room)  # type: ignore[arg-type]
        async with trio.open_nursery() as nursery:
            await nursery.start(reader.run)
            await trio.testing.wait_all_tasks_blocked()
            async with trio.open_nursery() as readers:
                for _ in range(3):
                    readers.start_soon(reader.get, ONE)
                await trio.testing.wait_all_tasks_blocked()
                script.told.send_nowait((ONE, b"one"))
            assert script.wanted == [ONE] and script.cancelled == []
            with trio.move_on_after(0):
                await reader.get(TWO)
            assert script.cancelled == [TWO]
            nursery.cancel_scope.cancel()

    trio.run(main)


def test_a_block_that_cannot_be_had_fails_its_reader_alone() -> None:
    async def main() -> None:
        script = Script()
        reader = Reader(script.session, script.make_room)  # type: ignore[arg-type]
        async with trio.open_nursery() as nursery:
            await nursery.start(reader.run)
            script.told.send_nowait(UnfitBlock(ONE, 3_000_000))
            nursery.start_soon(_gets, reader, TWO, b"two")
            with pytest.raises(UnfitBlock):
                await reader.get(ONE)
            script.told.send_nowait((TWO, b"two"))
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()

    trio.run(main)


def test_where_there_is_no_room_garbage_goes_and_reading_goes_on() -> None:
    async def main() -> None:
        script = Script(True, False)
        reader = Reader(script.session, script.make_room)  # type: ignore[arg-type]
        async with trio.open_nursery() as nursery:
            await nursery.start(reader.run)
            script.told.send_nowait(NoRoom())
            script.told.send_nowait((ONE, b"one"))
            assert await reader.get(ONE) == b"one"
            assert script.wanted == [ONE, ONE], "in the next session it is wanted again"
            script.told.send_nowait(NoRoom())
            with pytest.raises(NoRoom):
                await reader.get(TWO)
            nursery.cancel_scope.cancel()

    trio.run(main)


async def _gets(reader: Reader, cid: bytes, data: bytes) -> None:
    assert await reader.get(cid) == data
