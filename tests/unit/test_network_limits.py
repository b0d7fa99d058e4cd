"""The line's limits by the hour: kept, told to pincrew's own node at each change, steered towards on a Kubo."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import pytest
import trio
import trio.testing

from pincrew.api.shapes import NetworkLimitsRequest
from pincrew.errors import Misuse, NodeDown, NodeRefused
from pincrew.network_limits import LineKeeper
from pincrew.node_address import NodeKind
from pincrew.node_client import Traffic
from pincrew.paths import Home
from pincrew.pinner import Hold
from pincrew.settings import NodeSettings, Settings
from pincrew.settings_files import load_node, load_settings, save

DAY, NIGHT = datetime(2026, 5, 4, 12), datetime(2026, 5, 4, 23, 30)
TWO_SETS = Settings(download_limit=1_000, quiet_hours="23:00-07:00", quiet_upload_limit=50)


class Node:
    """pincrew's own; remembers what it was told. The ``faults`` come first."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.faults: list[Exception] = []

    async def limit_network(self, download: str, upload: str) -> None:
        if self.faults:
            raise self.faults.pop(0)
        self.told.append((download, upload))

    async def aclose(self) -> None:
        pass


@dataclass
class Kubo:
    """A cluster on a Kubo: its own peer, node and pinner."""

    kind: NodeKind = NodeKind.KUBO
    address: str = "http://127.0.0.1:5001"
    received: int = 0
    fault: Exception | None = None
    holds: set[Hold] = field(default_factory=set)
    asked: int = 0

    peer = options = node = pinner = property(lambda self: self)
    node_kind = property(lambda self: self.kind)

    def begin_month(self) -> None:
        pass

    async def traffic(self) -> Traffic:
        self.asked += 1
        if self.fault is not None:
            raise self.fault
        return Traffic(self.received, 0)

    def hold(self, why: Hold) -> None:
        self.holds.add(why)

    def go_on(self, why: Hold) -> None:
        self.holds.discard(why)


@dataclass
class Bench:
    line: LineKeeper
    node: Node
    clusters: list[Any]
    wall: list[datetime]
    home: Home
    keeper: Any


def keeping(tmp_path: Path, settings: Settings, test: Callable[[Bench], Awaitable[None]]) -> None:
    """Let it run on a clock of its own, on which a second costs nothing."""

    async def main() -> None:
        home, node, wall = Home(tmp_path / "home"), Node(), [DAY]
        home.root.mkdir(exist_ok=True)
        clusters: list[Any] = []
        keeper: Any = type("Keeper", (), {"client": lambda *_, **__: node, "pid": None})()
        nodes: Any = type("Nodes", (), {"keeper": keeper})()
        line = LineKeeper(home, settings, {}, nodes, lambda: cast(Any, clusters), lambda: wall[0])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(line.run)
            await trio.testing.wait_all_tasks_blocked(0.02)  # what was kept is read in a thread
            await test(Bench(line, node, clusters, wall, home, keeper))
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0.01))


