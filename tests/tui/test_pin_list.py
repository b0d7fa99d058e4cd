"""How a pin is read in the list, and which pins are asked for."""

from __future__ import annotations

import pytest
from pincrew.tui import pin_list
from pincrew.tui.pin_list import COLUMNS, SORTS, Question

from support.shape_examples import CID, pin_line


def test_each_column_has_its_cell() -> None:
    assert len(pin_list.cells(pin_line())) == len(COLUMNS)


@pytest.mark.parametrize(
    ("changes", "done"),
    [
        ({"state": "pinned"}, "100 %"),
        ({"state": "pinning", "bytes_done": 94, "size": 100}, "94 %"),
        ({"state": "pinning", "bytes_done": 100, "size": 100}, "99 %"),
        ({"state": "pinning", "bytes_done": 7, "size": None}, "…"),
        ({"state": "pinning", "bytes_done": None, "size": None}, "—"),
        ({"state": "queued"}, "—"),
    ],
)
def test_how_much_is_here(changes: dict[str, object], done: str) -> None:
    assert pin_list.done(pin_line(**changes)) == done


def test_a_pin_without_a_name_is_told_by_its_cid() -> None:
    assert pin_list.cells(pin_line(name=""))[2] == CID
    assert pin_list.tone("name", pin_line(name="")) == "dim"


def test_questions() -> None:
    question = Question(find="state:error")
    assert question.query == [("find", "state:error"), ("sort", "added")]
    assert question.text == "“state:error” · newest first"
    seen = []
    for _ in SORTS:
        seen.append(question.sort)
        question = question.next_sort()
    assert tuple(seen) == SORTS and question.sort == "added"


def test_totals() -> None:
    assert pin_list.total_text(1, 0) == "1 pin"
    assert pin_list.total_text(None, 256) == "at least 256 pins"
