"""Screens of the terminal view as text: what stands on the terminal, line by line.

`pytest tests/tui --rewrite-screens` makes the files under tests/tui/snapshots anew; look at the difference before you
keep it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pincrew.tui.app import Options, TerminalView
from rich.segment import Segment
from textual.app import App
from textual.pilot import Pilot
from textual.screen import ModalScreen
from textual.strip import Strip

from pincrew.api.client import Client

FROZEN = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
SIZES = ((54, 16), (80, 24), (100, 30), (140, 36))
SNAPSHOTS = Path(__file__).parents[1] / "tui" / "snapshots"
_TRIES = 400
_TRY_S = 0.01
_LOOKS_BEFORE_WRITING = 30


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.time = FROZEN

    def __call__(self) -> datetime:
        return self.time

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.time += timedelta(seconds=seconds)


def text_of(app: App[None]) -> str:
    """Return what stands on the screen; of one with a dialog the dialog alone, for the rest is dimmed behind it."""
    # The one place that reads what Textual keeps to itself.
    strips = app.screen._compositor.render_strips()
    boxes = [each.region for each in app.screen.children if not (each.id or "").startswith("textual-")]
    if isinstance(app.screen, ModalScreen) and boxes and boxes[0].area:
        box = boxes[0]
        inside = [strip.crop(box.x, box.right) for strip in strips[box.y : box.bottom]]
        strips = [Strip.blank(0)] * box.y + [Strip([Segment(" " * box.x), *strip]) for strip in inside]
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips).rstrip() + "\n"


@asynccontextmanager
async def shown(
    client: Client,
    size: tuple[int, int] = (80, 24),
    *,
    cluster: str | None = None,
    options: Options | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[tuple[TerminalView, Pilot[None]]]:
    """Show the view at this size, once its first figures are there."""
    app = TerminalView(client, cluster=cluster, options=options or Options(), now=clock or Clock())
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: app.connection.state != "new")
        await settled(pilot)
        yield app, pilot


async def until(pilot: Pilot[None], condition: Callable[[], bool]) -> None:
    """Wait for a condition; fail with the screen where it never comes."""
    for _ in range(_TRIES):
        if condition():
            return
        await pilot.pause(_TRY_S)
    raise AssertionError(f"it never came to that:\n{text_of(pilot.app)}")


async def settled(pilot: Pilot[None]) -> None:
    """Wait until every question has its answer, and the screen has been drawn."""
    app = pilot.app
    await pilot.pause()
    await until(pilot, lambda: not [each for each in app.workers if each.is_running and each.group != "act"])
    await pilot.pause()


async def has(pilot: Pilot[None], *texts: str) -> str:
    """Wait until all of ``texts`` stand on the screen, and return it."""
    await until(pilot, lambda: all(text in text_of(pilot.app) for text in texts))
    return text_of(pilot.app)


async def rests(pilot: Pilot[None]) -> None:
    """Wait for what follows a moment after the rest: scroll bars, the detail pane. For making files, not for tests."""
    for _ in range(_LOOKS_BEFORE_WRITING):
        await settled(pilot)
        await pilot.pause(_TRY_S)


async def comes_to(pilot: Pilot[None], expected: str) -> str:
    """Wait until the screen is just so; return what it is then, or at the deadline."""
    for _ in range(_TRIES):
        if text_of(pilot.app) == expected:
            break
        await pilot.pause(_TRY_S)
    return text_of(pilot.app)


async def looks(pilot: Pilot[None], name: str, *, is_rewritten: bool) -> None:
    """Wait until the screen is as the file of this name says, or write that."""
    path = SNAPSHOTS / f"{name}.txt"
    if is_rewritten:
        await rests(pilot)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text_of(pilot.app), encoding="utf-8")
    assert path.exists(), f"there is no {path.name} yet: --rewrite-screens writes it"
    expected = path.read_text(encoding="utf-8")
    screen = await comes_to(pilot, expected)
    assert screen == expected, f"{path.name} shows another screen:\n{screen}"
