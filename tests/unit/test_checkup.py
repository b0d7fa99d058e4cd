"""Each line of `doctor` about a running cluster, made to go wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio
from trio.testing import trio_test

from pincrew.api.shapes import Check
from pincrew.checkup import NodeFigures, checkup, clock_line, node_lines
from pincrew.errors import NodeDown, StoreFault
from pincrew.health import ReasonCode, ReasonText
from pincrew.keys import peer_id
from pincrew.node_address import NodeKind
from pincrew.node_client import NodeIdentity, RepoStat
from pincrew.node_watch import NodeState, NodeView
from pincrew.peer import PeerOptions
from pincrew.room import Volume
from support.signers import key

NOW_MS = 1_767_225_600_000
CURATOR = key("curator")
OWN = peer_id(key("own").public)
IDENTITY = NodeIdentity("12D3KooWNode", (), "kubo/0.43.1")


@dataclass
class Scene:
    """A follower that is well, until a test says otherwise."""

    role: str = "follower"
    kind: NodeKind = NodeKind.KUBO
    state: NodeState = NodeState.UP
    stat: RepoStat | Exception = field(default_factory=lambda: RepoStat(5_000, 10**12, None, "/ipfs"))
    node_peers: int = 7
    volume: Volume | None = field(default_factory=lambda: Volume(10**12, 10**11))
    connections: list[Any] = field(
        default_factory=lambda: [SimpleNamespace(peer=peer_id(CURATOR.public), via="in", address="")]
    )
    reasons: dict[ReasonCode, ReasonText] = field(default_factory=dict)
    heard: list[Any] = field(default_factory=list)
    met: list[Any] = field(default_factory=list)
    stopped: dict[Any, str] = field(default_factory=dict)
    fault: StoreFault | None = None
    curators: frozenset[bytes] = frozenset({CURATOR.public})

    async def repo_stat(self) -> RepoStat:
        if isinstance(self.stat, Exception):
            raise self.stat
        return self.stat

    async def swarm_peers(self) -> list[str]:
        return ["peer"] * self.node_peers

    async def lines(self) -> dict[str, Check]:
        up = self.state is NodeState.UP
        view = NodeView(
            self.state, "http://127.0.0.1:5001", NOW_MS, IDENTITY if up else None, None if up else "refused"
        )
        peer = SimpleNamespace(
            id=OWN,
            options=PeerOptions("books", node_kind=self.kind, listen=("/ip4/0.0.0.0/tcp/4123",)),
            pinner=SimpleNamespace(summary=lambda: SimpleNamespace(node=view)),
            node=self,
            node_room=SimpleNamespace(volume=self.volume),
            network=SimpleNamespace(connections=lambda: self.connections),
            reasons=self.reasons,
            acquaintances=SimpleNamespace(all=lambda: self.met),
            member=SimpleNamespace(
                chain=SimpleNamespace(curators=self.curators),
                heard=SimpleNamespace(all=lambda: self.heard),
                replica=SimpleNamespace(stopped=self.stopped),
            ),
            heard_of=lambda _peer: None,
            clock_ms=lambda: NOW_MS,
            applier=SimpleNamespace(fault=self.fault),
            last_change_ms=lambda: NOW_MS,
        )
        lines = await checkup(cast(Any, peer), self.role)
        assert all(line.cluster == "books" for line in lines)
        assert all(line.fix for line in lines if line.result != "ok"), "each says what to do"
        return {line.check: line for line in lines}


@trio_test
async def test_all_is_well() -> None:
    lines = await Scene().lines()
    assert {line.result for line in lines.values()} == {"ok"}
    assert list(lines) == ["node", "node's room", "node's connections", "peers", "curator", "reachable", "state"]


@pytest.mark.parametrize(
    ("changes", "check", "result", "words"),
    [
        ({"state": NodeState.DOWN}, "node", "FAIL", "ipfs daemon"),
        ({"state": NodeState.DOWN, "kind": NodeKind.EMBEDDED}, "node", "FAIL", "node.log"),
        ({"stat": RepoStat(95, 100, None)}, "node's room", "note", "StorageMax"),
        ({"stat": RepoStat(95, 100, None), "kind": NodeKind.EMBEDDED}, "node's room", "note", "pincrew limits"),
        ({"volume": Volume(10**12, 5_000)}, "node's room", "note", "free some space"),
        ({"node_peers": 0}, "node's connections", "note", "check its network"),
        ({"connections": []}, "peers", "FAIL", "check the network"),
        ({"connections": [], "role": "curator"}, "peers", "note", "nobody follows yet"),
        (
            {
                "connections": [],
                "reasons": {ReasonCode.HANDSHAKE_FAILED: ReasonText(ReasonCode.HANDSHAKE_FAILED, "why")},
            },
            "peers",
            "FAIL",
            "why",
        ),
        ({"connections": []}, "curator", "note", "what is pinned stays"),
        ({"connections": [SimpleNamespace(peer="P", via="out")]}, "reachable", "note", "TCP port 4123"),
        (
            {"reasons": {ReasonCode.DAMAGED: ReasonText(ReasonCode.DAMAGED, "1 pin has damaged blocks")}},
            "content",
            "FAIL",
            "test the disk",
        ),
        ({"fault": StoreFault("The disk is full", next_step="Free some")}, "state", "FAIL", "Free some"),
    ],
)
def test_what_goes_wrong_is_told_with_what_to_do(changes: dict[str, Any], check: str, result: str, words: str) -> None:
    line = trio.run(Scene(**changes).lines)[check]
    assert (line.result, words in (line.fix or "")) == (result, True)


@trio_test
async def test_when_a_curator_was_seen_last() -> None:
    scene = Scene(connections=[SimpleNamespace(peer="P", via="in")])
    assert "was never met" in (await scene.lines())["curator"].text
    scene.met = [SimpleNamespace(peer=peer_id(CURATOR.public), seen_ms=NOW_MS - 3 * 3_600_000)]
    assert "was seen 3 hours ago" in (await scene.lines())["curator"].text
    scene.curators = frozenset({key("own").public})
    assert "curator" not in await scene.lines(), "not of ourselves"


@trio_test
async def test_a_stopped_session() -> None:
    class Session:
        author = b"\x01" * 32

    line = (await Scene(stopped={Session(): "it forked"}).lines())["sessions"]
    assert line.result == "FAIL" and "it forked" in line.text


@trio_test
async def test_a_clock_that_others_disagree_with() -> None:
    def said(behind_s: float) -> Any:
        announcement = SimpleNamespace(peer=peer_id(CURATOR.public), time_ms=NOW_MS - int(behind_s * 1_000))
        return SimpleNamespace(at=trio.current_time(), announcement=announcement)

    scene = Scene(heard=[said(20.0)])
    assert (await scene.lines())["clock"].result == "ok"
    scene.heard = [said(7_300.0)]
    line = (await scene.lines())["clock"]
    assert line.result == "note" and "2 hours ahead of what the other peer says" in line.text
    assert "behind what 3 peers say" in clock_line("books", -900.0, 3).text


@trio_test
async def test_a_node_that_does_not_tell_is_no_failure() -> None:
    lines = await Scene(stat=NodeDown("gone")).lines()
    assert "node's room" not in lines and "node's connections" not in lines


def test_a_node_without_a_limit_on_another_machine() -> None:
    [line] = node_lines("books", NodeFigures(RepoStat(5_000, None, None), None), None, is_ours=False)
    assert line.result == "ok" and line.text.endswith("stores 5.00 kB, without a limit of its own")
