"""How far the reading or writing of a long list is, on stderr, while the data goes elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from pincrew.cli.output import Output

_STEP = 500
Item = TypeVar("Item")


class Progress:
    """Counts what passes; draws nothing."""

    def over(self, items: Iterable[Item]) -> Iterator[Item]:
        """Yield ``items`` and count them."""
        for number, item in enumerate(items, 1):
            yield item
            if number % _STEP == 0:
                self.advance(_STEP)

    def advance(self, count: int) -> None:
        """So many more are done."""


@contextmanager
def shown(output: Output, words: str, total: int | None, *, is_drawn: bool = True) -> Iterator[Progress]:
    """Draw a bar for the length of the block where stderr is a terminal; ``total`` None where it is not known."""
    if not (is_drawn and output.is_talk_live):
        yield Progress()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    class Drawn(Progress):
        def advance(self, count: int) -> None:
            bars.advance(task, count)

    console = Console(file=output.err, no_color=bool(output.environment.get("NO_COLOR")))
    columns = (TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=console, transient=True) as bars:
        task = bars.add_task(words, total=total)
        yield Drawn()
