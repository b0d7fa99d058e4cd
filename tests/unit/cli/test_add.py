"""`add` with a fake daemon and a fake peer on the cluster's socket; with real ones: tests/e2e/test_adding.py."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from pincrew.api.shapes import NodeInfo
from pincrew.cli import add as adding
from pincrew.cli.invocation import Invocation
from pincrew.cli.output import Output
from support.fake_daemon import FakeDaemon
from support.rest_peer import RestPeer, Told, read_chunk, running_peer
from support.shape_examples import CID, CID_2, PEER, summary
from support.shell import Shell
from unit.test_node_calls import answering, saying

OWN = {"name": "x", "cid": CID, "size": 99, "allocations": ["P"]}


@pytest.fixture
def peer(shell: Shell, daemon: FakeDaemon) -> Iterator[RestPeer]:
    """What answers on the socket of the cluster `books`."""
    paths = shell.curated()

    def node(request: BaseHTTPRequestHandler) -> None:
        query = parse_qs(urlsplit(request.path).query)
        assert query["offline"] == ["true"], "what is counted is here"
        saying(200, {"DagStats": [{"NumBlocks": 5}]})(request)

    with answering(node) as calls, running_peer(paths.api_socket(os.environ)) as made:
        up = NodeInfo("kubo", calls.address.url, "up", "kubo/0.43.1", "P")
        daemon.on("GET", "/clusters/books/summary", summary(node=up))
        made.stream("POST", "/add", OWN)
        yield made


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one.txt").write_bytes(b"one")
    (tmp_path / "two.txt").write_bytes(b"three")
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "one.txt").write_bytes(b"another")
    return tmp_path


def lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def test_it_is_sent_to_the_cluster_s_own_socket(shell: Shell, peer: RestPeer, here: Path) -> None:
    result = shell("add", "one.txt", "--name", "a/b", "--json")
    assert result.code == 0
    assert lines(result.out) == [
        {"path": "one.txt", "cid": CID, "name": "a/b", "bytes": 3, "blocks": 5, "allocations": ["P"], "failed": {}}
    ]
    [asked] = peer.asked
    assert (asked.query["name"], asked.query["cid-version"], asked.query["local"]) == ("a/b", "1", "false")
    assert b'filename="one.txt"' in asked.body, "a slash in the name makes no folder"


def test_every_option_travels(shell: Shell, peer: RestPeer, here: Path) -> None:
    words = (
        "--wrap --local --no-pin --chunker rabin --cid-version 0 --no-raw-leaves --hash sha3-512 --layout trickle"
        f" --replication-min 2 --user-allocations {PEER} --metadata a=b --metadata c=d=e --expire-in 2d"
    )
    assert shell("add", "one.txt", *words.split()).code == 0
    query = peer.asked[0].query
    expected = {
        "wrap-with-directory": "true",
        "local": "true",
        "no-pin": "true",
        "chunker": "rabin",
        "cid-version": "0",
        "raw-leaves": "false",
        "hash": "sha3-512",
        "layout": "trickle",
        "replication-min": "2",
        "replication-max": "2",
        "user-allocations": PEER,
        "meta-a": "b",
        "meta-c": "d=e",
        "expire-in": "172800s",
        "name": "one.txt",
    }
    assert {name: query[name] for name in expected} == expected
    assert shell("add", "one.txt", "--shard", "--shard-size", "2MiB").code == 0
    assert (peer.asked[1].query["shard"], peer.asked[1].query["shard-size"]) == ("true", str(2 * 1024 * 1024))
    assert shell("add", "one.txt", "--format", "car").code == 0
    assert peer.asked[2].query["format"] == "car" and "raw-leaves" not in peer.asked[2].query
    for words in (("one.txt", "--no-pin"), ("one.txt", "two.txt")):
        refused = shell("add", *words, "--shard")
        assert refused.code == 2 and "is one pin" in refused.err
    assert len(peer.asked) == 3


def test_several_paths_are_one_request_and_what_stands_at_the_top_is_told_last(
    shell: Shell, peer: RestPeer, here: Path
) -> None:
    inner = {"name": "inside/one.txt", "cid": CID}
    second = {"name": "inside", "cid": CID_2, "allocations": ["other"], "failed": {"P": "The disk is full."}}
    peer.stream("POST", "/add", inner, OWN, second)
    result = shell("add", "two.txt", "inside", "--json")
    found = [(one["path"], one["cid"], one["name"], one["bytes"], one["blocks"]) for one in lines(result.out)]
    assert found == [("two.txt", CID, "two.txt", 5, 5), ("inside", CID_2, "inside", 7, None)]
    assert lines(result.out)[1]["failed"] == {"P": "The disk is full."}
    assert "name" not in peer.asked[0].query, "each is called as its path"
    text = shell("add", "two.txt", "inside")
    assert "2 pins (12 bytes) added to books." in text.err or "added to books." in text.err
    assert "P did not take all of it: The disk is full. It fetches what it lacks." in text.err


def test_one_folder_around_all(shell: Shell, peer: RestPeer, here: Path) -> None:
    assert shell("add", "--wrap", "one.txt", "two.txt").code == 2
    result = shell("add", "--wrap", "one.txt", "two.txt", "--name", "both", "--json")
    [line] = lines(result.out)
    assert (line["path"], line["name"], line["bytes"]) == ("one.txt", "both", 8)
    assert peer.asked[0].query["name"] == "both"


def test_standard_input(shell: Shell, peer: RestPeer) -> None:
    result = shell("add", "-", "--name", "a/film", "--json", stdin=b"some")
    assert (lines(result.out)[0]["path"], lines(result.out)[0]["bytes"]) == ("-", 4)
    assert b'filename="film"' in peer.asked[0].body and b"\r\n\r\nsome\r\n" in peer.asked[0].body


def test_what_is_not_put_on_the_list_is_said(shell: Shell, peer: RestPeer, here: Path) -> None:
    assert "and not put on the list" in shell("add", "one.txt", "--no-pin").err


@pytest.mark.parametrize(
    ("status", "message", "code"),
    [(400, "parameter chunker invalid", 2), (403, "only curators add", 8), (409, "too few", 1), (503, "no room", 1)],
)
def test_what_is_refused_is_told_in_its_words(
    shell: Shell, peer: RestPeer, here: Path, status: int, message: str, code: int
) -> None:
    peer.on("POST", "/add", Told(status, json.dumps({"code": status, "message": message}).encode()))
    result = shell("add", "one.txt")
    assert (result.code, result.out) == (code, "")
    assert f"{message}. Nothing was put on the list." in " ".join(result.err.split())


def test_what_fails_behind_the_first_lines_is_told(shell: Shell, peer: RestPeer, here: Path) -> None:
    peer.stream("POST", "/add", {"name": "inside/one.txt", "cid": CID}, error="failed to put block")
    result = shell("add", "inside")
    assert (result.code, result.out) == (1, "") and "failed to put block" in result.err


def test_where_no_answer_comes_back_it_says_what_is_not_known(shell: Shell, peer: RestPeer, here: Path) -> None:
    peer.stream("POST", "/add", breaks=True)
    result = shell("add", "one.txt")
    assert (result.code, result.out) == (1, "")
    assert "whether it gets on the list of books is not known (one.txt)" in " ".join(result.err.split())
    assert "pincrew pin ls -c books" in result.err and "Nothing was put" not in result.err


def test_one_who_is_tired_of_waiting_is_told_too(
    shell: Shell, peer: RestPeer, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: adding._Sending, boundary: str) -> Iterator[bytes]:
        yield from adding.multipart(self._parts(), boundary)
        self.is_sent = True
        raise KeyboardInterrupt

    monkeypatch.setattr(adding._Sending, "_body", interrupted)
    result = shell("add", "one.txt", "--json")
    assert result.code == 130 and "is not known" in result.err


def test_what_cannot_be_read_is_told_and_the_body_has_no_end(shell: Shell, peer: RestPeer, here: Path) -> None:
    os.mkfifo(here / "inside" / "pipe")
    ended: list[bytes] = []

    def takes(handler: BaseHTTPRequestHandler) -> bool:
        with pytest.raises(ValueError):
            while True:
                ended.append(read_chunk(handler))
        return True

    peer.takes = takes
    result = shell("add", "one.txt", "inside")
    assert (result.code, result.out) == (1, "")
    assert "neither a file nor a folder" in result.err and "Nothing was put on the list" in result.err


def test_a_cluster_that_does_not_answer(shell: Shell, daemon: FakeDaemon, here: Path) -> None:
    shell.curated()
    result = shell("add", "one.txt")
    assert result.code == 1 and "The cluster does not answer" in result.err


def test_a_node_that_starts_is_waited_for(
    shell: Shell, daemon: FakeDaemon, peer: RestPeer, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it is away the cluster says so, unless others take it; its blocks are not counted."""
    monkeypatch.setattr(adding, "_POLL_S", 0.001)
    up = daemon.answers["GET", "/clusters/books/summary"]
    starting = summary(node=NodeInfo("embedded", None, "starting", None, None))
    answers = iter([starting, starting])
    daemon.on("GET", "/clusters/books/summary", lambda _: next(answers, up))
    assert lines(shell("add", "one.txt", "--json").out)[0]["blocks"] == 5
    daemon.on("GET", "/clusters/books/summary", summary(node=NodeInfo("embedded", "h", "down", None, None)))
    assert lines(shell("add", "one.txt", "--json").out)[0]["blocks"] is None


