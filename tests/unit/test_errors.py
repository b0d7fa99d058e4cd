"""What a person is told: where it was is said once."""

from __future__ import annotations

from pincrew.errors import WorldFault

FAULT = WorldFault("It hung up", where="ana", means="Nothing was lost", next_step="Try `retry`")


def test_all_four_parts_are_one_paragraph() -> None:
    assert str(FAULT) == FAULT.sentence == "It hung up (ana). Nothing was lost. Try `retry`"


def test_who_is_named_already_is_not_named_again() -> None:
    assert FAULT.said_of("ana") == "It hung up. Nothing was lost. Try `retry`"
    assert FAULT.said_of("ben") == FAULT.sentence
