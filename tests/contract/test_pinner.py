"""The pinner against a node on the wire: the fake for what must be ordered, a real Kubo for what must be true."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

from pincrew.cid import cid_text, parse_cid
from pincrew.holdings import pin_name
from pincrew.kubo_process import KuboProcess
from pincrew.kubo_rpc import KuboRpc
from pincrew.node_address import parse_address
from pincrew.node_watch import NodeState
from pincrew.pinner import PinnerRules
from pincrew.removals import Decision, RemovalsRules
from pincrew.tracker import NO_PROVIDER, NO_ROOM, VANISHED, StatusUpdate
from pincrew.values import PinMode, PinState
from support.fake_node import FakeKubo, Orders
from support.memory_book import MemoryBook
from support.pinner_bench import (
    CLUSTER,
    OWN,
    RULES,
    START_MS,
    Bench,
    cid_of,
    ownership_at,
    pin_of,
    pinner_at_work,
)

OURS = pin_name(CLUSTER)
OTHER_CLUSTER = bytes(range(100, 132))
QUEUED, PINNING, PINNED, ERROR = PinState.QUEUED, PinState.PINNING, PinState.PINNED, PinState.ERROR
REMOTE, SKIPPED, UNPINNING = PinState.REMOTE, PinState.SKIPPED, PinState.UNPINNING
OBEY = replace(RULES, removals=RemovalsRules(obey=True))


def with_fake(
    tmp_path: Path,
    test: Callable[[FakeKubo, Bench], Awaitable[None]],
    *,
    rules: PinnerRules = RULES,
    book: MemoryBook | None = None,
    fake: FakeKubo | None = None,
) -> None:
    async def main() -> None:
        node = fake or FakeKubo()
        async with node.served(), work(node, tmp_path, rules=rules, book=book) as bench:
            await test(node, bench)

    trio.run(main)


@asynccontextmanager
async def work(
    fake: FakeKubo,
    tmp_path: Path,
    *,
    rules: PinnerRules = RULES,
    book: MemoryBook | None = None,
) -> AsyncIterator[Bench]:
    async with (
        KuboRpc(parse_address(fake.url), no_progress_timeout_s=0.3, request_timeout_s=5) as node,
        ownership_at(tmp_path / "holdings.db") as ownership,
        pinner_at_work(node, ownership, rules=rules, book=book) as bench,
    ):
        yield bench


# ---- pinning --------------------------------------------------------------------------------------------------------
def test_rows_become_pins_under_our_name(tmp_path: Path) -> None:
    async def test(fake: FakeKubo, bench: Bench) -> None:
        fake.orders[cid_of(1)] = Orders(blocks=7, bytes=700)
        bench.put(*(pin_of(n) for n in range(30)))
        await bench.until_state(PINNED, *map(cid_of, range(30)))
        assert fake.pins == {cid_of(n): ("recursive", OURS) for n in range(30)}
        assert bench.book.rows[cid_of(1)].size == 700
        assert bench.book.rows[cid_of(1)].status.blocks_done == 7
        assert fake.pinning_max <= 10
        assert bench.book.cursor == 30

    with_fake(tmp_path, test)


def test_a_direct_pin_is_pinned_directly_and_origins_are_connected(tmp_path: Path) -> None:
    async def test(fake: FakeKubo, bench: Bench) -> None:
        origin = "/ip4/127.0.0.1/tcp/4001/p2p/12D3KooWOrigin"
        fake.orders[cid_of(1)] = Orders(gate=(gate := trio.Event()))
        bench.put(pin_of(1, mode=PinMode.DIRECT, origins=(origin,)))
        await fake.until(lambda: fake.connected == [origin])
        gate.set()
        await bench.until_state(PINNED, cid_of(1))
        assert fake.pins[cid_of(1)] == ("direct", OURS)

    with_fake(tmp_path, test)


def test_pins_for_others_are_remote_and_never_fetched(tmp_path: Path) -> None:
    async def test(fake: FakeKubo, bench: Bench) -> None:
        bench.put(pin_of(1, allocations=("12D3KooWOther",)), pin_of(2, allocations=("12D3KooWOther", OWN)))
        await bench.until_state(REMOTE, cid_of(1))
        await bench.until_state(PINNED, cid_of(2))
        assert list(fake.pins) == [cid_of(2)]

    with_fake(tmp_path, test)


@pytest.mark.parametrize(
    ("orders", "cause"),
    [
        (Orders(blocks=5, stall_after=0), NO_PROVIDER),
        (Orders(blocks=5, stall_after=2), "no block arrived for 10 min"),
        (
            Orders(refuse="block bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4 is too large"),
            "IPFS said: block … is too large",
        ),
    ],
)
def test_failures_have_a_cause_a_count_and_a_next_try(tmp_path: Path, orders: Orders, cause: str) -> None:
    async def test(fake: FakeKubo, bench: Bench) -> None:
        fake.orders[cid_of(1)] = orders
        bench.put(pin_of(1), pin_of(2))
        await bench.until_state(ERROR, cid_of(1))
        await bench.until_state(PINNED, cid_of(2))
        status = bench.book.rows[cid_of(1)].status
        assert (status.cause, status.tries) == (cause, 1)
        assert status.next_try_ms is not None and 7_500 <= status.next_try_ms - START_MS <= 10_000

        del fake.orders[cid_of(1)]
        bench.later(hours=1)  # its time has come
        await bench.until_state(PINNED, cid_of(1))
        assert bench.book.rows[cid_of(1)].status.tries == 0

    with_fake(tmp_path, test)


def test_a_node_without_room_is_not_asked_again_before_something_has_gone(tmp_path: Path) -> None:
    async def test(fake: FakeKubo, bench: Bench) -> None:
        bench.put(pin_of(2))
        await bench.until_state(PINNED, cid_of(2))
        fake.orders[cid_of(1)] = Orders(blocks=5, error_after=2)
        bench.put(pin_of(1))
        await bench.until_state(SKIPPED, cid_of(1))
        status = bench.book.rows[cid_of(1)].status
        assert (status.cause, status.tries, status.next_try_ms) == (NO_ROOM, 0, None)
        asked = fake.asked("pin/add")
        bench.put(pin_of(3), pin_of(4))
        await bench.until_state(SKIPPED, cid_of(3), cid_of(4))
        assert fake.asked("pin/add") == asked

        del fake.orders[cid_of(1)]
        bench.remove(cid_of(2))
        await bench.until_state(PINNED, cid_of(1), cid_of(3), cid_of(4))

    with_fake(tmp_path, test, rules=OBEY)


def test_retry_tries_at_once_and_keeps_the_count(tmp_path: Path) -> None:
    async def test(fake: FakeKubo, bench: Bench) -> None:
        fake.orders[cid_of(1)] = Orders(refuse="no")
        bench.put(pin_of(1))
        await bench.until_state(ERROR, cid_of(1))
        assert await bench.pinner.retry(None) == 1
        await bench.until(lambda: bench.book.rows[cid_of(1)].status.tries == 2)

    with_fake(tmp_path, test)


def test_progress_is_recorded_and_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pincrew.bookkeeper.STATUS_DELAY_S_MAX", 0.01)  # well before the pin counts as stuck

    async def test(fake: FakeKubo, bench: Bench) -> None:
        gate = trio.Event()
        fake.orders[cid_of(1)] = Orders(blocks=4, bytes=400, gate=gate)
        bench.put(pin_of(1))
        await bench.until(lambda: [one.bytes for one in bench.pinner.summary().in_flight] == [300])
        arrivals = bench.pinner.summary().arrivals
        assert arrivals is not None and arrivals.bytes_per_s(trio.current_time()).short > 30
        await bench.until(lambda: bench.book.rows[cid_of(1)].status.blocks_done is not None)
        gate.set()
        await bench.until_state(PINNED, cid_of(1))
        assert bench.pinner.summary().in_flight == ()

    with_fake(tmp_path, test)


def test_a_removed_row_ends_its_pin_in_flight_and_holds_nothing(tmp_path: Path) -> None:
    async def test(fake: FakeKubo, bench: Bench) -> None:
        fake.orders[cid_of(1)] = Orders(stall_after=0)
        bench.put(pin_of(1))
        await fake.until(lambda: fake.pinning == 1)
        bench.remove(cid_of(1))
        await fake.until(lambda: fake.pinning == 0)
        await bench.until(lambda: bench.book.cursor == 2)
        assert bench.book.state(cid_of(1)) is None

    with_fake(tmp_path, test)


def test_a_row_rewritten_in_flight_goes_on_unless_its_mode_changed(tmp_path: Path) -> None:
    async def test(fake: FakeKubo, bench: Bench) -> None:
        gate = trio.Event()
        fake.orders[cid_of(1)] = Orders(gate=gate)
        bench.put(pin_of(1))
        await fake.until(lambda: fake.pinning == 1)
        bench.put(replace(pin_of(1), name="renamed"))
        await bench.until(lambda: bench.book.cursor == 2)
        bench.put(replace(pin_of(1), mode=PinMode.DIRECT))
        await bench.until(lambda: bench.book.cursor == 3)
        gate.set()
        await bench.until_state(PINNED, cid_of(1))
        assert fake.pins[cid_of(1)][0] == "direct"
        assert fake.asked("pin/add") == 2

    with_fake(tmp_path, test)


def test_a_full_disk_holds_statuses_back_and_loses_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pincrew.bookkeeper.STORE_RETRY_DELAY_S", 0.01)

    async def test(fake: FakeKubo, bench: Bench) -> None:
        bench.book.faults = 3
        bench.put(*(pin_of(n) for n in range(5)))
        await bench.until_state(PINNED, *map(cid_of, range(5)))
        assert "store_fault" in bench.kinds()

    with_fake(tmp_path, test)


# ---- the node comes and goes ----------------------------------------------------------------------------------------
def test_a_node_absent_at_start_is_a_state(tmp_path: Path) -> None:
    async def main() -> None:
        fake = FakeKubo()
        async with fake.served():
            pass  # to have a port that nobody listens on
        async with work(fake, tmp_path) as bench:
            bench.put(pin_of(1))
            bench.remove(cid_of(1))
            bench.put(pin_of(2))
            await bench.until(lambda: bench.pinner.summary().node.state is NodeState.DOWN)
            await bench.until(lambda: bench.book.cursor == 3)
            async with fake.served():
                bench.pinner.wake()
                await bench.until_state(PINNED, cid_of(2))
                assert bench.pinner.summary().node.state is NodeState.UP
        assert bench.kinds()[:2] == ["node_down", "node_up"]

    trio.run(main)


def test_a_node_lost_in_flight_is_no_attempt_and_heals(tmp_path: Path) -> None:
    async def main() -> None:
        fake = FakeKubo()
        fake.orders[cid_of(1)] = Orders(gate=trio.Event())
        async with trio.open_nursery() as nursery:
            async with fake.served():
                bench = await nursery.start(_keep_working, fake, tmp_path)
                bench.put(pin_of(1))
                await fake.until(lambda: fake.pinning == 1)
            await bench.until_state(QUEUED, cid_of(1))
            assert bench.book.rows[cid_of(1)].status.tries == 0
            fake.orders.clear()
            bench.pinner.connect_nodes(["/ip4/127.0.0.1/tcp/9/p2p/12D3KooWFriend"])
            async with fake.served():
                bench.pinner.wake()
                await bench.until_state(PINNED, cid_of(1))
                await bench.until(lambda: len(fake.connected) == 1)
                nursery.cancel_scope.cancel()

    trio.run(main)


async def _keep_working(
    fake: FakeKubo,
    tmp_path: Path,
    rules: PinnerRules = RULES,
    *,
    task_status: trio.TaskStatus[Bench] = trio.TASK_STATUS_IGNORED,
) -> None:
    async with work(fake, tmp_path, rules=rules) as bench:
        task_status.started(bench)
        await trio.sleep_forever()


def test_announced_nodes_are_connected_once_and_again_after_a_restart(tmp_path: Path) -> None:
    async def main() -> None:
        fake = FakeKubo()
        friends = [f"/ip4/127.0.0.1/tcp/9/p2p/12D3KooWFriend{n}" for n in range(60)]
        async with trio.open_nursery() as nursery:
            async with fake.served():
                bench = await nursery.start(_keep_working, fake, tmp_path)
                bench.pinner.connect_nodes(friends)
                await fake.until(lambda: len(fake.connected) == 50)
                bench.pinner.connect_nodes([*friends[:49], "/ip4/127.0.0.1/tcp/9/p2p/12D3KooWNew"])
                await fake.until(lambda: len(fake.connected) == 51)
            bench.pinner.wake()
            await bench.until(lambda: bench.pinner.summary().node.state is NodeState.DOWN)
            fake.connected.clear()
            async with fake.served():
                bench.pinner.wake()
                await fake.until(lambda: len(fake.connected) == 50)
                nursery.cancel_scope.cancel()

    trio.run(main)


def test_what_a_crash_left_in_flight_is_queued_again(tmp_path: Path) -> None:
    book = MemoryBook()
    book.put(pin_of(1))
    book.settle([StatusUpdate(cid_of(1), PINNING, tries=2)], 1)

    async def test(fake: FakeKubo, bench: Bench) -> None:
        await bench.until_state(PINNED, cid_of(1))
        assert book.settled[1] == StatusUpdate(cid_of(1), QUEUED, tries=2, updated_ms=START_MS)

    with_fake(tmp_path, test, book=book)


class RenamingKubo(FakeKubo):
    """Has no pin of what it is asked for until it has answered that once, as Kubo while it renames a pin."""

    async def _pin_ls(self, exchange: Any, arguments: dict[str, str]) -> None:
        await super()._pin_ls(exchange, arguments)
        if "arg" in arguments:
            self.pins[parse_cid(arguments["arg"])] = ("recursive", OURS)


def test_a_pin_that_is_just_given_another_name_has_not_vanished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pincrew.reconciling.RECONCILE_SECOND_LOOK_S", 0.0)
    book = MemoryBook()
    book.put(pin_of(1))
    book.settle([StatusUpdate(cid_of(1), PINNED)], 1)

    async def test(fake: FakeKubo, bench: Bench) -> None:
        looks = ("pin/ls", cid_text(cid_of(1)))
        await fake.until(lambda: [(command, given.get("arg")) for command, given in fake.requests].count(looks) == 2)
        bench.put(pin_of(2))
        await bench.until_state(PINNED, cid_of(2))  # behind whatever there was to say of the first
        assert not any(update.cause == VANISHED for update in book.settled)
        assert "unexpectedly_unpinned" not in bench.kinds()

    with_fake(tmp_path, test, book=book, fake=RenamingKubo())


@pytest.mark.parametrize("before", ["another node", "", None])
def test_where_another_node_answers_everything_is_pinned_there(tmp_path: Path, before: str | None) -> None:
    book = MemoryBook()
    book.put(*(pin_of(n) for n in range(3)))
    book.settle([StatusUpdate(cid_of(n), PINNED) for n in range(3)], 3)
    book.save_node_id(before)

    async def test(fake: FakeKubo, bench: Bench) -> None:
        await bench.until(lambda: book.node_id() == fake.peer_id)
        if before is not None:
            await bench.until(lambda: set(fake.pins) == {cid_of(n) for n in range(3)})
            await bench.until_state(PINNED, *map(cid_of, range(3)))
        assert ("node_changed" in bench.kinds()) is bool(before)

    with_fake(tmp_path, test, book=book, rules=replace(RULES, reconcile_delay_s=3_600.0))


def test_pins_that_vanished_from_the_node_are_pinned_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pincrew.reconciling.RECONCILE_SECOND_LOOK_S", 0.0)
    book = MemoryBook()
    book.put(*(pin_of(n) for n in range(3)))
    book.settle([StatusUpdate(cid_of(n), PINNED) for n in range(3)], 3)
    fake = FakeKubo(pins={cid_of(0): ("recursive", OURS), cid_of(1): ("recursive", "mine")})

    async def test(fake: FakeKubo, bench: Bench) -> None:
        await bench.until(lambda: cid_of(2) in fake.pins)
        await bench.until(lambda: ("unexpectedly_unpinned", {"pins": 1}) in bench.events)
        await bench.until_state(PINNED, *map(cid_of, range(3)))
        assert any(update.cause == VANISHED for update in book.settled)
        assert fake.asked("pin/add") == 1
        # The holdings were lost with everything else, and are put together again.
        bench.remove(cid_of(0), cid_of(1))
        await bench.until_state(None, cid_of(0), cid_of(1))
        assert fake.pins.keys() == {cid_of(1), cid_of(2)}

    with_fake(tmp_path, test, book=book, fake=fake, rules=OBEY)


# ---- whose it is ----------------------------------------------------------------------------------------------------
def test_the_users_own_pin_is_used_and_never_unpinned(tmp_path: Path) -> None:
    fake = FakeKubo(pins={cid_of(1): ("recursive", ""), cid_of(2): ("recursive", "holiday"), cid_of(3): ("direct", "")})

    async def test(fake: FakeKubo, bench: Bench) -> None:
        bench.put(*(pin_of(n) for n in (1, 2, 3, 4)))
        await bench.until_state(PINNED, *map(cid_of, (1, 2, 3, 4)))
        assert fake.asked("pin/add") == 2  # the direct one had to become recursive
        bench.remove(*map(cid_of, (1, 2, 3, 4)))
        await bench.until_state(None, *map(cid_of, (1, 2, 3, 4)))
        assert fake.pins.keys() == {cid_of(1), cid_of(2), cid_of(3)}
        assert fake.pins[cid_of(2)] == ("recursive", "holiday")

    with_fake(tmp_path, test, rules=OBEY, fake=fake)


def test_what_the_user_pinned_again_after_us_is_his(tmp_path: Path) -> None:
    async def test(fake: FakeKubo, bench: Bench) -> None:
        bench.put(pin_of(1))
        await bench.until_state(PINNED, cid_of(1))
        fake.pins[cid_of(1)] = ("recursive", "mine now")
        bench.remove(cid_of(1))
        await bench.until_state(None, cid_of(1))
        assert cid_of(1) in fake.pins
        assert ("unpinned", {"cid": bench.events[-1][1]["cid"], "outcome": "kept"}) == bench.events[-1]

    with_fake(tmp_path, test, rules=OBEY)


def test_two_clusters_share_a_cid(tmp_path: Path) -> None:
    async def main() -> None:
        fake = FakeKubo()
        async with (
            fake.served(),
            KuboRpc(parse_address(fake.url)) as node,
            ownership_at(tmp_path / "holdings.db") as ownership,
            pinner_at_work(node, ownership, rules=OBEY) as first,
            pinner_at_work(node, ownership, rules=OBEY, cluster=OTHER_CLUSTER) as second,
        ):
            first.put(pin_of(1))
            await first.until_state(PINNED, cid_of(1))
            second.put(pin_of(1))
            await second.until_state(PINNED, cid_of(1))
            assert fake.asked("pin/add") == 1
            first.remove(cid_of(1))
            await first.until_state(None, cid_of(1))
            assert fake.pins == {cid_of(1): ("recursive", OURS)}  # the second still holds it
            rest = await ownership.let_go_all(node, fake.peer_id, OTHER_CLUSTER)
            assert (rest.unpinned, rest.kept, rest.elsewhere) == (1, 0, 0)
            assert fake.pins == {}

    trio.run(main)


# ---- one listing instead of a question for each --------------------------------------------------------------------
def _questions(fake: FakeKubo) -> int:
    return sum(command == "pin/ls" and "arg" in arguments for command, arguments in fake.requests)


def test_many_new_pins_cost_no_question_each(tmp_path: Path) -> None:
    async def test(fake: FakeKubo, bench: Bench) -> None:
        bench.put(*(pin_of(n) for n in range(60)))
        await bench.until_state(PINNED, *_many(60))
        assert _questions(fake) <= 3  # only of what was alone when candidates were read
        bench.put(pin_of(60))
        await bench.until_state(PINNED, cid_of(60))
        assert ("pin/ls", cid_text(cid_of(60))) in [(command, given.get("arg")) for command, given in fake.requests]

    with_fake(tmp_path, test)


class CutShortKubo(FakeKubo):
    """Lists one pin that nobody wants, and then fails, or says nothing more."""

    is_silent = False

    async def _pin_ls(self, exchange: Any, arguments: dict[str, str]) -> None:
        if "arg" in arguments or arguments["type"] == "direct":
            await super()._pin_ls(exchange, arguments)
            return
        await exchange.begin(200)
        await exchange.line({"Cid": cid_text(cid_of(999)), "Type": "recursive"})
        if self.is_silent:
            await exchange.until_gone()
        else:
            await exchange.end("pinner closed")


@pytest.mark.parametrize("kind", ["whole", "fails", "silent", "too many"])
def test_whatever_a_listing_comes_to_the_users_stay_his_and_ours_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """The state file was lost: one of the pins there is ours by its name alone."""
    fake = FakeKubo() if kind in ("whole", "too many") else CutShortKubo()
    if isinstance(fake, CutShortKubo):
        fake.is_silent = kind == "silent"
        monkeypatch.setattr("pincrew.kubo_rpc.NODE_PINS_FRESH_S", 0.05)
    others = {cid_of(n): ("recursive", "mine") for n in range(1_000, 3_000 if kind == "too many" else 1_010)}
    users = {cid_of(0): ("recursive", "holiday"), cid_of(1): ("recursive", ""), cid_of(2): ("direct", "")}
    fake.pins = {cid_of(3): ("recursive", OURS)} | users | others

    async def test(fake: FakeKubo, bench: Bench) -> None:
        bench.put(*(pin_of(n) for n in range(30)))
        await bench.until_state(PINNED, *_many(30))
        assert (_questions(fake) >= 30) is (kind != "whole")
        bench.remove(*_many(30))
        await bench.until_state(None, *_many(30))
        assert fake.pins.keys() == users.keys() | others.keys()
        assert fake.pins[cid_of(0)] == ("recursive", "holiday")

    with_fake(tmp_path, test, fake=fake, rules=OBEY)


def test_a_listing_of_another_node_at_the_same_address_is_forgotten(tmp_path: Path) -> None:
    """One pin at a time, and the node is replaced during the first: the others were listed at the old one."""

    async def main() -> None:
        fake = FakeKubo()
        fake.orders = {cid_of(n): Orders(gate=trio.Event()) for n in range(10)}
        async with trio.open_nursery() as nursery:
            async with fake.served():
                bench = await nursery.start(_keep_working, fake, tmp_path, replace(OBEY, in_flight=1))
                bench.put(*(pin_of(n) for n in range(10)))
                await fake.until(lambda: fake.pinning == 1)
                assert _questions(fake) == 0
            fake.peer_id, fake.pins = "12D3KooWAnother", {cid_of(n): ("recursive", "mine") for n in range(10)}
            fake.orders.clear()
            async with fake.served():
                bench.pinner.wake()
                await bench.until_state(PINNED, *_many(10))
                assert fake.asked("pin/add") == 1  # at the first node
                bench.remove(*_many(10))
                await bench.until_state(None, *_many(10))
                assert fake.pins == {cid_of(n): ("recursive", "mine") for n in range(10)}
                nursery.cancel_scope.cancel()

    trio.run(main)


# ---- removals -------------------------------------------------------------------------------------------------------
def test_a_removal_waits_for_its_grace(tmp_path: Path) -> None:
    async def test(fake: FakeKubo, bench: Bench) -> None:
        bench.put(pin_of(1), pin_of(2))
        await bench.until_state(PINNED, cid_of(1), cid_of(2))
        bench.remove(cid_of(1))
        await bench.until_state(UNPINNING, cid_of(1))
        bench.later(hours=23.9)
        await bench.until(lambda: bench.pinner.summary().held == 0)
        assert cid_of(1) in fake.pins
        bench.later(hours=0.2)
        await bench.until_state(None, cid_of(1))
        assert fake.pins.keys() == {cid_of(2)}

    with_fake(tmp_path, test)


def test_wanted_again_within_its_grace_nothing_was_lost(tmp_path: Path) -> None:
    async def test(fake: FakeKubo, bench: Bench) -> None:
        bench.put(pin_of(1))
        await bench.until_state(PINNED, cid_of(1))
        bench.remove(cid_of(1))
        await bench.until_state(UNPINNING, cid_of(1))
        bench.put(pin_of(1))
        await bench.until_state(PINNED, cid_of(1))
        bench.later(hours=48)
        assert bench.book.left == {}
        assert (fake.asked("pin/add"), fake.asked("pin/rm")) == (1, 0)
        # It stopped leaving with its row's change, not only once the node was asked (what follows at once may be one
        # line in the book).
        states = [update.state for update in bench.book.settled if update.cid == cid_of(1)]
        assert states[states.index(UNPINNING) :] in ([UNPINNING, QUEUED, PINNED], [UNPINNING, PINNED])

    with_fake(tmp_path, test)


def test_allocating_elsewhere_is_a_removal_too(tmp_path: Path) -> None:
    async def test(fake: FakeKubo, bench: Bench) -> None:
        bench.put(pin_of(1))
        await bench.until_state(PINNED, cid_of(1))
        bench.put(pin_of(1, allocations=("12D3KooWOther",)))
        await bench.until_state(REMOTE, cid_of(1))
        assert bench.book.left.keys() == {cid_of(1)}
        bench.later(hours=25)
        await bench.until(lambda: not bench.book.left)
        assert fake.pins == {}
        assert bench.book.state(cid_of(1)) is REMOTE

    with_fake(tmp_path, test)


def _many(n: int) -> list[bytes]:
    return [cid_of(number) for number in range(n)]


async def _pin_and_remove(bench: Bench, kept: int, removed: int) -> None:
    bench.put(*(pin_of(n) for n in range(kept)))
    await bench.until_state(PINNED, *_many(kept))
    bench.remove(*_many(removed))
    await bench.until_state(UNPINNING, *_many(removed))


def test_a_mass_removal_is_held_until_the_user_accepts(tmp_path: Path) -> None:
    async def test(fake: FakeKubo, bench: Bench) -> None:
        await _pin_and_remove(bench, 60, 30)
        await bench.until(lambda: bench.pinner.summary().held == 30)
        assert "removals_held" in bench.kinds()
        bench.later(hours=48)
        await bench.until(lambda: bench.pinner.summary().held == 30)
        assert fake.asked("pin/rm") == 0
        assert await bench.pinner.decide_removals(Decision.ACCEPT) == 30
        await bench.until_state(None, *_many(30))
        assert len(fake.pins) == 30
        assert bench.pinner.summary().held == 0

    with_fake(tmp_path, test)


def test_a_rejected_mass_removal_leaves_the_content_to_the_user(tmp_path: Path) -> None:
    async def test(fake: FakeKubo, bench: Bench) -> None:
        await _pin_and_remove(bench, 60, 30)
        await bench.until(lambda: bench.pinner.summary().held == 30)
        await bench.pinner.decide_removals(Decision.REJECT)
        await bench.until_state(None, *_many(30))
        bench.later(hours=24 * 30)
        assert len(fake.pins) == 60 and fake.asked("pin/rm") == 0
        assert {name for cid, (_, name) in fake.pins.items() if cid in _many(30)} == {"kept"}
        # Wanted again, and removed again: it stays the user's.
        bench.put(pin_of(1))
        await bench.until_state(PINNED, cid_of(1))
        bench.remove(cid_of(1))
        await bench.until_state(UNPINNING, cid_of(1))
        bench.later(hours=25)
        await bench.until_state(None, cid_of(1))
        assert cid_of(1) in fake.pins

    with_fake(tmp_path, test)


def test_no_clock_frees_what_was_rejected(tmp_path: Path) -> None:
    """More than one slice of it, and every grace is over before the first is given to the user."""

    async def test(fake: FakeKubo, bench: Bench) -> None:
        await _pin_and_remove(bench, 450, 450)
        await bench.until(lambda: bench.pinner.summary().held == 450)
        bench.clock[0] += 30 * 24 * 3_600_000
        await bench.pinner.decide_removals(Decision.REJECT)
        await bench.until_state(None, *_many(450))
        assert len(fake.pins) == 450 and fake.asked("pin/rm") == 0

    with_fake(tmp_path, test)


def test_a_held_removal_goes_after_seven_days_and_a_restart_forgets_no_hold(tmp_path: Path) -> None:
    async def main() -> None:
        fake = FakeKubo()
        book = MemoryBook()
        async with fake.served():
            async with work(fake, tmp_path, book=book) as bench:
                await _pin_and_remove(bench, 60, 30)
                await bench.until(lambda: bench.pinner.summary().held == 30)
            async with work(fake, tmp_path, book=book) as bench:
                bench.later(hours=26)  # the day of the removals is over; the hold is not
                await bench.until(lambda: bench.pinner.summary().held == 30)
                bench.later(hours=24 * 6)
                await bench.until_state(None, *_many(30))
                assert len(fake.pins) == 30

    trio.run(main)


def test_who_obeys_unpins_at_once(tmp_path: Path) -> None:
    async def test(fake: FakeKubo, bench: Bench) -> None:
        bench.put(*(pin_of(n) for n in range(60)))
        await bench.until_state(PINNED, *_many(60))
        bench.remove(*_many(50))
        await bench.until_state(None, *_many(50))
        assert len(fake.pins) == 10

    with_fake(tmp_path, test, rules=OBEY)


def test_removals_while_the_node_is_down_are_carried_out_later(tmp_path: Path) -> None:
    async def main() -> None:
        fake = FakeKubo()
        async with trio.open_nursery() as nursery:
            async with fake.served():
                bench = await nursery.start(_keep_working, fake, tmp_path)
                bench.pinner.set_removals_rules(RemovalsRules(obey=True))
                bench.put(pin_of(1))
                await bench.until_state(PINNED, cid_of(1))
            bench.pinner.wake()
            await bench.until(lambda: bench.pinner.summary().node.state is NodeState.DOWN)
            bench.remove(cid_of(1))
            await bench.until_state(UNPINNING, cid_of(1))
            async with fake.served():
                bench.pinner.wake()
                await bench.until_state(None, cid_of(1))
                assert fake.pins == {}
                nursery.cancel_scope.cancel()

    trio.run(main)


def test_wanted_again_while_it_is_let_go_of(tmp_path: Path) -> None:
    """The node is slow to unpin, and meanwhile the curator puts the row back."""

    async def test(fake: FakeKubo, bench: Bench) -> None:
        bench.put(pin_of(1))
        await bench.until_state(PINNED, cid_of(1))
        fake.unpin_gate = gate = trio.Event()
        bench.remove(cid_of(1))
        await fake.until(lambda: fake.asked("pin/rm") == 1)
        bench.put(pin_of(1))
        await bench.until(lambda: bench.book.cursor == 3)
        gate.set()
        await bench.until_state(PINNED, cid_of(1))
        assert fake.pins == {cid_of(1): ("recursive", OURS)}
        assert bench.book.left == {}

    with_fake(tmp_path, test, rules=OBEY)


def test_another_node_at_the_same_address_gets_everything(tmp_path: Path) -> None:
    async def main() -> None:
        fake = FakeKubo()
        async with trio.open_nursery() as nursery:
            async with fake.served():
                bench = await nursery.start(_keep_working, fake, tmp_path)
                bench.put(pin_of(1), pin_of(2))
                await bench.until_state(PINNED, cid_of(1), cid_of(2))
            bench.pinner.wake()
            await bench.until(lambda: bench.pinner.summary().node.state is NodeState.DOWN)
            fake.peer_id, fake.pins = "12D3KooWAnother", {cid_of(2): ("recursive", "mine")}
            async with fake.served():
                bench.pinner.wake()
                await fake.until(lambda: cid_of(1) in fake.pins)
                await bench.until_state(PINNED, cid_of(1), cid_of(2))
                bench.pinner.set_removals_rules(RemovalsRules(obey=True))
                bench.remove(cid_of(1), cid_of(2))
                await bench.until_state(None, cid_of(1), cid_of(2))
                assert fake.pins.keys() == {cid_of(2)}
                nursery.cancel_scope.cancel()

    trio.run(main)


# ---- a real Kubo ----------------------------------------------------------------------------------------------------
@pytest.mark.kubo
@pytest.mark.slow
def test_kubo_killed_mid_pin_restarts_and_completes(kubo: KuboProcess, other_kubo: KuboProcess, tmp_path: Path) -> None:
    """The origin has only half of it until Kubo was killed, so the kill is in the middle whatever the speed."""

    async def main() -> None:
        async with (
            KuboRpc(parse_address(kubo.url)) as source,
            KuboRpc(parse_address(other_kubo.url)) as target,
            ownership_at(tmp_path / "holdings.db") as ownership,
            pinner_at_work(target, ownership) as bench,
        ):
            (tmp_path / "big").write_bytes(os.urandom(10 * 1024 * 1024))
            [added] = await source.add(tmp_path / "big")
            blocks = await _take_half(kubo, added.cid)
            origins = (await source.id()).addresses
            bench.put(replace(pin_of(1), cid=added.cid, origins=origins))
            await bench.until(lambda: any(one.blocks > 5 for one in bench.pinner.summary().in_flight))
            await trio.to_thread.run_sync(other_kubo.kill)
            await bench.until_state(QUEUED, added.cid)
            assert bench.book.rows[added.cid].status.tries == 0

            await _give_back(kubo, blocks)
            await trio.to_thread.run_sync(other_kubo.start)
            bench.pinner.wake()
            await bench.until_state(PINNED, added.cid)
            assert bench.book.rows[added.cid].size == added.bytes
            assert (await target.pin_of(added.cid)).name == OURS  # type: ignore[union-attr]
            assert other_kubo.ipfs("pin", "verify", "--quiet").strip() == b""

    trio.run(main)


async def _take_half(kubo: KuboProcess, cid: bytes) -> list[tuple[str, bytes]]:
    """Remove every second leaf of a file at Kubo; return the removed."""
    root = cid_text(cid)
    leaves = kubo.ipfs("refs", "-r", "--unique", root).decode().split()
    chosen = [leaf for leaf in leaves if leaf.startswith("bafkrei")][::2]
    taken = [(leaf, kubo.ipfs("block", "get", leaf)) for leaf in chosen]
    kubo.ipfs("pin", "rm", root)
    kubo.ipfs("block", "rm", *chosen)
    return taken


async def _give_back(kubo: KuboProcess, blocks: list[tuple[str, bytes]]) -> None:
    for cid, content in blocks:
        stored = kubo.ipfs("block", "put", "--cid-codec=raw", "--mhtype=sha2-256", stdin=content)
        assert stored.decode().strip() == cid


@pytest.mark.kubo
@pytest.mark.slow
def test_on_kubo_the_users_pin_stays_and_ours_goes(kubo: KuboProcess, tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            KuboRpc(parse_address(kubo.url)) as node,
            ownership_at(tmp_path / "holdings.db") as ownership,
            pinner_at_work(node, ownership, rules=OBEY) as bench,
        ):
            (tmp_path / "a").write_bytes(os.urandom(600_000))
            (tmp_path / "b").write_bytes(os.urandom(600_000))
            [users] = await node.add(tmp_path / "a")
            [ours] = await node.add(tmp_path / "b", pin=False)
            bench.put(replace(pin_of(1), cid=users.cid), replace(pin_of(2), cid=ours.cid))
            await bench.until_state(PINNED, users.cid, ours.cid)
            bench.remove(users.cid, ours.cid)
            await bench.until_state(None, users.cid, ours.cid)
            assert await node.pin_of(users.cid) is not None
            assert await node.pin_of(ours.cid) is None

    trio.run(main)


@pytest.mark.kubo
@pytest.mark.slow
def test_on_kubo_many_at_once_leave_the_users_pins_his(other_kubo: KuboProcess, tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            KuboRpc(parse_address(other_kubo.url)) as node,
            ownership_at(tmp_path / "holdings.db") as ownership,
            pinner_at_work(node, ownership, rules=OBEY) as bench,
        ):
            cids = []
            for _ in range(20):
                (tmp_path / "a").write_bytes(os.urandom(1_000))
                cids.append((await node.add(tmp_path / "a", pin=False))[0].cid)
            for cid, mode, name in (
                (cids[0], PinMode.RECURSIVE, ""),
                (cids[1], PinMode.RECURSIVE, "holiday"),
                (cids[2], PinMode.DIRECT, "one block"),
                (cids[3], PinMode.RECURSIVE, OURS),
            ):
                await node.pin(cid, mode, name, (), lambda *_: None)
            bench.put(*(replace(pin_of(n), cid=cid) for n, cid in enumerate(cids)))
            await bench.until_state(PINNED, *cids)
            pins = [await node.pin_of(cid) for cid in cids]
            # What was direct is recursive now, and with that takes our name; that it was his is in the holdings.
            assert [pin and pin.name for pin in pins] == ["", "holiday", OURS, *[OURS] * 17]
            bench.remove(*cids)
            await bench.until_state(None, *cids)
            assert [n for n, cid in enumerate(cids) if await node.pin_of(cid) is not None] == [0, 1, 2]

    trio.run(main)


@pytest.mark.kubo
@pytest.mark.slow
def test_rejected_on_kubo_takes_another_name(kubo: KuboProcess, tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            KuboRpc(parse_address(kubo.url)) as node,
            ownership_at(tmp_path / "holdings.db") as ownership,
            pinner_at_work(node, ownership) as bench,
        ):
            (tmp_path / "a").write_bytes(os.urandom(1_000))
            [added] = await node.add(tmp_path / "a", pin=False)
            bench.put(replace(pin_of(1), cid=added.cid))
            await bench.until_state(PINNED, added.cid)
            bench.remove(added.cid)
            await bench.until_state(UNPINNING, added.cid)
            await bench.pinner.decide_removals(Decision.REJECT)
            await bench.until_state(None, added.cid)
            pin = await node.pin_of(added.cid)
            assert pin is not None and pin.name == "kept"

    trio.run(main)


def test_who_serves_is_known_where_the_node_says_it(tmp_path: Path) -> None:
    async def test(node: FakeKubo, bench: Bench) -> None:
        gate = trio.Event()
        node.orders[cid_of(1)] = Orders(blocks=3, bytes=9_000, gate=gate, senders=("a", "b"))
        node.orders[cid_of(2)] = Orders(blocks=3, bytes=3_000, gate=gate, senders=("b",))
        bench.put(pin_of(1), pin_of(2))
        await bench.until(lambda: [one.blocks for one in bench.pinner.summary().in_flight] == [2, 2])
        seen = bench.pinner.summary()
        assert seen.senders == 2 and sorted(one.senders or 0 for one in seen.in_flight) == [1, 2]
        assert sorted(round(one.rate / 100) for one in seen.in_flight)[0] > 0
        gate.set()
        await bench.until(lambda: bench.book.state(cid_of(2)) is PINNED)

    with_fake(tmp_path, test)


def test_who_serves_is_not_known_where_the_node_does_not_say_it(tmp_path: Path) -> None:
    async def test(node: FakeKubo, bench: Bench) -> None:
        gate = trio.Event()
        node.orders[cid_of(1)] = Orders(blocks=3, gate=gate)
        bench.put(pin_of(1))
        await bench.until(lambda: [one.blocks for one in bench.pinner.summary().in_flight] == [2])
        seen = bench.pinner.summary()
        assert seen.senders is None and seen.in_flight[0].senders is None
        gate.set()
        await bench.until(lambda: bench.book.state(cid_of(1)) is PINNED)

    with_fake(tmp_path, test)
