"""How many pins are meant, and how much."""

from __future__ import annotations

from pincrew.tui.dialogs.marked import Marked, look_at

from pincrew import limits
from support.acting_client import LIST, ActingClient
from support.fake_client import a_pin


def test_what_they_come_to() -> None:
    lines = [a_pin(number) for number in range(5)]
    marked = Marked([line.cid for line in lines], lines)
    total = sum(line.size or 0 for line in lines)
    assert marked.amount.startswith("5 pins, ") and total > 0
    assert marked.names.splitlines()[-1] == "  and 2 more" and len(marked.names.splitlines()) == 4
    assert not marked.all_are("pinned") and Marked([lines[0].cid], lines[:1]).all_are("pinned")


def test_what_was_not_looked_at_is_not_counted_as_nothing() -> None:
    lines = [a_pin(0)]
    assert Marked(["a", "b"], lines).amount == "2 pins, at least 100.0 kB"
    assert Marked(["a"], []).amount == "1 pin of unknown size"
    assert not Marked(["a", "b"], lines).all_are("pinned")


def test_of_very_many_only_the_first_are_looked_at() -> None:
    client = ActingClient()
    many = [a_pin(number).cid for number in range(limits.VIEW_MARKED_LOOKED_AT_MAX + 1)]
    assert len(look_at(client, LIST, many).lines) == limits.VIEW_MARKED_LOOKED_AT_MAX