def test_the_node_is_told_at_each_change(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        bench.node.faults = [NodeDown("it does not run"), NodeDown("still not")]
        await trio.sleep(5)
        assert bench.node.told == [("1000", "none")], "once it runs, and once"
        bench.wall[0] = NIGHT
        await trio.sleep(5)
        assert bench.node.told[1:] == [("none", "50")]
        info = bench.line.info()
        assert (info.is_quiet, info.download_now, info.upload_now, info.download) == (True, None, 50, 1_000)
        bench.node.faults = [NodeRefused("no")]
        bench.wall[0] = DAY
        await trio.sleep(5)
        assert len(bench.node.told) == 2, "what it refuses is not said again and again"

    keeping(tmp_path, TWO_SETS, test)


def test_the_node_starts_with_them(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        bench.node.faults = [NodeDown("it does not run")] * 1_000
        await bench.line.change(NetworkLimitsRequest(upload="7kB"))
        bench.keeper.prepare()
        kept = load_node(bench.home.node.settings)
        assert (kept.upload_limit, kept.download_limit, kept.connections) == (7_000, 1_000, 9)

    home = Home(tmp_path / "home")
    home.node.folder.mkdir(parents=True)
    save(home.node.settings, NodeSettings(connections=9))
    home.settings.write_text('download_limit = "1kB"')
    keeping(tmp_path, Settings(download_limit=1_000), test)


def test_where_there_never_was_a_limit_the_node_keeps_its_own(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        await trio.sleep(5)
        assert bench.node.told == []
        await bench.line.change(NetworkLimitsRequest(download="2MB"))
        await trio.sleep(5)
        await bench.line.change(NetworkLimitsRequest(download="none"))
        await trio.sleep(5)
        assert bench.node.told == [("2000000", "none"), ("none", "none")]

    keeping(tmp_path, Settings(), test)


def test_a_change_is_kept_and_one_of_nonsense_is_not_made(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        changed = await bench.line.change(
            NetworkLimitsRequest(quiet_hours="sat,sun 00:00-10:00", quiet_download="none", upload="500kB")
        )
        assert (changed.quiet_hours, changed.upload, changed.upload_now) == ("sat,sun 00:00-10:00", 500_000, 500_000)
        for wrong in ({"download": "0"}, {"upload": "fast"}, {"quiet_hours": "at night"}):
            with pytest.raises(Misuse):
                await bench.line.change(NetworkLimitsRequest(**wrong))
        kept = load_settings(bench.home.settings, {})
        assert (kept.upload_limit, kept.quiet_hours, kept.download_limit) == (500_000, "sat,sun 00:00-10:00", None)
        assert (await bench.line.change(NetworkLimitsRequest(quiet_hours="none"))).quiet_hours is None

    keeping(tmp_path, Settings(), test)


def test_pins_on_a_kubo_wait_while_too_much_arrives(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        one, same, other = Kubo(), Kubo(), Kubo(address="http://127.0.0.1:5002")
        own = Kubo(kind=NodeKind.EMBEDDED)
        bench.clusters += [one, same, other, own]
        await trio.sleep(3)
        assert bench.line.info().is_approximate
        one.received = 100_000
        await trio.sleep(2)
        assert one.holds == same.holds == {Hold.LINE} and not other.holds and not own.holds
        assert same.asked == own.asked == 0, "one node is asked once"
        one.fault = NodeDown("gone")
        await trio.sleep(10)
        assert one.holds, "nothing new is known of it"
        one.fault = None
        await trio.sleep(200)
        assert not one.holds and not same.holds
        one.received = 300_000
        await trio.sleep(2)
        assert one.holds
        bench.wall[0] = NIGHT
        await trio.sleep(2)
        assert not one.holds and not same.holds, "there is no limit at night"

    keeping(tmp_path, TWO_SETS, test)


def test_what_the_nodes_own_settings_said_is_taken_over_once(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.node.folder.mkdir(parents=True)
    save(home.node.settings, NodeSettings(upload_limit=3_000))

    async def first(bench: Bench) -> None:
        await trio.sleep(3)
        assert bench.line.info().upload == 3_000 and bench.node.told == [], "the node has it already"
        assert load_settings(bench.home.settings, {}).upload_limit == 3_000

    async def second(bench: Bench) -> None:
        await trio.sleep(3)
        assert bench.line.info().upload is None and bench.node.told == [("none", "none")]

    keeping(tmp_path, Settings(), first)
    home.settings.unlink()  # its user wants no limit any more, whatever the node was told
    keeping(tmp_path, Settings(), second)


def test_the_users_settings_win_over_the_nodes(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.node.folder.mkdir(parents=True)
    save(home.node.settings, NodeSettings(upload_limit=3_000, download_limit=4_000))
    home.settings.write_text('download_limit = "none"\n')

    async def test(bench: Bench) -> None:
        await trio.sleep(3)
        assert bench.node.told == [("none", "none")] and bench.line.info().upload is None

    keeping(tmp_path, Settings(), test)
