"""`node` without a node; with one it is e2e (tests/e2e/test_own_node.py)."""

from __future__ import annotations

import json

from pincrew.paths import Home
from support.fake_daemon import FakeDaemon
from support.shell import Shell


def test_no_node_is_exit_3(shell: Shell, home: Home) -> None:
    result = shell("node", "status")
    assert (result.code, "is not running" in result.out) == (3, True)
    found = json.loads(shell("node", "status", "--json").out)
    assert (found["running"], found["peer_id"], found["addresses"]) == (False, None, [])
    assert shell("node", "gc").code == 1


def test_switching_asks_the_daemon(shell: Shell, daemon: FakeDaemon) -> None:
    shell.followed()
    answer = {"cluster": "books", "node": "embedded", "before": "auto", "was_there": False}
    daemon.on("POST", "/clusters/books/node", answer)
    result = shell("node", "switch", "embedded")
    assert (result.code, "moves from auto to embedded" in result.out) == (0, True)
    assert "lets go of its pins" in result.err
    assert "keeps its pins" in shell("node", "switch", "embedded", "--keep-old").err
    asked = [request.json for request in daemon.asked("POST", "/clusters/books/node")]
    assert asked == [{"ipfs": "embedded", "keep_old": False}, {"ipfs": "embedded", "keep_old": True}]
    daemon.on("POST", "/clusters/books/node", {**answer, "was_there": True})
    assert "already" in shell("node", "switch", "embedded").out
    assert json.loads(shell("node", "switch", "embedded", "--json").out)["was_there"] is True


def test_a_mistyped_node_is_exit_2(shell: Shell, daemon: FakeDaemon) -> None:
    shell.followed()
    assert shell("node", "switch", "embeded").code == 2
    assert not daemon.requests


def test_the_rpc_is_for_this_machine_alone(shell: Shell, home: Home) -> None:
    result = shell("node", "run", "--rpc", "0.0.0.0:5001")
    assert (result.code, "whoever reaches it" in result.err) == (2, True)
    assert not home.node.folder.exists()
