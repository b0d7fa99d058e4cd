"""`skip` and `next`: what a user says of single pins."""

from __future__ import annotations

import json

import pytest

from pincrew.api.shapes import Chosen
from support.fake_daemon import FakeDaemon
from support.shape_examples import CID, CID_2
from support.shell import Shell

ROUTE = "/clusters/books/choices"


@pytest.mark.parametrize(
    ("arguments", "choice", "words"),
    [
        (["skip", CID], "skip", "1 pin of books is not kept here any more"),
        (["next", CID], "next", "1 pin of books comes next"),
        (["skip", CID, "--undo"], None, "treated like all others again"),
        (["next", CID, "--undo"], None, "treated like all others again"),
    ],
)
def test_a_word_is_taken(
    shell: Shell, daemon: FakeDaemon, arguments: list[str], choice: str | None, words: str
) -> None:
    shell.followed()
    daemon.on("POST", ROUTE, Chosen("books", choice, 1, [], []))
    said = shell(*arguments)
    assert said.code == 0 and words in said.out
    assert daemon.asked("POST", ROUTE)[0].json == {"cids": [CID], "choice": choice}


def test_what_is_not_on_the_list_is_exit_1(shell: Shell, daemon: FakeDaemon) -> None:
    shell.followed()
    daemon.on("POST", ROUTE, Chosen("books", "skip", 1, [CID_2], []))
    said = shell("skip", CID, CID_2)
    assert said.code == 1 and f"{CID_2} is not on the list" in said.err and "1 pin" in said.out
    found = json.loads(shell("skip", CID, CID_2, "--json").out)
    assert found == {"schema": 1, "cluster": "books", "choice": "skip", "pins": 1, "absent": [CID_2], "denied": []}


def test_what_a_denylist_keeps_out_is_named(shell: Shell, daemon: FakeDaemon) -> None:
    shell.followed()
    daemon.on("POST", ROUTE, Chosen("books", "next", 1, [], [CID]))
    said = shell("next", CID)
    assert said.code == 0 and f"{CID} does not come: your denylist" in said.err and not said.out


@pytest.mark.parametrize("arguments", [["skip"], ["next"], ["skip", "nonsense"]])
def test_bad_input_is_exit_2_and_changes_nothing(shell: Shell, daemon: FakeDaemon, arguments: list[str]) -> None:
    shell.followed()
    assert shell(*arguments).code == 2
    assert not daemon.asked("POST", ROUTE)
