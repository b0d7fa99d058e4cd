"""Adding content to a cluster: files become blocks here, and the blocks go to all who are to keep them, at once.

The same stream, a CAR, feeds this peer's node and those of other curators (`Network.hand_over`). The slowest of them
sets the pace, so that memory stays bounded; one that fails is left behind, and named. It is done when at least one has
every block, and the pin is durable; the others then fetch what they lack, as they do for every pin. Followers fetch by
themselves: nobody writes into a volunteer's node.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

import trio

from pincrew import limits
from pincrew.cid import parse_cid
from pincrew.errors import Malformed, Misuse, PincrewError, WorldFault
from pincrew.node import importing
from pincrew.node.car import CarReader, header_of, section_of
from pincrew.node.importing import Added, AddOptions, Entry, Progress
from pincrew.node.layout import Block
from pincrew.node.multihash import check_allowed

# A CAR names a root, and Kubo refuses one that names none; which it is is known only at the end. This block is empty.
_NO_ROOT = parse_cid("bafkqaaa")
Report = Callable[[Added | Progress], Awaitable[None]]
# Puts a CAR into the node of a peer.
Send = Callable[[str, AsyncIterator[bytes]], Awaitable[None]]


class NotStored(WorldFault):
    """No peer took the blocks that were added."""

    code = "not_stored"


@dataclass(eq=False)
class _Destination:
    peer: str
    pieces: trio.MemorySendChannel[bytes]
    fault: PincrewError | None = None
    ended: trio.Event = field(default_factory=trio.Event)


class Blocks:
    """Blocks on their way to all destinations."""

    def __init__(self, destinations: Sequence[_Destination]) -> None:
        self._all = destinations
        self._alive = list(destinations)

    async def begin(self) -> None:
        """Say that blocks come. Raises NotStored."""
        await self._send(header_of([_NO_ROOT]) + section_of(_NO_ROOT, b""))

    async def put_many(self, blocks: Sequence[Block]) -> None:
        """Hand on blocks. Raises NotStored once nobody takes any."""
        await self._send(b"".join([section_of(cid, data) for cid, data in blocks]))

    async def _send(self, piece: bytes) -> None:
        for one in list(self._alive):
            try:
                await one.pieces.send(piece)
            except trio.BrokenResourceError:
                self._alive.remove(one)
        if not self._alive:
            raise self._nobody()

    async def finish(self) -> None:
        """Return when every destination has taken all, or failed. Raises NotStored where no one has."""
        for one in self._all:
            one.pieces.close()
        for one in self._all:
            await one.ended.wait()
        if all(one.fault is not None for one in self._all):
            raise self._nobody()

    def failed(self) -> dict[str, str]:
        """Return who did not take all of it, and why."""
        return {one.peer: one.fault.said_of(one.peer) for one in self._all if one.fault is not None}

    def _nobody(self) -> NotStored:
        reasons = "; ".join(f"{peer}: {why}" for peer, why in self.failed().items())
        return NotStored("failed to put block on all destinations", where=reasons, means="Nothing was pinned")


class Sink(Protocol):
    """What takes the blocks that are made, and says at the end that they are stored. Raises NotStored."""

    async def put_many(self, blocks: Sequence[Block]) -> None: ...

    async def finish(self) -> None: ...


class Deliveries:
    """Deliveries one after another, each with destinations of its own."""

    def __init__(self, nursery: trio.Nursery, send: Send) -> None:
        self._nursery = nursery
        self._send = send

    async def begin(self, peers: Sequence[str]) -> Blocks:
        """Return what takes blocks for the nodes of ``peers``; call its ``finish``. Raises NotStored."""
        destinations = []
        for peer in peers:
            sender, receiver = trio.open_memory_channel[bytes](limits.DELIVERY_PIECES_WAITING_MAX)
            one = _Destination(peer, sender)
            destinations.append(one)
            self._nursery.start_soon(_deliver, one, receiver, self._send)
        blocks = Blocks(destinations)
        await blocks.begin()
        return blocks


@asynccontextmanager
async def delivering(peers: Sequence[str], send: Send) -> AsyncIterator[Blocks]:
    """Give what takes blocks for the nodes of ``peers``; call its ``finish``. Leaving early ends the deliveries."""
    async with deliveries(send) as some:
        yield await some.begin(peers)


@asynccontextmanager
async def deliveries(send: Send) -> AsyncIterator[Deliveries]:
    """Give what begins deliveries. Leaving early ends them."""
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        try:
            yield Deliveries(nursery, send)
        # Raised below: through the nursery it would arrive inside an exception group.
        except Exception as error:
            failure = error
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


async def _deliver(one: _Destination, pieces: trio.MemoryReceiveChannel[bytes], send: Send) -> None:
    try:
        await send(one.peer, pieces)
    except PincrewError as fault:
        one.fault = fault
    finally:
        pieces.close()  # only now: whoever then finds that nobody takes any more also finds why
        one.ended.set()


async def add_files(
    entries: AsyncIterator[Entry], options: AddOptions, blocks: Sink, report: Report
) -> tuple[Added, ...]:
    """Add files and folders; return what stands at the top once it is stored. Raises Misuse and NotStored."""
    roots = await importing.add(entries, options, blocks.put_many, report)
    await blocks.finish()
    return roots


@dataclass(frozen=True, slots=True)
class AddedCar:
    """A CAR that was added: its root, and the bytes of all its blocks."""

    root: bytes
    size: int


async def add_car(pieces: AsyncIterator[bytes], blocks: Sink) -> AddedCar:
    """Hand on the blocks of a CAR, checked one by one. Raises Misuse unless it is whole and names one root."""
    reader = CarReader()
    size = 0
    try:
        async for piece in pieces:
            some: list[Block] = []
            for cid, data in reader.feed(piece):
                check_allowed(cid)
                some.append((cid, data))
                size += len(data)
            if some:
                await blocks.put_many(some)
        reader.finish()
    except Malformed as error:
        raise Misuse(f"error reading the CAR: {error.what}") from error
    roots = reader.roots or ()
    if len(roots) != 1:
        raise Misuse(f"only CAR files with a single root are supported; this one has {len(roots)}")
    await blocks.finish()
    return AddedCar(roots[0], size)
