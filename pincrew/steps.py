"""Work in steps, so that whoever owns it decides how to wait.

Generators of *steps*: a step is None (a place to let others run; the work between two takes well below a millisecond)
or a function that blocks and may run in a thread. What such a function raises is thrown into the generator.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeVar

Step = Callable[[], None] | None
Result = TypeVar("Result")


def finish(steps: Generator[Step, None, Result]) -> Result:
    """Run all steps here and now."""
    raised: Exception | None = None
    while True:
        try:
            step = next(steps) if raised is None else steps.throw(raised)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]
        raised = None
        if step is not None:
            try:
                step()
            except Exception as error:  # whatever it is, the generator decides what it means
                raised = error
