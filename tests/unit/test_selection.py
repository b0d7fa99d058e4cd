"""What is kept at all: the user's word, then his denylists, then the part."""

from __future__ import annotations

from pincrew.cid import cid_text
from pincrew.denylist import Denylist, parse
from pincrew.selection import Selection
from pincrew.tracker import DENIED, NOT_PART, SKIPPED_BY_USER
from pincrew.values import Choice, Pin
from support.pinner_bench import cid_of, pin_of


class Nothing:
    def keeps(self, pin: Pin) -> bool:
        return False


def denying(*numbers: int) -> Denylist:
    return parse(f"/ipfs/{cid_text(cid_of(number))}\n".encode() for number in numbers)


def cause(selection: Selection, number: int) -> str | None:
    fault = selection.verdict(pin_of(number))
    return None if fault is None else fault.cause


def test_without_rules_everything_is_kept() -> None:
    assert Selection().is_everything and cause(Selection(), 1) is None


def test_the_users_word_holds_over_the_part_and_a_denylist_over_next() -> None:
    selection = Selection(
        choices={cid_of(1): Choice.SKIP, cid_of(2): Choice.NEXT, cid_of(3): Choice.NEXT},
        denylists=[denying(1, 3, 4)],
        part=Nothing(),
    )
    assert not selection.is_everything
    assert cause(selection, 1) == SKIPPED_BY_USER
    assert cause(selection, 2) is None
    assert cause(selection, 3) == DENIED
    assert cause(selection, 4) == DENIED
    assert cause(selection, 5) == NOT_PART


def test_a_denial_names_its_line() -> None:
    fault = Selection(denylists=[denying(7, 8)]).verdict(pin_of(8))
    assert fault is not None and "line 2" in fault.error


def test_rules_change_while_it_is_at_work() -> None:
    selection = Selection()
    selection.part = Nothing()
    assert cause(selection, 1) == NOT_PART
    selection.part = None
    selection.choices = {cid_of(1): Choice.SKIP}
    assert cause(selection, 1) == SKIPPED_BY_USER
