"""What the list of pins shows: which pins, in which order, and how each of its columns is read. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pincrew.tui import words
from pincrew.tui.line_table import Column

from pincrew import figures
from pincrew.api.shapes import PinLine, Summary

_SORT_WORDS = {
    "added": ("newest first", "oldest first"),
    "name": ("by name", "by name, backwards"),
    "size": ("largest first", "smallest first"),
    "state": ("by state", "by state, backwards"),
    "tries": ("most tries first", "fewest tries first"),
}
SORTS = tuple(_SORT_WORDS)
_TONES = {"pinned": "good", "pinning": "busy", "error": "bad", "queued": "", "unpinning": "busy"}

COLUMNS = (
    Column("sign", "", 1, table_width_max=40),
    Column("state", "State", 11, table_width_min=40),
    Column("name", "Name", 0),
    Column("cid", "CID", 14, table_width_min=96),
    Column("size", "Size", 8, is_right=True, table_width_min=50),
    Column("done", "Done", 6, is_right=True, table_width_min=30),
    Column("tries", "Tries", 5, is_right=True, table_width_min=110),
)


@dataclass(frozen=True)
class Question:
    """Which pins are shown, and in which order."""

    find: str = ""
    sort: str = "added"
    is_reversed: bool = False

    @property
    def query(self) -> list[tuple[str, str | int]]:
        """The question as the daemon takes it; turning it around is the asker's part."""
        return [*([("find", self.find)] if self.find else []), ("sort", self.sort)]

    def next_sort(self) -> Question:
        """Return the same pins in the next order."""
        return replace(self, sort=SORTS[(SORTS.index(self.sort) + 1) % len(SORTS)], is_reversed=False)

    @property
    def text(self) -> str:
        """The question in words."""
        shown = f"“{words.safe(self.find)}”" if self.find else "all states"
        return f"{shown} · {_SORT_WORDS[self.sort][self.is_reversed]}"


def cells(pin: PinLine) -> tuple[str, ...]:
    """Return a pin's texts, in the order of the columns."""
    return (
        words.PIN_SIGNS.get(pin.state, "?"),
        words.pin_state(pin.state),
        words.safe(pin.name) or pin.cid,
        f"{pin.cid[:4]}…{pin.cid[-8:]}",
        figures.size(pin.size),
        done(pin),
        figures.count(pin.tries) if pin.tries else "",
    )


def done(pin: PinLine) -> str:
    """Return how much of a pin is here."""
    if pin.state == "pinned":
        return "100 %"
    if pin.state == "pinning" and pin.bytes_done is not None and pin.size:
        return f"{min(99, pin.bytes_done * 100 // pin.size)} %"
    if pin.state == "pinning" and pin.bytes_done:
        return "…"
    return "—"


def tone(column: str, pin: PinLine) -> str:
    """Return the tone of a cell."""
    if column in ("sign", "state"):
        return _TONES.get(pin.state, "dim")
    if column == "cid" or (column == "name" and not pin.name):
        return "dim"
    return "busy" if column == "done" and pin.state == "pinning" else ""


def nothing_text(question: Question, summary: Summary) -> str:
    """Return why no pin is shown, and which key comes next."""
    if question.find:
        return "No pin is like that. Esc takes the filter away."
    if summary.state in ("joining", "syncing", "waiting"):
        return "The list is on its way. Its pins are shown here as they come."
    if summary.role == "curator":
        return "This list is empty. A puts a CID on it; in a shell, `pincrew add PATH` puts a file or a folder there."
    return "Nothing is on this list yet. What its curators add is fetched, and shown here."


def total_text(total: int | None, at_least: int) -> str:
    """Return how many pins there are."""
    return f"at least {figures.plural(at_least, 'pin')}" if total is None else figures.plural(total, "pin")
