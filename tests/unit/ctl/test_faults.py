"""What ends a command, and its exit code."""

from __future__ import annotations

from pincrew.ctl.faults import Exit, Refused, Stopped, UsageFault, no_answer
from pincrew.rest.shapes import Fault


def test_exit_codes() -> None:
    assert Refused(Fault(code=404, message="x")).code == Exit.REFUSED == 2
    assert no_answer("x").code == Exit.FAILED == 1
    assert (Stopped("", "x").code, Stopped("", "x", Exit.OUT_OF_TIME).code, UsageFault("x").code) == (1, 62, 1)


def test_words() -> None:
    assert str(Stopped("parsing cid", "too short")) == "error parsing cid: too short"
    assert str(Stopped("", "too short")) == "error : too short"
    assert str(Refused(Fault(code=500, message="no"))) == "no (500)"
