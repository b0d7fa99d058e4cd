"""`verify`: what was found, in words and in an exit code."""

from __future__ import annotations

import json

import pytest

from pincrew.api.shapes import Verified
from pincrew.errors import NotFound
from support.fake_daemon import FakeDaemon
from support.shape_examples import CID, CID_2
from support.shell import Shell

ROUTE = "/clusters/books/verify"
TIME = "2026-01-01T00:00:00.000Z"
SOUND = Verified("books", CID, "a\x1bname", "sound", 4, 1_000_000, 0, 0, None, TIME)
REPAIRED = Verified("books", CID_2, "", "repaired", 3, 5_000, 1, 2, None, TIME)
DAMAGED = Verified("books", CID, "b", "damaged", 3, 5_000, 1, 0, "nobody has it", None)
ABSENT = Verified("books", CID, "c", "absent", 0, 0, 0, 0, "it is not pinned here (queued)", None)


def test_sound_and_repaired_pins(shell: Shell, daemon: FakeDaemon) -> None:
    shell.followed()
    daemon.on("POST", ROUTE, [SOUND, REPAIRED])
    result = shell("verify", "--all")
    assert result.code == 0
    assert "sound" in result.out and "1.00 MB" in result.out and "\x1b" not in result.out
    assert "1 block damaged, 2 blocks missing: fetched again" in result.out
    assert "2 pins looked at, 1.00 MB read: 1 repaired, 1 sound." in result.err
    assert daemon.asked("POST", ROUTE)[0].json == {"cids": [], "which": "all"}


@pytest.mark.parametrize(("line", "words"), [(DAMAGED, "nobody has it"), (ABSENT, "it is not pinned")])
def test_what_is_not_well_is_exit_1(shell: Shell, daemon: FakeDaemon, line: Verified, words: str) -> None:
    shell.followed()
    daemon.on("POST", ROUTE, [SOUND, line])
    result = shell("verify", CID, CID)
    assert (result.code, words in result.out) == (1, True)
    assert daemon.asked("POST", ROUTE)[0].json == {"cids": [CID], "which": None}


def test_lines_for_programs(shell: Shell, daemon: FakeDaemon) -> None:
    shell.followed()
    daemon.on("POST", ROUTE, [SOUND, DAMAGED])
    result = shell("verify", "--sample", "--json")
    assert result.code == 1 and result.err == ""
    assert [json.loads(line)["result"] for line in result.out.splitlines()] == ["sound", "damaged"]


def test_nothing_pinned(shell: Shell, daemon: FakeDaemon) -> None:
    shell.followed()
    daemon.on("POST", ROUTE, [])
    assert shell("verify", "--all").err == "Nothing is pinned here.\n"


def test_a_cid_that_is_not_listed(shell: Shell, daemon: FakeDaemon) -> None:
    shell.followed()
    daemon.on("POST", ROUTE, NotFound(f"{CID} is not on the list"))
    result = shell("verify", CID)
    assert (result.code, "is not on the list" in result.err) == (1, True)


@pytest.mark.parametrize("arguments", [[], [CID, "--all"], ["--all", "--sample"], ["nope"]])
def test_bad_input_is_exit_2(shell: Shell, daemon: FakeDaemon, arguments: list[str]) -> None:
    shell.followed()
    assert shell("verify", *arguments).code == 2
    assert not daemon.requests


def test_it_needs_the_daemon(shell: Shell) -> None:
    shell.followed()
    assert shell("verify", "--all").code == 3
