"""Steps run here and now: their order, their result, and what becomes of what a blocking one raises."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from pincrew.steps import Step, finish


def test_steps_run_in_order_and_the_result_is_returned() -> None:
    done: list[str] = []

    def work() -> Generator[Step, None, int]:
        yield lambda: done.append("first")
        yield None
        yield lambda: done.append("second")
        return len(done)

    assert finish(work()) == 2
    assert done == ["first", "second"]


def test_what_a_step_raises_is_for_the_generator_to_judge() -> None:
    def failing() -> None:
        raise OSError("full")

    def patient() -> Generator[Step, None, str]:
        try:
            yield failing
        except OSError as error:
            yield None
            return str(error)
        return ""

    def helpless() -> Generator[Step, None, None]:
        yield failing

    assert finish(patient()) == "full"
    with pytest.raises(OSError, match="full"):
        finish(helpless())
