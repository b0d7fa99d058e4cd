"""`pin`: what curators write, and what a follower may not."""

from __future__ import annotations

import json

import pytest

from pincrew.cli import pin
from pincrew.errors import NotFound
from support.fake_daemon import FakeDaemon, Request
from support.shape_examples import CID, CID_2, pin_object, pin_status
from support.shell import Shell

PINS = "/clusters/books/pins"


@pytest.fixture(autouse=True)
def _writable(daemon: FakeDaemon) -> None:
    def write(request: Request) -> object:
        removed = sum(bool(line["remove"]) for line in request.lines)
        return {"added": len(request.lines) - removed, "removed": removed, "absent": []}

    daemon.on("POST", PINS, write)


def test_add_prints_the_cids(shell: Shell, daemon: FakeDaemon) -> None:
    shell.curated()
    result = shell("pin", "add", CID, f"/ipfs/{CID_2}", "--name", "n", "--metadata", "a=b=c", "--expire-in", "30d")
    assert (result.code, result.out.split()) == (0, [CID, CID_2])
    assert "2 pins added to books" in result.err
    first, second = daemon.asked("POST", PINS)[0].lines
    assert (first["cid"], second["cid"], first["name"], first["metadata"]) == (CID, CID_2, "n", {"a": "b=c"})
    assert first["expire_at"].endswith("Z")
    assert json.loads(shell("pin", "add", CID, "--json").out) == {
        "schema": 1,
        "cluster": "books",
        "added": 1,
        "cids": [CID],
        "skipped": 0,
    }


def test_a_bad_line_writes_nothing(shell: Shell, daemon: FakeDaemon) -> None:
    shell.curated()
    result = shell("pin", "add", "-", stdin=f"{CID}\nnope\n".encode())
    assert result.code == 2
    assert "Line 2" in result.err
    assert not daemon.asked("POST", PINS)
    result = shell("pin", "add", "-", "--skip-bad", stdin=f"{CID}\nnope\n".encode())
    assert (result.code, result.out.split()) == (0, [CID])
    assert "line 2" in result.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["nope"],
        [CID, "-"],
        [CID, "--metadata", "nothing"],
        [CID, "--expire-in", "30"],
        [CID, "--timeout", "5m"],
        [CID, "--wait", "0"],
        [CID, "--replication-min", "0"],
        [CID, "--mode", "sideways"],
    ],
)
def test_bad_input_is_exit_2(shell: Shell, daemon: FakeDaemon, arguments: list[str]) -> None:
    shell.curated()
    assert shell("pin", "add", *arguments).code == 2
    assert not daemon.asked("POST", PINS)


def test_a_follower_may_not_write(shell: Shell, daemon: FakeDaemon) -> None:
    shell.followed()
    for arguments in (["add", CID], ["rm", CID], ["update", CID, CID_2]):
        result = shell("pin", *arguments)
        assert result.code == 8
        assert "may not write" in result.err
    assert not daemon.requests


def test_rm_of_what_is_not_there_is_exit_1(shell: Shell, daemon: FakeDaemon) -> None:
    shell.curated()
    assert shell("pin", "rm", CID).code == 0
    daemon.on("POST", PINS, {"added": 0, "removed": 1, "absent": [CID_2]})
    result = shell("pin", "rm", CID, CID_2)
    assert (result.code, result.out.split()) == (1, [CID])
    assert f"{CID_2} was not on the list" in result.err


def test_update_hands_the_options_over(shell: Shell, daemon: FakeDaemon) -> None:
    shell.curated()
    daemon.on("GET", "/clusters/books/pinset", [pin_object(replication_factor_min=2, replication_factor_max=3)])
    assert shell("pin", "update", CID, CID_2, "--unpin").code == 0
    new, old = daemon.asked("POST", PINS)[0].lines
    assert (new["cid"], new["pin_update"], new["name"]) == (CID_2, CID, "quijote.zip")
    assert (new["replication_factor_min"], new["replication_factor_max"]) == (2, 3)
    assert new["expire_at"] is None
    assert (old["cid"], old["remove"]) == (CID, True)
    assert shell("pin", "update", CID, CID).code == 2


def test_update_of_what_is_not_there(shell: Shell, daemon: FakeDaemon) -> None:
    shell.curated()
    daemon.on("GET", "/clusters/books/pinset", NotFound("not in the list"))
    assert shell("pin", "update", CID, CID_2).code == 1


def test_ls(shell: Shell, daemon: FakeDaemon) -> None:
    shell.followed()
    daemon.on("GET", "/clusters/books/pinset", [pin_object()])
    assert "quijote.zip  (everywhere)" in shell("pin", "ls").out
    assert list(json.loads(shell("pin", "ls", "--json").out))[:3] == [
        "replication_factor_min",
        "replication_factor_max",
        "name",
    ]
    assert len(shell("pin", "ls").out.splitlines()) == 1, "in a pipe nothing is shortened and a pin is a line"
    shell("pin", "ls", CID)
    assert daemon.requests[-1].query == {"cid": [CID]}


def test_status_asks_everybody_or_this_peer(shell: Shell, daemon: FakeDaemon) -> None:
    shell.followed()
    daemon.on("GET", f"{PINS}/status", [pin_status(statuses=("pinned", "pin_error"))])
    result = shell("pin", "status", "--local")
    assert "pin_error" in result.out
    assert daemon.requests[-1].query == {"local": ["1"]}


def test_wait_returns_when_enough_have_it(shell: Shell, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch) -> None:
    shell.curated()
    slept: list[float] = []
    monkeypatch.setattr(pin.time, "sleep", slept.append)
    answers = iter([("pinning", "pinned"), ("pinned", "pinned")])
    daemon.on("GET", f"{PINS}/status", lambda _: [pin_status(statuses=next(answers))])
    assert shell("pin", "add", CID, "--wait", "2").code == 0
    assert len(slept) == 1


def test_wait_runs_out_of_time(shell: Shell, daemon: FakeDaemon) -> None:
    shell.curated()
    daemon.on("GET", f"{PINS}/status", [pin_status(statuses=("pinning",))])
    result = shell("pin", "add", CID, "--wait", "1", "--timeout", "0.001s")
    assert result.code == 7
    assert result.out.split() == [CID]
    assert "Time ran out: 1 of 1 pin is not yet pinned by" in result.err
