"""`add` with a fake daemon and a fake node; with real ones it is e2e (tests/e2e/test_own_node.py)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from pincrew.api.shapes import NodeInfo
from pincrew.cli import add as adding
from pincrew.errors import WorldFault
from support.fake_daemon import FakeDaemon
from support.shape_examples import CID, summary
from support.shell import Shell
from unit.test_node_calls import answering, body, saying


class Node:
    """Pins what it is told to; ``pinned`` is what it has, ``refuse`` what it says to `pin/add`."""

    def __init__(self) -> None:
        self.pinned: dict[str, str] = {}
        self.bodies: list[bytes] = []
        self.refuse = ""
        self.is_cut = False

    def __call__(self, request: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(request.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        command = parts.path.removeprefix("/api/v0/")
        if command == "add":
            self.bodies.append(body(request))
            saying(200, *([] if self.is_cut else [{"Name": "root", "Hash": CID, "Size": "99"}]))(request)
        elif command == "pin/ls" and query["arg"] in self.pinned:
            saying(200, {"Keys": {query["arg"]: {"Type": "recursive"}}})(request)
        elif command == "pin/ls":
            saying(500, {"Message": f"path '{query['arg']}' is not pinned", "Code": 0, "Type": "error"})(request)
        elif command == "pin/add" and self.refuse:
            saying(500, {"Message": self.refuse, "Code": 0, "Type": "error"})(request)
        elif command == "pin/add":
            self.pinned[query["arg"]] = query["name"]
            saying(200, {"Progress": 3}, {"Pins": [query["arg"]]})(request)
        elif command == "pin/rm":
            del self.pinned[query["arg"]]
            saying(200, {"Pins": [query["arg"]]})(request)
        else:
            saying(200, {"DagStats": [{"NumBlocks": 5}]})(request)


@pytest.fixture
def node(shell: Shell, daemon: FakeDaemon) -> Iterator[Node]:
    """A node that the fake daemon's cluster `books` has."""
    shell.curated()
    made = Node()
    with answering(made) as calls:
        up = NodeInfo("kubo", calls.address.url, "up", "kubo/0.43.1", "P")
        daemon.on("GET", "/clusters/books/summary", summary(node=up))
        daemon.on("POST", "/clusters/books/pins", {"added": 1, "removed": 0, "absent": []})
        yield made


def test_it_is_added_pinned_as_ours_and_put_on_the_list(
    shell: Shell, daemon: FakeDaemon, node: Node, tmp_path: Path
) -> None:
    (tmp_path / "one.txt").write_bytes(b"one")
    result = shell("add", str(tmp_path / "one.txt"), "--name", "a/b", "--json")
    assert result.code == 0
    assert json.loads(result.out) == {
        "path": str(tmp_path / "one.txt"),
        "cid": CID,
        "name": "a/b",
        "bytes": 3,
        "blocks": 3,
    }
    assert node.pinned == {CID: f"pincrew:{'ab' * 32}"}
    assert b'filename="root"' in node.bodies[0], "a slash in the name makes no folder"
    (line,) = daemon.asked("POST", "/clusters/books/pins")[0].lines
    assert (line["cid"], line["name"], line["size"]) == (CID, "a/b", 99)


def test_what_is_pinned_already_stays_whose_it_is(shell: Shell, node: Node, tmp_path: Path) -> None:
    node.pinned[CID] = "holiday"
    result = shell("add", "-", "--name", "x", "--json", stdin=b"some")
    assert (result.code, json.loads(result.out)["blocks"]) == (0, 5)
    assert node.pinned == {CID: "holiday"}


@pytest.mark.parametrize("fails", ["list", "pin", "cut"])
def test_where_it_fails_nothing_is_pinned_or_listed(shell: Shell, daemon: FakeDaemon, node: Node, fails: str) -> None:
    if fails == "list":
        daemon.on("POST", "/clusters/books/pins", WorldFault("The disk is full"))
    elif fails == "pin":
        node.refuse = "no room"
    else:
        node.is_cut = True
    result = shell("add", "-", "--name", "x", stdin=b"some")
    assert (result.code, result.out) == (1, "")
    assert node.pinned == {}
    assert len(daemon.asked("POST", "/clusters/books/pins")) == (1 if fails == "list" else 0)


def test_a_node_that_starts_is_waited_for_and_one_that_is_down_is_told(
    shell: Shell, daemon: FakeDaemon, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adding, "_POLL_S", 0.001)
    up = daemon.answers["GET", "/clusters/books/summary"]
    starting = summary(node=NodeInfo("embedded", None, "starting", None, None))
    answers = iter([starting, starting])
    daemon.on("GET", "/clusters/books/summary", lambda _: next(answers, up))
    assert shell("add", "-", "--name", "x", stdin=b"some").code == 0
    daemon.on("GET", "/clusters/books/summary", summary(node=NodeInfo("embedded", "h", "down", None, None)))
    result = shell("add", "-", "--name", "x", stdin=b"some")
    assert (result.code, "Nothing was added" in result.err) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["-"], 2),
        (["-", "here", "--name", "x"], 2),
        (["here", "here", "--name", "x"], 2),
        (["missing"], 1),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_sent(
    shell: Shell, node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").write_bytes(b"x")
    assert shell("add", *arguments).code == code
    assert node.bodies == []
