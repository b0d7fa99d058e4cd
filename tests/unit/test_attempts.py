"""What an attempt does without asking the node; the rest is in tests/contract/test_pinner.py."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import trio
import trio.testing

from pincrew.attempts import Attempts
from pincrew.bookkeeper import Bookkeeper, Work
from pincrew.kubo_rpc import KuboRpc
from pincrew.node_address import parse_address
from pincrew.node_watch import NodeWatch
from pincrew.room import Room
from pincrew.selection import Selection
from pincrew.tracker import Progress
from pincrew.values import PinState
from pincrew.workplace import Workplace
from support.memory_book import MemoryBook
from support.pinner_bench import CLUSTER, OWN, START_MS, cid_of, ownership_at, pin_of


def attempting(tmp_path: Path, test: Callable[[Attempts, Bookkeeper, MemoryBook], Awaitable[None]]) -> None:
    """Attempts on a node that nobody has looked for yet."""

    async def main() -> None:
        book = MemoryBook()
        keeper = Bookkeeper(
            book,
            room := Room(),
            now_ms=lambda: START_MS,
            on_event=lambda _kind, _fields: None,
            on_written=lambda _queued, _leaving: None,
        )
        node = KuboRpc(parse_address("http://127.0.0.1:9"))
        watch = NodeWatch(node, now_ms=lambda: START_MS, luck=random.Random(1))
        async with ownership_at(tmp_path / "holdings.db") as ownership, trio.open_nursery() as nursery:
            nursery.start_soon(keeper.run)
            place = Workplace(
                CLUSTER,
                keeper,
                node,
                watch,
                ownership,
                lambda: START_MS,
                lambda _kind, _fields: None,
                Selection(),
                room,
            )
            with trio.fail_after(20):
                await test(
                    Attempts(place, own_peer_id=OWN, luck=random.Random(1), no_progress_timeout_s=1.0), keeper, book
                )
            nursery.cancel_scope.cancel()

    trio.run(main)


def test_a_pin_that_names_others_by_now_is_not_fetched(tmp_path: Path) -> None:
    async def test(attempts: Attempts, keeper: Bookkeeper, book: MemoryBook) -> None:
        pin = pin_of(1, allocations=("12D3KooWOther",))
        book.put(pin)
        work = Work(pin.cid, pin, Progress(PinState.QUEUED), START_MS)
        keeper.begin(work)
        await attempts.make(work, pin)
        assert work.finished.is_set()
        while keeper.busy:  # noqa: ASYNC110 (made empty by a thread)
            await trio.sleep(0.001)
        assert book.state(cid_of(1)) is PinState.REMOTE

    attempting(tmp_path, test)


def test_given_up_while_the_node_is_away_it_is_queued_as_it_was(tmp_path: Path) -> None:
    async def test(attempts: Attempts, keeper: Bookkeeper, book: MemoryBook) -> None:
        book.put(pin_of(1))
        work = Work(cid_of(1), pin_of(1), Progress(PinState.ERROR, tries=3), START_MS)
        keeper.begin(work)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(attempts.make, work, pin_of(1))
            await trio.testing.wait_all_tasks_blocked()
            work.scope.cancel()
        assert work.progress.tries == 3
        assert attempts.arrivals is None

    attempting(tmp_path, test)
