"""`add` with a fake daemon and a fake node; with real ones it is e2e (tests/e2e/test_own_node.py)."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from pincrew.api import client as client_module
from pincrew.api.client import Client
from pincrew.api.shapes import NodeInfo, PinRequest, PinsWritten
from pincrew.cli import add as adding
from pincrew.errors import WorldFault
from support.fake_daemon import FakeDaemon, Request
from support.shape_examples import CID, pin_line, summary
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
        daemon.on("GET", "/clusters/books/pins", [])
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


@pytest.mark.parametrize("lost", ["connection", "time", "interrupt"])
@pytest.mark.parametrize("is_listed", [True, False, None])
def test_what_may_be_on_the_list_stays_pinned_and_is_told(
    shell: Shell, daemon: FakeDaemon, node: Node, monkeypatch: pytest.MonkeyPatch, lost: str, is_listed: bool | None
) -> None:
    """The daemon has the list in hand and its answer does not come; not being listed yet means nothing."""
    write, over = Client.write_pins, threading.Event()

    def interrupted(client: Client, name: str, requests: Iterable[PinRequest]) -> PinsWritten:
        write(client, name, requests)
        raise KeyboardInterrupt

    def late(_: Request) -> object:
        over.wait(30)
        return ConnectionResetError()

    if lost == "interrupt":
        monkeypatch.setattr(Client, "write_pins", interrupted)
    elif lost == "time":
        monkeypatch.setattr(client_module, "STREAM_TIMEOUT_S", 0.05)
        daemon.on("POST", "/clusters/books/pins", late)
    else:
        daemon.on("POST", "/clusters/books/pins", ConnectionResetError())
    listed = WorldFault("The disk is slow") if is_listed is None else [pin_line()] if is_listed else []
    daemon.on("GET", "/clusters/books/pins", listed)
    try:
        result = shell("add", "-", "--name", "a film", "--json", stdin=b"some")
    finally:
        over.set()
    assert (result.code, result.out) == (130 if lost == "interrupt" else 1, "")
    assert list(node.pinned) == [CID], "unpinning it would lose what is on the list"
    assert f"{CID} {'is on the list of books and stays' if is_listed else 'stays'} pinned on the node" in result.err
    assert (f"`pincrew pin add {CID} -c books --name 'a film'`" in result.err) == (not is_listed)


@pytest.mark.parametrize("is_listed", [True, None])
def test_what_was_refused_stays_pinned_where_it_is_on_the_list_already(
    shell: Shell, daemon: FakeDaemon, node: Node, is_listed: bool | None
) -> None:
    daemon.on("POST", "/clusters/books/pins", WorldFault("The disk is full"))
    daemon.on("GET", "/clusters/books/pins", [pin_line()] if is_listed else WorldFault("The disk is slow"))
    result = shell("add", "-", "--name", "x", stdin=b"some")
    assert (result.code, list(node.pinned)) == (1, [CID])
    assert f"{CID} " in result.err and "The disk is full" in result.err


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
