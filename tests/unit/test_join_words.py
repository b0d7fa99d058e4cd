"""What is said before joining, whoever shows it; tests/unit/cli/test_join_text.py has the sentences one by one."""

from __future__ import annotations

from datetime import UTC, datetime

from pincrew import join_words
from pincrew.api.shapes import AcceptRequest
from support.shape_examples import offer, prospect

NOW = datetime(2026, 1, 4, tzinfo=UTC)
ASKED = AcceptRequest(offer="")
EMBEDDED = prospect(node_kind="embedded", node_version=None)


def said(rows: list[join_words.Row]) -> str:
    return "\n".join(f"{row.word}: {row.text}" for row in rows)


def test_options_are_named_where_there_are_some() -> None:
    for named in (True, False):
        text = said(join_words.terms(offer(), ASKED, are_options_named=named))
        text += said(join_words.finding(ASKED, EMBEDDED, are_options_named=named))
        assert ("--peer-name" in text, "--unlisted" in text, "--router" in text) == (named, named, named)
        assert "no name" in text and "every block is verified" in text


def test_where_it_comes_from() -> None:
    named = offer(source=f"https://example.org/books.toml#{'ab' * 32}")
    assert join_words.origin(named, NOW)[0] == ("from", "https://example.org/books.toml")
    assert "that you named" in join_words.identity(named).text
    assert join_words.origin(offer(), NOW) == [
        ("from", "https://example.org/books.toml"),
        ("revision", "12, signed 3 days ago"),
    ]
    assert join_words.heading(offer(title="\x1b[2J")) == "Join “\ufffd[2J”?"


def test_the_limit_that_is_proposed() -> None:
    assert join_words.usual_limit(prospect()) == "3050GB"
    assert join_words.usual_limit(prospect(limit=None, volume_free=None)) == join_words.NO_LIMIT
    assert join_words.usual_limit(prospect(limit=None, volume_free=9 * 10**9)) is None


def test_what_of_a_larger_list_is_kept() -> None:
    assert "about 25.0 %" in join_words.what_of_a_larger_list(25, "auto", 100)
    assert join_words.what_of_a_larger_list(25, "all", 100) == "of a larger list, the first pins"
    assert join_words.what_of_a_larger_list(200, "auto", 100) == "of a larger list, a part"


def test_how_things_are() -> None:
    tones = [found.tone for found in join_words.findings(prospect(), ASKED)]
    assert tones == ["good"] * 4
    bad = prospect(limit=None, volume_free=1, folder_trouble="Read-only", curators_reached=0, others_reached=0)
    assert [found.tone for found in join_words.findings(bad, ASKED)] == ["good", "bad", "bad", "warn"]
    assert len(join_words.findings(EMBEDDED, ASKED)) == 3, "its own node starts when it is needed"
