"""What commands print: data to stdout, talk to stderr.

``--json`` prints the shapes as they travel. ``--plain``, PINCREW_PLAIN, a missing terminal and TERM=dumb leave out
colour, boxes and anything that moves; NO_COLOR leaves out colour.
"""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

import msgspec

from pincrew.figures import printable, shorten

SCHEMA = 1
_WIDTH_MIN = 20
WIDTH_WITH_CIDS = 100
_WIDTH_WITH_TAGS = 140
_STYLES = {"good": "32", "bad": "31", "warn": "33", "dim": "2", "strong": "1"}


class Output:
    """Where a command's words go."""

    def __init__(
        self,
        *,
        is_json: bool = False,
        is_plain: bool = False,
        environment: Mapping[str, str] | None = None,
        out: TextIO | None = None,
        err: TextIO | None = None,
    ) -> None:
        self.is_json = is_json
        self.environment = os.environ if environment is None else environment
        self.out = out or sys.stdout
        self.err = err or sys.stderr
        self.is_terminal = _is_terminal(self.out) and self.environment.get("TERM", "") not in ("", "dumb")
        self._is_plain_wanted = is_plain or bool(self.environment.get("PINCREW_PLAIN"))
        self.is_plain = self._is_plain_wanted or not self.is_terminal
        self.has_color = self.is_terminal and not self.is_plain and not self.environment.get("NO_COLOR")
        self.has_signs = (getattr(self.out, "encoding", "") or "").lower().replace("-", "") == "utf8"

    @property
    def is_live(self) -> bool:
        """Whether something that moves may be drawn."""
        return not self.is_plain and not self.is_json and _is_terminal(self.err) and not self.environment.get("CI")

    @property
    def is_talk_live(self) -> bool:
        """Whether something that moves may be drawn on stderr, wherever the data goes."""
        is_wanted = not self._is_plain_wanted and not self.is_json and not self.environment.get("CI")
        return is_wanted and _is_terminal(self.err) and self.environment.get("TERM", "") not in ("", "dumb")

    @property
    def width(self) -> int:
        """The columns of the terminal."""
        return max(_WIDTH_MIN, shutil.get_terminal_size((80, 24)).columns)

    @property
    def has_room_for_cids(self) -> bool:
        """Whether a line holds a CID besides a name and figures; in a pipe it does."""
        return not self.is_terminal or self.width >= WIDTH_WITH_CIDS

    @property
    def has_room_for_tags(self) -> bool:
        """Whether a line of the peers' table holds their tags, too; in a pipe it does."""
        return not self.is_terminal or self.width >= _WIDTH_WITH_TAGS

    def data(self, text: str, *, is_prose: bool = False) -> None:
        """Print what was asked for; sentences are broken between words on a terminal, and nowhere in a pipe."""
        if is_prose and self.is_terminal:
            text = wrapped(text, self.width)
        print(text if self.has_signs else _ascii(text), file=self.out)

    def say(self, text: str) -> None:
        """Print talk: what was done and what to do next. Nothing with ``--json``."""
        if not self.is_json:
            text = wrapped(text, self.width) if _is_terminal(self.err) else text
            print(text if self.has_signs else _ascii(text), file=self.err, flush=True)

    def styled(self, text: str, style: str) -> str:
        """Return ``text`` in a style: good, bad, warn, dim, strong."""
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self.has_color else text

    def object(self, shape: msgspec.Struct) -> None:
        """Print one object as JSON."""
        self.out.write(encode_object(shape) + "\n")
        self.out.flush()

    def lines(self, shapes: Iterable[msgspec.Struct]) -> None:
        """Print a list as JSON Lines, as it comes."""
        encoder = msgspec.json.Encoder()
        for shape in shapes:
            self.out.write(encoder.encode(shape).decode() + "\n")
        self.out.flush()

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> None:
        """Print a small table; on a terminal its widest cells lose their middles so that a row is a line.

        In a pipe nothing is shortened. Columns whose number is in ``right`` are flush right.
        """
        cells = [[printable(cell) for cell in row] for row in rows]
        widths = [max(len(row[i]) for row in [columns, *cells]) for i in range(len(columns))]
        if self.is_terminal:
            widths = _fitted(widths, self.width, [len(name) for name in columns])
        self.data(self.styled(_row(columns, widths, right), "dim"))
        for row in cells:
            self.data(_row([shorten(cell, width) for cell, width in zip(row, widths, strict=True)], widths, right))


def wrapped(text: str, width: int) -> str:
    """Break what is longer than a terminal's line between words; what is styled was broken by its maker."""
    lines = []
    for line in text.split("\n"):
        indent = " " * (len(line) - len(line.lstrip()))
        if len(line) <= width or "\x1b" in line:
            lines.append(line)
        else:
            lines += textwrap.wrap(
                line.strip(),
                width,
                initial_indent=indent,
                subsequent_indent=indent,
                break_long_words=False,
                break_on_hyphens=False,
            )
    return "\n".join(lines)


def encode_object(shape: msgspec.Struct) -> str:
    """Return a single object as JSON; it starts with the version of its form."""
    fields: dict[str, Any] = msgspec.to_builtins(shape)
    return msgspec.json.encode({"schema": SCHEMA, **fields}).decode()


def _row(cells: Sequence[str], widths: Sequence[int], right: Sequence[int]) -> str:
    padded = [
        cell.rjust(width) if number in right else cell.ljust(width)
        for number, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(padded).rstrip()


def _fitted(widths: list[int], room: int, least: Sequence[int]) -> list[int]:
    """Take columns from the widest until a row fits."""
    widths = list(widths)
    while sum(widths) + 2 * (len(widths) - 1) > room:
        candidates = [number for number, width in enumerate(widths) if width > max(8, least[number])]
        if not candidates:
            break
        widest = max(candidates, key=lambda number: widths[number])
        widths[widest] -= 1
    return widths


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except ValueError:  # closed
        return False


def _ascii(text: str) -> str:
    signs = {
        "✗": "x",
        "✓": "v",
        "↓": ">",
        "·": ".",
        "○": "o",
        "…": "...",
        "—": "-",
        "“": '"',
        "”": '"',
        "❚": "|",
        "→": "->",
        "◌": "o",
        "◑": "o",
    }
    for sign, plain in signs.items():
        text = text.replace(sign, plain)
    return text
