"""When the node that a cluster moves away from may let go; the whole of a move is in tests/e2e."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from contract.test_book import SqliteBook, cid_of, pin_of, settled
from pincrew import moving
from pincrew.holdings import Holdings, pin_name
from pincrew.kubo_rpc import KuboRpc
from pincrew.moving import Moving
from pincrew.node_address import parse_address
from pincrew.ownership import Ownership
from pincrew.values import PinState
from support.fake_node import FakeKubo

CLUSTER = b"c" * 32


class Move:
    """Two fake nodes; three pins of ours are on the old one, all on the list."""

    def __init__(self, folder: Path) -> None:
        self.old, self.new = FakeKubo(peer_id="old"), FakeKubo(peer_id="new")
        self.book = SqliteBook()
        self.book.save_node_id("new")
        self.holdings = Holdings(folder / "holdings.db")
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.forgotten = trio.Event()
        self.book.put(*(pin_of(n) for n in range(3)))
        for n in range(3):
            self.old.pins[cid_of(n)] = ("recursive", pin_name(CLUSTER))
            self.holdings.claim("old", cid_of(n), CLUSTER, was_pinned_before=False, name=None)

    def settle(self, state: PinState, *numbers: int) -> None:
        self.book.settle([settled(number, state) for number in numbers], None)

    @asynccontextmanager
    async def under_way(self) -> AsyncIterator[None]:
        async with (
            self.old.served(),
            self.new.served(),
            KuboRpc(parse_address(self.old.url)) as old,
            KuboRpc(parse_address(self.new.url)) as new,
            trio.open_nursery() as nursery,
        ):
            self.work = Moving(
                [old],
                node=new,
                up=new.id,
                ownership=Ownership(self.holdings),
                cluster=CLUSTER,
                statuses=self.book,
                on_event=lambda kind, fields: self.events.append((kind, fields)),
                forget=lambda: trio.from_thread.run_sync(self.forgotten.set),
            )
            nursery.start_soon(self.work.run)
            yield
            nursery.cancel_scope.cancel()


def moves(folder: Path, test: Callable[[Move], Awaitable[None]]) -> None:
    async def main() -> None:
        with trio.fail_after(20):
            move = Move(folder)
            try:
                await test(move)
            finally:
                move.holdings.close()

    trio.run(main)


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "MOVE_INTERVAL_S", 0.02)


async def looked_again(fake: FakeKubo) -> None:
    """Return when the node was asked twice more, so that a whole look lies in between."""
    count = fake.asked("id")
    await fake.until(lambda: fake.asked("id") >= count + 2)


@pytest.mark.parametrize("lacking", [PinState.QUEUED, PinState.ERROR, PinState.SKIPPED])
def test_it_lets_go_once_all_is_on_the_new_one_and_not_before(tmp_path: Path, lacking: PinState) -> None:
    async def test(move: Move) -> None:
        move.settle(PinState.PINNED, 0, 1)
        move.settle(lacking, 2)
        async with move.under_way():
            await looked_again(move.old)
            assert len(move.old.pins) == 3
            move.settle(PinState.PINNED, 2)
            await move.forgotten.wait()
        assert move.old.pins == {} and move.holdings.count(CLUSTER) == 0
        assert move.events == [("node_left", {"address": move.old.url, "unpinned": 3, "kept": 0})]

    moves(tmp_path, test)


def test_what_was_removed_so_lately_that_it_is_kept_is_waited_for(tmp_path: Path) -> None:
    async def test(move: Move) -> None:
        move.settle(PinState.PINNED, 0, 1, 2)
        move.book.remove(cid_of(2))
        change = move.book.changes(10)[-1].change
        move.book.settle([settled(2, PinState.UNPINNING, leaving_ms=1)], change)
        async with move.under_way():
            await looked_again(move.old)
            assert len(move.old.pins) == 3
            move.book.settle([settled(2, None)], None)
            await move.forgotten.wait()
        assert move.old.pins == {}

    moves(tmp_path, test)


@pytest.mark.parametrize("known", ["a node whose repository is gone", "old", "", None])
def test_what_is_said_of_another_node_is_not_on_the_new_one(tmp_path: Path, known: str | None) -> None:
    async def test(move: Move) -> None:
        move.settle(PinState.PINNED, 0, 1, 2)
        move.book.save_node_id(known)
        async with move.under_way():
            await looked_again(move.old)
            assert len(move.old.pins) == 3
            move.book.save_node_id("new")
            await move.forgotten.wait()
        assert move.old.pins == {}

    moves(tmp_path, test)


def test_a_book_that_changes_hands_during_the_look_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(move: Move) -> None:
        move.settle(PinState.PINNED, 0, 1, 2)
        is_any_lacking = move.book.is_any_lacking

        def lacking(cids: Sequence[bytes]) -> bool:
            move.book.save_node_id("a third")
            return is_any_lacking(cids)

        monkeypatch.setattr(move.book, "is_any_lacking", lacking)
        async with move.under_way():
            await looked_again(move.old)
        assert len(move.old.pins) == 3

    moves(tmp_path, test)


@pytest.mark.parametrize("changed", ["old", "new"])
def test_who_the_nodes_are_is_asked_again_before_anything_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    async def test(move: Move) -> None:
        move.settle(PinState.PINNED, 0, 1, 2)
        fake: FakeKubo = getattr(move, changed)
        is_any_lacking = move.book.is_any_lacking

        def lacking(cids: Sequence[bytes]) -> bool:
            fake.peer_id = "a third"
            return is_any_lacking(cids)

        monkeypatch.setattr(move.book, "is_any_lacking", lacking)
        async with move.under_way():
            await looked_again(move.old)
            await looked_again(move.new)
        assert len(move.old.pins) == 3

    moves(tmp_path, test)


def test_the_same_node_under_another_address_lets_nothing_go(tmp_path: Path) -> None:
    async def test(move: Move) -> None:
        move.new.peer_id = "old"
        async with move.under_way():
            await move.forgotten.wait()
        assert len(move.old.pins) == 3 and move.holdings.count(CLUSTER) == 3

    moves(tmp_path, test)


def test_what_its_user_pinned_stays(tmp_path: Path) -> None:
    async def test(move: Move) -> None:
        move.settle(PinState.PINNED, 0, 1, 2)
        move.old.pins[cid_of(1)] = ("recursive", "holiday")
        async with move.under_way():
            await move.forgotten.wait()
        assert move.old.pins == {cid_of(1): ("recursive", "holiday")}

    moves(tmp_path, test)
