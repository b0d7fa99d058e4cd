"""The clusters' limits become the embedded node's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import trio

from pincrew.errors import NodeDown, NodeRefused
from pincrew.files import private_folder
from pincrew.node_storage import NodeStorage
from pincrew.paths import Home
from pincrew.settings import ClusterSettings, NodeSettings, Settings
from pincrew.settings_files import load_node, save

GIGABYTE = 10**9


class Keeper:
    pid: int | None = None


class SayingNode:
    """Remembers what it was told; the first of ``faults`` come before."""

    def __init__(self, *faults: Exception) -> None:
        self.faults = list(faults)
        self.told: list[int | None] = []

    async def limit_storage(self, limit: int | None) -> None:
        if self.faults:
            raise self.faults.pop(0)
        self.told.append(limit)


def storage(tmp_path: Path, **limits: int | None) -> tuple[NodeStorage, Home, Keeper]:
    home, keeper = Home(tmp_path / "home"), Keeper()
    for name, limit in limits.items():
        private_folder(home.cluster(name).folder)
        save(home.cluster(name).settings, ClusterSettings("00" * 32, ipfs="embedded", limit=limit))
    return NodeStorage(home, Settings(), cast(Any, keeper)), home, keeper


def test_it_is_the_sum_where_each_has_one(tmp_path: Path) -> None:
    fitted, home, _ = storage(tmp_path, one=GIGABYTE, two=2 * GIGABYTE)
    assert fitted.limit() == 3 * GIGABYTE
    save(home.cluster("two").settings, ClusterSettings("00" * 32, ipfs="http://127.0.0.1:5001"))
    assert fitted.limit() == GIGABYTE, "another node is none of its business"
    save(home.cluster("two").settings, ClusterSettings("00" * 32, ipfs="embedded"))
    assert fitted.limit() is None
    home.cluster("two").settings.write_text("nonsense")
    assert fitted.limit() is None
    assert storage(tmp_path / "empty")[0].limit() is None


def test_a_node_starts_with_it(tmp_path: Path) -> None:
    fitted, home, keeper = storage(tmp_path, one=GIGABYTE)
    private_folder(home.node.folder)
    save(home.node.settings, NodeSettings(connections=7))
    keeper.pid = 1
    fitted.prepare()
    assert load_node(home.node.settings).storage_limit is None, "it runs, and is told"
    keeper.pid = None
    fitted.prepare()
    assert load_node(home.node.settings) == NodeSettings(connections=7, storage_limit=GIGABYTE)
    save(home.cluster("one").settings, ClusterSettings("00" * 32, ipfs="embedded"))
    save(home.node.settings, replace(load_node(home.node.settings), storage_limit=5 * GIGABYTE))
    fitted.prepare()
    assert load_node(home.node.settings).storage_limit == 5 * GIGABYTE, "without limits it is the user's own"


def test_a_node_that_never_ran_starts_with_it(tmp_path: Path) -> None:
    fitted, home, _ = storage(tmp_path, one=GIGABYTE)
    fitted.prepare()
    assert load_node(home.node.settings).storage_limit == GIGABYTE


@pytest.mark.parametrize(
    ("limit", "was_changed", "told"),
    [(GIGABYTE, False, [GIGABYTE]), (GIGABYTE, True, [GIGABYTE]), (None, False, []), (None, True, [None])],
)
def test_a_running_node_is_told(tmp_path: Path, limit: int | None, was_changed: bool, told: list[int | None]) -> None:
    fitted, _, _ = storage(tmp_path, one=limit)
    node = SayingNode()
    trio.run(lambda: fitted.fit(cast(Any, node), was_changed=was_changed))
    assert node.told == told


def test_it_is_told_once_it_answers_and_a_refusal_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pincrew.node_storage.NODE_STORAGE_RETRY_S", 0.001)
    fitted, _, _ = storage(tmp_path, one=GIGABYTE)
    node = SayingNode(NodeDown("not yet"), NodeDown("not yet"))
    trio.run(fitted.fit, cast(Any, node))
    assert node.told == [GIGABYTE]
    refusing = SayingNode(NodeRefused("too small"))
    trio.run(fitted.fit, cast(Any, refusing))
    assert refusing.told == []
