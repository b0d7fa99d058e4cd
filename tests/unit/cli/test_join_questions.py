"""What is asked before joining, and what the answers come to."""

from __future__ import annotations

import os
import sys

import msgspec
import pytest

from pincrew.api.shapes import AcceptRequest, NetworkLimits, NetworkLimitsRequest
from pincrew.cli import autostart
from pincrew.cli.follow import follow
from pincrew.cli.invocation import Invocation
from pincrew.cli.join_questions import Answers, asked, with_usual_limit
from pincrew.cli.output import Output
from pincrew.errors import Misuse, WorldFault
from pincrew.paths import Home
from support.fake_daemon import FakeDaemon
from support.shape_examples import followed, offer, prospect, summary
from support.typist import Keyboard

GIGABYTE = 10**9
NO_LIMITS = NetworkLimits(None, None, None, None, None, False, None, None, False, "/settings.toml")
EMBEDDED = prospect(node_kind="embedded", node_version=None)


@pytest.fixture(autouse=True)
def _nothing_holds_yet(home: Home, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autostart, "is_possible", lambda _: False)
    daemon.on("GET", "/network", NO_LIMITS)


def typing(monkeypatch: pytest.MonkeyPatch, *lines: str) -> tuple[Invocation, Keyboard]:
    """Somebody at a terminal who types these lines, and what is shown there."""
    said = Keyboard()
    monkeypatch.setattr(sys, "stdin", Keyboard("".join(f"{line}\n" for line in lines)))
    monkeypatch.setattr(sys, "stderr", said)
    return Invocation(Output(), os.environ), said


def test_the_usual_limit() -> None:
    request = AcceptRequest(offer="x")
    assert with_usual_limit(request, prospect(), is_agreed=True).limit == "3050GB"
    unseen = prospect(volume_free=None, limit=None)
    assert with_usual_limit(request, unseen, is_agreed=True).limit == "none"
    little = prospect(volume_free=9 * GIGABYTE, limit=None)
    assert with_usual_limit(request, little, is_agreed=False).limit is None
    with pytest.raises(Misuse, match="--limit SIZE"):
        with_usual_limit(request, little, is_agreed=True)
    chosen = AcceptRequest(offer="x", limit="1GB")
    assert with_usual_limit(chosen, little, is_agreed=True) is chosen


def test_enter_takes_what_is_proposed(monkeypatch: pytest.MonkeyPatch) -> None:
    request = AcceptRequest(offer="x", ipfs="embedded", limit="5GB")
    invocation, said = typing(monkeypatch, "", "", "", "", "")
    assert asked(invocation, request, AcceptRequest(offer="x"), EMBEDDED) == Answers(request, None, False)
    assert "[5.00 GB]" in said.getvalue()


def test_answers_are_checked_and_count(monkeypatch: pytest.MonkeyPatch) -> None:
    request = AcceptRequest(offer="x", ipfs="embedded", limit="5GB")
    invocation, said = typing(monkeypatch, "0", "1MB", "2GB", "3MB", "much", "1MB", "x" * 65, "Ana", "y")
    found = asked(invocation, request, AcceptRequest(offer="x"), EMBEDDED)
    wanted = msgspec.structs.replace(request, limit="2GB", peer_name="Ana")
    assert found == Answers(wanted, NetworkLimitsRequest(download="3MB", upload="1MB"), False)
    assert "less than 64 MiB" in said.getvalue()


def test_what_options_said_is_not_asked_and_nobody_limits_what_a_kubo_sends(
    daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = AcceptRequest(offer="x", ipfs="kubo", limit="5GB", peer_name="Ana")
    invocation, _ = typing(monkeypatch, "", "n")
    assert asked(invocation, options, options, prospect()) is None
    daemon.on("GET", "/network", msgspec.structs.replace(NO_LIMITS, download=2 * 10**6))
    invocation, said = typing(monkeypatch, "none", "y")
    answers = Answers(options, NetworkLimitsRequest(download="none"), False)
    assert asked(invocation, options, options, prospect()) == answers
    assert "fetch a second [2.00 MB]" in said.getvalue() and "send a second" not in said.getvalue()


def test_who_hangs_up_does_not_join(monkeypatch: pytest.MonkeyPatch) -> None:
    invocation, _ = typing(monkeypatch)
    assert asked(invocation, AcceptRequest(offer="x"), AcceptRequest(offer="x"), prospect()) is None


@pytest.mark.parametrize(("answer", "is_on"), [("", True), ("n", False)])
def test_starting_at_login_is_asked_where_it_can_be(
    daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch, answer: str, is_on: bool
) -> None:
    turned_on = []

    def turn_on(_: Invocation, *, is_agreed: bool) -> None:
        turned_on.append(is_agreed)
        raise WorldFault("systemd refuses")  # which is told, and the cluster is followed all the same

    monkeypatch.setattr(autostart, "is_possible", lambda _: True)
    monkeypatch.setattr(autostart, "turn_on", turn_on)
    daemon.on("POST", "/offers", offer())
    daemon.on("POST", "/offers/prospect", prospect())
    daemon.on("POST", "/offers/accept", followed())
    daemon.on("GET", "/clusters/books/summary", summary(state="complete"))
    daemon.on("POST", "/network", NO_LIMITS)
    invocation, said = typing(monkeypatch, "", "5MB", "", answer, "")
    assert follow(invocation, "https://example.org/books.toml", ipfs="127.0.0.1:1") == 0
    assert turned_on == ([False] if is_on else [])
    assert daemon.asked("POST", "/network")[0].json["download"] == "5MB"
    assert ("systemd refuses" in said.getvalue()) is is_on
