"""View 6: how many copies there may be of what is listed, as bars, and the pins with the fewest."""

from __future__ import annotations

from pincrew.tui import words
from pincrew.tui.asking_view import AskingView
from pincrew.tui.held_table import HeldTable
from pincrew.tui.line_table import Column, LineTable
from pincrew.tui.painted import Line, Painted, Piece
from textual import on
from textual.app import ComposeResult

from pincrew import figures, limits
from pincrew.api.shapes import Coverage, CoveragePin

_COLUMNS = (
    Column("copies", "Copies", 9, is_right=True),
    Column("vouched", "Vouched", 8, is_right=True, table_width_min=80),
    Column("size", "Size", 9, is_right=True, table_width_min=50),
    Column("name", "Pins with the fewest", 0),
    Column("cid", "CID", 14, table_width_min=100),
)
_LABEL_CELLS = 10
_FIGURES_CELLS = 26
_BAR_CELLS_MAX = 60
_ENDANGERED = 1


class CoverageView(AskingView):
    """Asks for the estimate, rarely: it costs the daemon a look at much of the list."""

    interval_s = limits.VIEW_COVERAGE_INTERVAL_S

    DEFAULT_CSS = """
    CoverageView #bars { padding: 0 1; }
    CoverageView HeldTable { margin: 1 0 0 0; }
    .-short CoverageView HeldTable { margin: 0; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._found: Coverage | None = None

    def content(self) -> ComposeResult:
        """Yield bars over the table."""
        yield Painted(id="bars")
        yield HeldTable[CoveragePin](_COLUMNS, _cells, lambda pin: pin.cid, _tone)

    @property
    def _table(self) -> HeldTable[CoveragePin]:
        return self.query_one(HeldTable)

    def forget(self) -> None:
        """Let go of another cluster's estimate."""
        self._found = None
        self._table.put(())
        self._draw()
        self.say_head("")
        self.say_empty("estimating …")

    def chosen_cids(self) -> tuple[str, ...]:
        """Return the pin under the cursor."""
        current = self._table.current
        return () if current is None else (current.cid,)

    @on(LineTable.Highlighted)
    def _highlighted(self, event: LineTable.Highlighted) -> None:
        event.stop()
        current = self._table.current
        self.say_foot("" if current is None else current.cid)
        self.app.refresh_bindings()

    async def ask(self) -> None:
        """Ask for the estimate."""
        name = self.cluster
        found = await self.backend.ask(lambda client: client.coverage(name, limits.VIEW_COVERAGE_PINS))
        self._found = found
        is_known = bool(found.basis.looked_at)
        self._table.put(found.worst)
        self.say_head(*(_head(found) if is_known else ()))
        self.say_empty("" if is_known else "Nothing is listed that everybody may keep.")
        self._draw()

    def on_resize(self) -> None:
        """Fit the bars."""
        self._draw()

    def _draw(self) -> None:
        width = min(_BAR_CELLS_MAX, max(0, self.size.width - _LABEL_CELLS - _FIGURES_CELLS - 4))
        self.query_one("#bars", Painted).set_lines([] if self._found is None else bars(self._found, width))


def bars(found: Coverage, width: int) -> list[Line]:
    """Return the lines of a histogram whose longest possible bar is so wide."""
    looked_at, last = found.basis.looked_at, len(found.bars) - 1
    if not looked_at:
        return []
    lines: list[Line] = []
    for at, bar in enumerate(found.bars):
        label = f"{bar.copies}{' or more' if at == last else ''}"
        length = -(-bar.pins * width // looked_at)
        tone = "bad" if bar.copies <= _ENDANGERED and bar.pins else "busy"
        share = figures.share(bar.pins, looked_at)
        lines.append(
            (
                Piece(f"{label:>{_LABEL_CELLS}} "),
                Piece(f"{'━' * length:<{width}} ", tone),
                Piece(f"{share:>7} {figures.count(bar.pins):>12} pins", "" if bar.pins else "dim"),
            )
        )
    return lines


def _head(found: Coverage) -> tuple[str, ...]:
    basis = found.basis
    exact = "" if basis.looked_at >= basis.pins - basis.named_pins else f" ± {basis.error * 100:.1f} %"
    about = f"about {found.mean:.1f} copies of a pin, of {found.wanted} wanted"
    estimate = f"estimate from {figures.plural(basis.peers, 'peer')}{exact}"
    return about, estimate, "" if found.part is None else f"this peer keeps {found.part * 100:.1f} % of the list"


def _cells(pin: CoveragePin) -> list[str]:
    return [
        f"{pin.copies:.1f}±{pin.error:.1f}",
        f"{pin.vouched:.1f}",
        figures.size(pin.size),
        words.safe(pin.name) or pin.cid,
        f"{pin.cid[:4]}…{pin.cid[-8:]}",
    ]


def _tone(column: str, pin: CoveragePin) -> str:
    if column == "copies":
        return "bad" if pin.copies < _ENDANGERED else ""
    return "dim" if column in ("vouched", "cid") else ""
