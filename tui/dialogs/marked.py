"""The pins that an act is meant for: how many they are, and how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pincrew.tui import words
from pincrew.tui.view import Narrowing

from pincrew import figures
from pincrew.api.client import Client
from pincrew.api.shapes import PinLine
from pincrew.limits import VIEW_CAUSE_PINS_MAX, VIEW_CAUSE_PINS_READ_MAX, VIEW_MARKED_LOOKED_AT_MAX

_NAMES_SHOWN = 3
_NAME_CELLS = 60


@dataclass(frozen=True)
class Marked:
    """Pins that were marked, as far as they were looked at: of very many only the first are."""

    cids: Sequence[str]
    lines: Sequence[PinLine]

    @property
    def is_whole(self) -> bool:
        """Whether all of them were looked at and found."""
        return len(self.lines) == len(self.cids)

    @property
    def amount(self) -> str:
        """``2 pins, 3.70 MB``."""
        pins = figures.plural(len(self.cids), "pin")
        sizes = [line.size for line in self.lines if line.size is not None]
        if not sizes:
            return f"{pins} of unknown size"
        more = "" if self.is_whole and len(sizes) == len(self.lines) else "at least "
        return f"{pins}, {more}{figures.size(sum(sizes))}"

    @property
    def names(self) -> str:
        """The first few by name, one a line."""
        shown = [f"  {words.shorten(words.safe(line.name or line.cid), _NAME_CELLS)}" for line in self.lines]
        more = len(self.cids) - _NAMES_SHOWN
        return "\n".join([*shown[:_NAMES_SHOWN], *([f"  and {figures.count(more)} more"] if more > 0 else [])])

    def all_are(self, state: str) -> bool:
        """Whether every one of them is in a state."""
        return self.is_whole and all(line.state == state for line in self.lines)


def look_at(client: Client, cluster: str, cids: Sequence[str]) -> Marked:
    """Ask about marked pins, one by one. Raises PincrewError."""
    found = []
    for cid in cids[:VIEW_MARKED_LOOKED_AT_MAX]:
        found += list(client.pins(cluster, [("find", f"cid:{cid}")], limit=1))
    return Marked(tuple(cids), tuple(found))


def in_error(client: Client, cluster: str, narrowing: Narrowing) -> list[PinLine]:
    """Return the first pins in error of those that are shown, and looked through for a cause. Raises PincrewError."""
    query = [("state", "error"), *([("find", narrowing.find)] if narrowing.find else [])]
    found: list[PinLine] = []
    for pin in client.pins(cluster, query, limit=VIEW_CAUSE_PINS_READ_MAX):
        if not narrowing.cause or pin.cause == narrowing.cause:
            found.append(pin)
            if len(found) == VIEW_CAUSE_PINS_MAX:
                break
    return found
