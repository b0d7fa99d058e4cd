"""The join screen: at most 76 columns but for the cluster's id, and everything that a volunteer must know."""

from __future__ import annotations

import io
from datetime import UTC, datetime

from pincrew.api.shapes import Offer
from pincrew.cli.join_text import describe
from pincrew.cli.output import Output
from support.shape_examples import PEER, offer

NOW = datetime(2026, 1, 4, tzinfo=UTC)


def screen(shown: Offer, *, is_listed: bool = True, is_obeying: bool = False) -> str:
    output = Output(environment={}, out=io.StringIO(), err=io.StringIO())
    return describe(shown, is_listed=is_listed, is_obeying=is_obeying, now=NOW, output=output)


def test_what_it_says() -> None:
    text = screen(offer())
    for words in (
        "Join “Books”?",
        "12, signed 3 days ago",
        "about 1,204,311, about 1.52 TB",
        "1 curator can add or remove pins",
        "unpin your own pins",
        "kept a day",
        "--unlisted",
        "ab" * 32,
        "this first fetch",
    ):
        assert words in " ".join(text.split()) or words in text


def test_choices_are_told() -> None:
    assert "at once (--obey)" in screen(offer(), is_obeying=True)
    assert "is kept out of" in " ".join(screen(offer(), is_listed=False).split())
    assert "--secret-file FILE" in screen(offer(is_closed=True, needs_secret=True))
    assert "not said" in screen(offer(pins_hint=None))


def test_lines_are_short_and_strangers_words_steer_nothing() -> None:
    text = screen(offer(title="\x1b[2J", description="d " * 500, curators=[PEER] * 9, warnings=["w " * 100]))
    assert max(len(line) for line in text.splitlines() if "ab" * 32 not in line) <= 76
    assert "\x1b" not in text
    assert "and others" in text
