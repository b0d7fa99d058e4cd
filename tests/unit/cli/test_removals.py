"""`removals` and `source`: the user's word."""

from __future__ import annotations

import json

import msgspec
import pytest

from pincrew.api.shapes import Removals, SourceInfo
from pincrew.errors import NotFound
from support.fake_daemon import FakeDaemon
from support.shell import Shell

HELD = Removals(
    "books", "consent", 1_200, 9_000_000, "1,200 pins in a day", None, "2099-01-01T00:00:00Z", ["a", "b"], None
)
NONE = Removals("books", "none", 0, None, None, None, None, [], None)
ROUTE = "/clusters/books/removals"


def test_show(shell: Shell, daemon: FakeDaemon) -> None:
    shell.followed()
    daemon.on("GET", ROUTE, HELD)
    result = shell("removals", "show")
    assert "1,200 pins (9.00 MB)" in result.out
    assert "removals accept" in result.err
    assert json.loads(shell("removals", "show", "--json").out)["schema"] == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"decided": "accept"}, "You accepted that: what is still here is being unpinned"),
        ({"decided": "reject"}, "You rejected that: what is here stays pinned, as your own"),
        ({"state": "waiting", "reason": None}, "unless you decide before"),
        ({"pins": 7}, "and 5 more"),
        ({"pins": 1, "bytes": None, "examples": ["a"]}, "1 pin left the list and is still held here"),
    ],
)
def test_what_is_said_of_what_is_still_held(
    shell: Shell, daemon: FakeDaemon, changes: dict[str, object], words: str
) -> None:
    shell.followed()
    held = msgspec.structs.replace(HELD, **changes)
    daemon.on("GET", ROUTE, held)
    result = shell("removals", "show")
    assert words in result.out
    assert ("removals accept" in result.err) is (held.decided is None), "nothing is asked that was answered"


@pytest.mark.parametrize("decision", ["accept", "reject"])
def test_a_decision_needs_a_yes(shell: Shell, daemon: FakeDaemon, decision: str) -> None:
    shell.followed()
    daemon.on("GET", ROUTE, HELD)
    daemon.on("POST", ROUTE, NONE)
    assert shell("removals", decision).code == 2
    assert not daemon.asked("POST", ROUTE)
    assert shell("removals", decision, "--yes").code == 0
    assert daemon.asked("POST", ROUTE)[0].json == {"decision": decision}


def source(differences: list[str]) -> SourceInfo:
    return SourceInfo("books", "https://x/y.toml", "changed", 3, "2026-01-01T00:00:00Z", None, differences)


def test_a_source(shell: Shell, daemon: FakeDaemon) -> None:
    shell.followed()
    route = "/clusters/books/source"
    daemon.on("GET", route, source(["curator added: X"]))
    daemon.on("POST", route, source([]))
    assert "revision 3" in shell("source", "show").out
    assert daemon.asked("POST", route)[0].json == {"decision": "check"}
    assert shell("source", "diff").out == "curator added: X\n"
    assert shell("source", "accept").code == 2
    assert shell("source", "accept", "--yes").code == 0
    assert shell("source", "reject").code == 0
    assert [one.json["decision"] for one in daemon.asked("POST", route)] == ["check", "accept", "reject"]
    daemon.on("POST", route, NotFound("No config document waits for your word"))
    assert shell("source", "reject").code == 1
