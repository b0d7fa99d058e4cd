"""Pictures of the terminal view, and the walk through it: `python -m support.pictures` makes docs/terminal-view.md and
docs/pictures anew from a made-up crew, so that they show what the view is now (tests/tui/test_pictures.py compares).

Textual writes its screens as SVG; the same frames stand in the page as text.
"""

from __future__ import annotations

import asyncio
import re
import textwrap
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from textual.pilot import Pilot
from textual.widgets import Input

from pincrew.api import shapes
from support.acting_client import ActingClient, reads
from support.screens import comes_to, rests, settled, shown, text_of

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "terminal-view.md"
PICTURES = DOCS / "pictures"
SIZE = (100, 30)
_HEAD = """# The terminal view

`pincrew` alone shows what you keep, once there is something to show; `pincrew follow` opens the view when it has
joined. It is a client of the daemon: closing it (`q`) never stops the following. Arrows, enter, escape, tab and the
mouse reach everything; letters are short cuts, and `?` lists those of the screen that you see. `^p` opens the palette,
where the themes are too (dark, light, the terminal's own colours, high contrast). Nothing is unpinned, skipped or left
by a single key: a dialog says first how many pins and bytes it is about, and which command does the same.

This is a walk from joining to leaving. Its crew is made up; its screens are not.
"""


@dataclass(frozen=True)
class Step:
    """One frame: what a user wants, the keys for it, what is typed (field, text), and what must be read then."""

    name: str
    wish: str
    keys: Sequence[str]
    then: str
    field: str = ""
    text: str = ""
    after: Sequence[str] = ()


STEPS = (
    Step(
        "join",
        "Join a list: `a`, then paste what its curators sent you. What the list is, who decides, and what may be taken"
        " of your disk stand on one screen; enter takes the answers as they are.",
        ["a"],
        "Join “Books”?",
        field="source",
        text="https://example.org/books.toml",
        after=["enter"],
    ),
    Step(
        "overview",
        "See how far it is: pins and bytes, how long it may take, how much of the disk it has, and the list itself.",
        ["escape"],
        "86.0 %",
    ),
    Step(
        "find",
        "Find a pin by a part of its name: `/`, then type. `state:error` or `size>100MB` narrow it down as well.",
        ["2", "slash", *"pg000004"],
        "· 1 pin",
    ),
    Step("why", "See why it failed: enter shows all that is known of it.", ["enter", "enter"], "added"),
    Step("errors", "See all errors, by what caused them: `4`.", ["escape", "escape", "4"], "3 causes"),
    Step("retry", "Try them again: `R`.", ["R"], "12 pins in error"),
    Step("pause", "Fetch nothing for a while: `p`.", ["escape", "p"], "for 30 minutes"),
    Step("limits", "Change what it may take of your disk and line: `l`.", ["escape", "l"], "1.31 TB are kept"),
    Step(
        "leave",
        "Leave: `L`. It says what will go, and asks you to type the name of the list.",
        ["escape", "L"],
        "1,036,120 pins",
    ),
)


class _Crew(ActingClient):
    """Without what tests put into names to confuse the view."""

    def errors(self, name: str) -> Iterator[shapes.ErrorLine]:
        for line in super().errors(name):
            yield msgspec.structs.replace(line, cause=line.cause.removesuffix(" [red]"))


async def frames(
    kept: Sequence[str] = (), keep: Callable[[Step, Pilot[None]], None] = lambda _step, _pilot: None
) -> AsyncIterator[tuple[Step, str]]:
    """Walk through the view; yield each step with its frame, once that is the one in ``kept``, where there are any.

    ``keep`` may take more of the screen.
    """
    async with shown(_Crew(), SIZE) as (app, pilot):
        for number, step in enumerate(STEPS):
            for key in step.keys:
                await pilot.press(key)
                await settled(pilot)
            if step.field:
                app.screen.query_one(f"#{step.field}", Input).value = step.text
            for key in step.after:
                await pilot.press(key)
                await settled(pilot)
            await reads(pilot, step.then)
            if kept:
                await comes_to(pilot, kept[number])
            else:
                await rests(pilot)
            keep(step, pilot)
            yield step, text_of(app)


def kept_frames() -> list[str]:
    """Return the frames that the page has."""
    return re.findall(r"```text\n(.*?)```", PAGE.read_text(), re.DOTALL)


def page(walked: Sequence[tuple[Step, str]]) -> str:
    """Return the page of these frames."""
    parts = [_HEAD]
    for number, (step, frame) in enumerate(walked, 1):
        parts += [
            f"## {number}. {step.name.capitalize()}\n",
            f"{textwrap.fill(step.wish, 120)}\n",
            f"![{step.name}](pictures/{step.name}.svg)\n",
            f"<details><summary>The same as text</summary>\n\n```text\n{frame}```\n\n</details>\n",
        ]
    return "\n".join(parts)


async def _make() -> None:
    PICTURES.mkdir(exist_ok=True)

    def keep(step: Step, pilot: Pilot[None]) -> None:
        (PICTURES / f"{step.name}.svg").write_text(pilot.app.export_screenshot(title="pincrew"))

    PAGE.write_text(page([each async for each in frames(keep=keep)]))


if __name__ == "__main__":
    asyncio.run(_make())
