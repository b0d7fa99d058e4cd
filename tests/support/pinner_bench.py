"""A pinner at work in a test: book, node and clock in the test's hands, and waiting for conditions, never for time."""

from __future__ import annotations

import hashlib
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trio

from pincrew.holdings import Holdings
from pincrew.node_client import Node
from pincrew.ownership import Ownership
from pincrew.pinner import Pinner, PinnerRules
from pincrew.removals import RemovalsRules
from pincrew.room import Room
from pincrew.selection import Selection
from pincrew.values import Pin, PinState
from support.memory_book import MemoryBook

OWN = "12D3KooWOwn"
CLUSTER = bytes(range(32))
# A clock that stands still unless a test moves it: 2026-01-01.
START_MS = 1_767_225_600_000
RULES = PinnerRules(reconcile_delay_s=0.0, removals=RemovalsRules())
PATIENCE_S = 60.0


def cid_of(number: int) -> bytes:
    return bytes.fromhex("01551220") + hashlib.sha256(b"%d" % number).digest()


def pin_of(number: int, **options: Any) -> Pin:
    return Pin(cid_of(number), name=f"pin {number}", added_ms=number, **options)


@dataclass
class Bench:
    """One cluster's pinner. ``events`` are (kind, fields) in order."""

    pinner: Pinner
    book: MemoryBook
    clock: list[int]
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def put(self, *pins: Pin) -> None:
        self.book.put(*pins)
        self.pinner.changed()

    def remove(self, *cids: bytes) -> None:
        self.book.remove(*cids)
        self.pinner.changed()

    def later(self, hours: float) -> None:
        """Move the clock, and wake what looks at it."""
        self.clock[0] += int(hours * 3_600_000)
        self.book.now_ms = self.clock[0]
        self.pinner.wake()

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.events]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return when something that the pinner did made ``condition`` true."""
        with trio.fail_after(PATIENCE_S):
            while not condition():  # noqa: ASYNC110 (made true by any of a dozen tasks and threads)
                await trio.sleep(0.002)

    async def until_state(self, state: PinState | None, *cids: bytes) -> None:
        await self.until(lambda: all(self.book.state(cid) is state for cid in cids))


@asynccontextmanager
async def pinner_at_work(
    node: Node,
    ownership: Ownership,
    *,
    book: Any = None,
    cluster: bytes = CLUSTER,
    rules: PinnerRules = RULES,
    clock: list[int] | None = None,
    selection: Selection | None = None,
    room: Room | None = None,
) -> AsyncIterator[Bench]:
    clock = clock or [START_MS]
    book = MemoryBook() if book is None else book
    book.now_ms = clock[0]
    events: list[tuple[str, dict[str, Any]]] = []
    pinner = Pinner(
        book=book,
        node=node,
        ownership=ownership,
        cluster=cluster,
        own_peer_id=OWN,
        now_ms=lambda: clock[0],
        luck=random.Random(7),
        on_event=lambda kind, fields: events.append((kind, fields)),
        rules=rules,
        selection=selection,
        room=room,
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(pinner.run)
        yield Bench(pinner, book, clock, events)
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def ownership_at(path: Path) -> AsyncIterator[Ownership]:
    holdings = Holdings(path)
    try:
        yield Ownership(holdings)
    finally:
        holdings.close()
