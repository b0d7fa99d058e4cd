"""The join screen: at most 76 columns, and everything that a volunteer must know."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

from pincrew.api.shapes import AcceptRequest, Offer, Prospect
from pincrew.cli.join_text import describe
from pincrew.cli.output import Output
from support.shape_examples import PEER, offer, prospect

NOW = datetime(2026, 1, 4, tzinfo=UTC)

EMBEDDED = prospect(node_kind="embedded", node_version=None)


def screen(shown: Offer, met: Prospect | None = None, **chosen: Any) -> str:
    output = Output(environment={}, out=io.StringIO(), err=io.StringIO())
    request = AcceptRequest(offer="", **chosen)
    return describe(shown, request, met or prospect(), node="the Kubo at 127.0.0.1", now=NOW, output=output)


def words_of(text: str) -> str:
    return " ".join(text.split())


def test_what_it_says() -> None:
    text = screen(offer())
    for words in (
        "Join “Books”?",
        "12, signed 3 days ago",
        "1,204,311 when this was signed, 1.52 TB",
        "no name (--peer-name gives you one)",
        "Who decides 1 curator: …",
        "They can add and remove pins",
        "✓ your IPFS node answers: kubo/0.43.1",
        "✓ 3.40 TB of 4.00 TB are free where it stores",
        "✓ folder can be written: /home/of/it",
        "✓ reached: 1 of 1 curator, 1 of 2 other peers",
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
    offered = words_of(screen(offer(), EMBEDDED))
    assert "at the crew's nodes alone (--router URL and --gateway URL add others" in offered
    chosen = words_of(screen(offer(), EMBEDDED, routers=["https://r.example"], gateways=["https://g.example"]))
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


def test_the_share_whose_size_is_known() -> None:
    assert "1.52 TB (size known for 97.0 %)" in words_of(screen(offer(sized_hint=1_168_182)))
    assert "of none the size is known" in words_of(screen(offer(bytes_hint=None)))


def test_the_limit_and_what_of_a_larger_list_is_kept() -> None:
    assert "Your limit none (--limit SIZE sets one); 10 % of the volume" in words_of(screen(offer(), limit="none"))
    assert "Your limit you are asked; 5 % of the volume" in words_of(screen(offer(), keep_free=5))
    assert "380.0 GB" in screen(offer(), limit="380GB")
    assert "you keep a part of it: about 25.0 %" in words_of(screen(offer(), limit="380GB"))
    assert "the first pins" in words_of(screen(offer(), limit="380GB", part="all"))
    assert "of a larger list, a part" in words_of(screen(offer(), limit="2TB"))


def test_what_is_not_as_it_should_be_is_said_with_what_it_means() -> None:
    met = prospect(node_version=None, volume_total=None, volume_free=None, limit=None, folder_trouble="Read-only")
    text = words_of(screen(offer(), met))
    assert "· your IPFS node does not answer yet: it is waited for" in text
    assert "· its disk cannot be seen from here" in text
    assert "✗ folder cannot be written: /home/of/it: Read-only" in text
    assert "✗ 9.00 GB of 4.00 TB are free" in words_of(screen(offer(), prospect(limit=None, volume_free=9 * 10**9)))
    enough = screen(offer(), prospect(limit=None, volume_free=9 * 10**9), limit="1GB")
    assert "✓ 9.00 GB of 4.00 TB are free" in words_of(enough), "it is the user's own word"
    others = screen(offer(), prospect(curators_reached=0))
    assert "no curator is reached now, but 1 of 2 other peers: they have the list" in words_of(others)
    assert "nobody of this cluster is reached now" in screen(offer(), prospect(curators_reached=0, others_reached=0))
    assert "your IPFS node" not in screen(offer(), EMBEDDED), "its own is started when it is needed"