def test_long_adding_is_told_in_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    told = adding._Lines(Output(), 4_000_000)
    source = adding._Source("a", None, "a\x1bb")
    told.advance(source, 1_000_000)
    told.advance(source, 1_000_000)
    said = capsys.readouterr().err
    assert said.count("sent ...") == 1 and "1.00 MB of 4.00 MB" in said and "\x1b" not in said


def test_the_bar_of_a_terminal_shows_names_as_they_are(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Output, "is_live", True)
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich draws on what it takes for a terminal
    monkeypatch.setenv("TERM", "xterm")
    source = adding._Source("a", None, "[/bold] {x}")
    with adding._progress(Invocation(Output(), os.environ), [source], hidden=False) as progress:
        progress.advance(source, 3_000)
    assert "[/bold] {x}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["-"], 2),
        (["-", "one.txt", "--name", "x"], 2),
        (["one.txt", "two.txt", "--name", "x"], 2),
        (["one.txt", "inside/one.txt"], 2),
        (["one.txt", "two.txt", "--format", "car"], 2),
        (["one.txt", "--format", "car", "--wrap"], 2),
        (["one.txt", "--user-allocations", "nobody"], 2),
        (["one.txt", "--metadata", "nothing"], 2),
        (["one.txt", "--expire-in", "soon"], 2),
        (["missing"], 1),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_sent(
    shell: Shell, peer: RestPeer, here: Path, arguments: list[str], code: int
) -> None:
    assert shell("add", *arguments).code == code
    assert peer.asked == []
