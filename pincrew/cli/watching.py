"""Watching a cluster come up: a moving picture on a terminal, lines elsewhere. Looking never changes anything."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from pincrew.api.shapes import Summary
from pincrew.cli import status_text
from pincrew.cli.invocation import Invocation

POLL_S = 1.0
_LINE_EVERY_S = 30.0
DONE = ("complete", "full")


def watch(
    invocation: Invocation,
    name: str,
    *,
    deadline: float | None = None,
    is_done: Callable[[Summary], bool] | None = None,
) -> Summary | None:
    """Show a cluster until it is complete or full; return its last summary, or None when the time ran out."""
    finished = is_done or (lambda cluster: cluster.state in DONE)
    summaries = _summaries(invocation, name, deadline, finished)
    last = _draw(invocation, summaries) if invocation.output.is_live else _tell(invocation, summaries)
    return last if last is not None and finished(last) else None


def _summaries(
    invocation: Invocation, name: str, deadline: float | None, finished: Callable[[Summary], bool]
) -> Iterator[Summary]:
    while True:
        found = invocation.client.summary(name)
        yield found
        if finished(found):
            return
        left = POLL_S if deadline is None else min(POLL_S, deadline - time.monotonic())
        if left <= 0:
            return
        time.sleep(left)


def _tell(invocation: Invocation, summaries: Iterator[Summary]) -> Summary | None:
    """Say each change of state, and at most one line of progress per 30 s."""
    last, told_at, told = None, 0.0, ""
    for last in summaries:
        text = f"{last.name}: {last.state}, {' '.join(status_text.progress(last).split())}"
        if last.state != told or time.monotonic() - told_at >= _LINE_EVERY_S:
            invocation.output.say(text)
            told, told_at = last.state, time.monotonic()
    return last


def _draw(invocation: Invocation, summaries: Iterator[Summary]) -> Summary | None:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.padding import Padding
    from rich.progress_bar import ProgressBar
    from rich.text import Text

    console = Console(stderr=True, no_color=not invocation.output.has_color, highlight=False)
    last = None
    with Live(console=console, transient=True, auto_refresh=False) as live:
        for last in summaries:
            kept = last.pins.total - last.pins.remote
            bar = ProgressBar(total=max(kept, 1), completed=last.pins.pinned, width=min(78, console.width - 4))
            words = status_text.describe(last, datetime.now(UTC), invocation.output.styled)
            hint = Text("\n  Ctrl-C closes this view; following goes on.", style="dim")
            live.update(Group(Text.from_ansi(words), "", Padding(bar, (0, 0, 0, 2)), hint), refresh=True)
    if last is not None:
        invocation.output.say(status_text.describe(last, datetime.now(UTC), invocation.output.styled))
    return last
