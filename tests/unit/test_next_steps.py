"""Every cause that pincrew itself has words for comes with what to do about it."""

from __future__ import annotations

import pytest

from pincrew import tracker
from pincrew.errors import NodeRefused, NoProgress, StoreFault
from pincrew.next_steps import next_step

_NO_CAUSES = ("TABLE", "FOR_ROOM", "OWN_DECISION_MS")
CAUSES = {
    name: value
    for name, value in vars(tracker).items()
    if name.isupper() and not name.startswith("_") and isinstance(value, str) and name not in _NO_CAUSES
}
OTHERWISE = next_step("something that nobody thought of")


def test_there_are_causes() -> None:
    assert {"NO_PROVIDER", "STALLED", "REFUSED", "NO_ROOM", "NOT_PART"} <= set(CAUSES)


@pytest.mark.parametrize("cause", CAUSES.values(), ids=CAUSES)
def test_each_has_a_step(cause: str) -> None:
    said = cause.format(minutes=30, sentence="pin: block was not found locally")
    assert next_step(said) != OTHERWISE


def test_faults_as_they_come() -> None:
    def step(error: NodeRefused | NoProgress | StoreFault, blocks: int) -> str:
        return next_step(tracker.fault_of(error, blocks_done=blocks, waited_s=1_800).cause)

    assert "nobody has it" in step(NoProgress("silence"), 0)
    assert "goes on where it was" in step(NoProgress("silence"), 7)
    assert "log" in step(NodeRefused("merkledag: not found"), 7)
    assert "--limit" in step(NodeRefused("no space left on device"), 7)
    assert "doctor" in step(StoreFault("the disk is full"), 7) == OTHERWISE
