"""The monthly cap: counted over restarts, reached once, everything held up, lifted by the month or by its user."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import trio
import trio.testing

from pincrew.errors import NodeDown
from pincrew.limit_settings import kept_months
from pincrew.month_keeper import MonthKeeper
from pincrew.node_address import NodeKind
from pincrew.node_client import Traffic
from pincrew.node_keeper import KeptNode
from pincrew.paths import Home

NOVEMBER, DECEMBER = datetime(2026, 11, 22, 12), datetime(2026, 12, 1, 0, 0, 3)


class Own(KeptNode):
    """pincrew's own node, which remembers for how long it was told to be silent."""

    def __init__(self) -> None:
        self._url = "unix:/own"
        self.passed = Traffic(0, 0)
        self.silences: list[float] = []
        self.fault: Exception | None = None

    address = property(lambda self: self._url)  # type: ignore[assignment]

    async def traffic(self) -> Traffic:
        if self.fault is not None:
            raise self.fault
        return self.passed

    async def be_silent(self, seconds: float) -> None:
        self.silences.append(seconds)


@dataclass
class Kubo:
    passed: Traffic = field(default_factory=lambda: Traffic(10**12, 10**12))
    address: str = "http://127.0.0.1:5001"

    async def traffic(self) -> Traffic:
        return self.passed


@dataclass
class Cluster:
    """A cluster, its peer and its diary in one."""

    node: Any
    kind: NodeKind
    ends_ms: int | None = None
    text: str = ""
    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    peer = options = diary = property(lambda self: self)
    node_kind = property(lambda self: self.kind)

    def end_month(self, until_ms: int, text: str) -> None:
        self.ends_ms, self.text = until_ms, text

    def begin_month(self) -> None:
        self.ends_ms = None

    def happened(self, kind: str, fields: dict[str, Any]) -> None:
        self.told.append((kind, fields))


@dataclass
class Bench:
    home: Home
    clusters: list[Cluster]
    wall: list[datetime]
    cap: list[int | None]
    keeper: MonthKeeper


def keeping(path: Path, test: Callable[[Bench], Awaitable[None]], cap: int | None, *clusters: Cluster) -> None:
    async def main() -> None:
        home, wall, caps = Home(path), [NOVEMBER], [cap]
        nodes: Any = type("Nodes", (), {"keeper": type("Keeper", (), {"pid": 7})()})()
        keeper = MonthKeeper(home, nodes, lambda: cast(Any, clusters), lambda: caps[0], lambda: wall[0])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keeper.run)
            await trio.testing.wait_all_tasks_blocked(0.02)  # what was kept is read and written in a thread
            await test(Bench(home, list(clusters), wall, caps, keeper))
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0.01))


def test_a_cap_is_reached_once_and_a_new_month_lifts_it(tmp_path: Path) -> None:
    own = Own()
    books, films = Cluster(own, NodeKind.EMBEDDED), Cluster(own, NodeKind.EMBEDDED)

    async def test(bench: Bench) -> None:
        own.passed = Traffic(600, 399)
        await trio.sleep(3)
        assert books.ends_ms is None and not own.silences, "asked once for both, and 999 of 1,000 passed"
        own.passed = Traffic(600, 400)
        await trio.sleep(5)
        assert books.ends_ms == films.ends_ms == round(datetime(2026, 12, 1).astimezone().timestamp() * 1_000)
        assert "2026-12-01 00:00" in books.text and len(own.silences) >= 4 and min(own.silences) > 0
        assert [kind for kind, _ in books.told] == ["monthly_cap_reached"]
        bench.wall[0] = DECEMBER
        own.passed = Traffic(650, 400)
        await trio.sleep(3)
        assert books.ends_ms is None and own.silences[-1] == 0
        assert [kind for kind, _ in films.told] == ["monthly_cap_reached", "monthly_cap_lifted"]
        assert bench.keeper.months.at(DECEMBER).passed == 50
        quiet = len(own.silences)
        await trio.sleep(5)
        assert len(own.silences) == quiet, "it is told once that it may speak"

    keeping(tmp_path, test, 1_000, books, films)


def test_it_counts_over_restarts_and_says_nothing_twice(tmp_path: Path) -> None:
    own = Own()
    books = Cluster(own, NodeKind.EMBEDDED)

    async def first(bench: Bench) -> None:
        own.passed = Traffic(1_000, 0)
        await trio.sleep(3)
        assert [kind for kind, _ in books.told] == ["monthly_cap_reached"]

    async def second(bench: Bench) -> None:
        await trio.sleep(3)
        assert books.ends_ms is not None and len(books.told) == 1
        bench.cap[0] = 5_000
        await trio.sleep(3)
        assert books.ends_ms is None and books.told[-1][0] == "monthly_cap_lifted"
        bench.cap[0] = None
        own.passed = Traffic(10**6, 0)
        await trio.sleep(60)
        assert books.ends_ms is None, "without a cap it only counts"

    keeping(tmp_path, first, 1_000, books)
    own.passed = Traffic(0, 0)  # it ended with the daemon, and is started anew
    keeping(tmp_path, second, 1_000, books)
    assert kept_months(Home(tmp_path).months).at(NOVEMBER).passed == 1_000 + 10**6


def test_a_crash_loses_less_than_a_minute(tmp_path: Path) -> None:
    own = Own()

    async def test(bench: Bench) -> None:
        for second in range(5, 200, 5):
            own.passed = Traffic(second * 1_000, 0)
            await trio.sleep(5)
            kept = kept_months(bench.home.months).at(NOVEMBER).received
            assert second * 1_000 - kept < 60_000

    keeping(tmp_path, test, None, Cluster(own, NodeKind.EMBEDDED))


def test_of_a_kubo_what_it_receives_from_now_on(tmp_path: Path) -> None:
    own, kubo = Own(), Kubo()
    own.fault = NodeDown("not yet")
    clusters = Cluster(kubo, NodeKind.KUBO), Cluster(own, NodeKind.EMBEDDED)

    async def test(bench: Bench) -> None:
        await trio.sleep(3)
        kubo.passed = Traffic(10**12 + 500, 10**12 + 500)
        await trio.sleep(3)
        assert bench.keeper.months.at(NOVEMBER).passed == 500
        kubo.passed = Traffic(10**12 + 1_500, 10**12 + 500)
        await trio.sleep(3)
        assert all(cluster.ends_ms is not None for cluster in clusters), "the cap is for all together"

    keeping(tmp_path, test, 1_000, *clusters)


def test_a_damaged_file_and_a_disk_that_refuses_end_nothing(tmp_path: Path) -> None:
    own = Own()
    Home(tmp_path).months.write_text("}{")
    books = Cluster(own, NodeKind.EMBEDDED)

    async def test(bench: Bench) -> None:
        own.passed = Traffic(1_000, 0)
        await trio.sleep(3)
        assert books.ends_ms is not None

    keeping(tmp_path, test, 1_000, books)
    books.ends_ms = None
    keeping(tmp_path / "no folder", test, 1_000, books)
