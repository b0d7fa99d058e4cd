"""`retry`: what failed is tried now, and what needs no try is told as such."""

from __future__ import annotations

import json

import pytest

from pincrew.errors import Misuse
from support.fake_daemon import FakeDaemon, Request
from support.shape_examples import CID, CID_2, pin_line
from support.shell import Shell

ROUTE = "/clusters/books/retry"


def test_every_error(shell: Shell, daemon: FakeDaemon) -> None:
    shell.followed()
    daemon.on("POST", ROUTE, {"pins": 12})
    result = shell("retry", "--all-errors")
    assert (result.code, result.out) == (0, "")
    assert "12 pins of books are tried again now" in result.err
    assert daemon.asked("POST", ROUTE)[0].json == {"cid": None}
    daemon.on("POST", ROUTE, {"pins": 0})
    assert shell("retry", "--all-errors").err == "No pin is in error.\n"


def test_named_ones(shell: Shell, daemon: FakeDaemon) -> None:
    shell.followed()

    def tried(request: Request) -> object:
        return {"pins": int(request.json["cid"] == CID)}

    daemon.on("POST", ROUTE, tried)
    daemon.on("GET", "/clusters/books/pins", [pin_line(CID_2, state="pinning")])
    result = shell("retry", CID, CID_2, CID)
    assert result.code == 0
    assert f"{CID_2} is being fetched already" in result.err
    assert "1 pin of books is tried again now" in result.err
    assert len(daemon.asked("POST", ROUTE)) == 2, "each once"
    assert json.loads(shell("retry", CID, CID_2, "--json").out) == {
        "schema": 1,
        "cluster": "books",
        "pins": 1,
        "others": {CID_2: "pinning"},
    }


def test_what_is_not_on_the_list_is_exit_1(shell: Shell, daemon: FakeDaemon) -> None:
    shell.followed()
    daemon.on("POST", ROUTE, {"pins": 0})
    daemon.on("GET", "/clusters/books/pins", [])
    result = shell("retry", CID)
    assert (result.code, f"{CID} is not on the list" in result.err) == (1, True)


@pytest.mark.parametrize("arguments", [[], [CID, "--all-errors"], ["nope"]])
def test_bad_input_is_exit_2_and_tries_nothing(shell: Shell, daemon: FakeDaemon, arguments: list[str]) -> None:
    shell.followed()
    result = shell("retry", *arguments)
    assert result.code == Misuse.exit_code
    assert not daemon.asked("POST", ROUTE)


def test_it_needs_the_daemon(shell: Shell) -> None:
    shell.followed()
    assert shell("retry", "--all-errors").code == 3
