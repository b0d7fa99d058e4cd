"""The join screen: at most 76 columns, and everything that a volunteer must know."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

from pincrew.api.shapes import AcceptRequest, Offer
from pincrew.cli.join_text import describe
from pincrew.cli.output import Output
from support.shape_examples import PEER, offer

NOW = datetime(2026, 1, 4, tzinfo=UTC)


def screen(shown: Offer, **chosen: Any) -> str:
    output = Output(environment={}, out=io.StringIO(), err=io.StringIO())
    return describe(shown, AcceptRequest(offer="", **chosen), node="the Kubo at 127.0.0.1", now=NOW, output=output)


def words_of(text: str) -> str:
    return " ".join(text.split())


def test_what_it_says() -> None:
    text = screen(offer())
    for words in (
        "Join “Books”?",
        "12, signed 3 days ago",
        "1,204,311 when this was signed, 1.52 TB in all",
        "no name (--peer-name gives you one)",
        "1 curator can add or remove pins",
        "unpin your own pins",
        "IPFS node the Kubo at 127.0.0.1",
        "kept a day",
        "--unlisted",
        "ab" * 32,
        "this first fetch",
    ):
        assert words in " ".join(text.split()) or words in text


def test_choices_are_told() -> None:
    assert "at once (--obey)" in screen(offer(), obey=True)
    assert "is kept out of" in words_of(screen(offer(), unlisted=True))
    assert "and your name “Ana’s cellar”" in words_of(screen(offer(), peer_name="Ana’s cellar"))
    assert "not said" in screen(offer(pins_hint=None))
    assert "none when this was signed" in screen(offer(pins_hint=0, bytes_hint=0))


def test_where_pincrews_own_node_looks_is_told_and_offered() -> None:
    assert "Looks for it" not in screen(offer())
    offered = words_of(screen(offer(), ipfs="embedded"))
    assert "at the crew's nodes alone (--router URL and --gateway URL add others" in offered
    chosen = words_of(screen(offer(), ipfs="embedded", routers=["https://r.example"], gateways=["https://g.example"]))
    assert "at the crew's nodes, and at https://r.example, https://g.example" in chosen


def test_a_closed_cluster_asks_for_its_key_until_it_is_given() -> None:
    closed = offer(is_closed=True, needs_secret=True)
    assert "--secret-file FILE" in screen(closed)
    given = screen(closed, secret_file="/media/stick/crew.key")
    assert "--secret-file" not in given
    assert "its private network key is read from /media/stick/crew.key" in words_of(given)


def test_an_id_that_was_named_is_shown_once_and_as_such() -> None:
    named = screen(offer(source=f"https://example.org/books.toml#{'ab' * 32}", warnings=[]))
    assert named.count("ab" * 32) == 1
    assert "the one that you named" in named
    assert "that you named" not in screen(offer())


def test_lines_are_short_and_strangers_words_steer_nothing() -> None:
    text = screen(offer(title="\x1b[2J", description="d " * 500, curators=[PEER] * 9, warnings=["w " * 100]))
    assert max(len(line) for line in text.splitlines()) <= 76
    assert "\x1b" not in text
    assert "and others" in text
