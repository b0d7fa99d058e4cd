"""View 1: the figures, and the list under them."""

from __future__ import annotations

from pincrew.tui.cards import Cards
from pincrew.tui.pins_view import PinsView
from textual.app import ComposeResult

from pincrew.api.shapes import Summary
from pincrew.errors import NotFound


class Overview(PinsView):
    """The list of pins with cards above it."""

    def compose(self) -> ComposeResult:
        """Put the cards above the list."""
        yield Cards()
        yield from super().compose()

    def opened(self) -> None:
        """Fetch the graphs' past too."""
        super().opened()
        self.fetch(self._series(), group="series", exclusive=True)

    def show(self, summary: Summary, *, is_live: bool) -> None:
        """Show the newest figures."""
        super().show(summary, is_live=is_live)
        cards = self.query_one(Cards)
        if is_live:
            cards.add_sample(summary, self.terminal_view.now())
        cards.show(summary, self.terminal_view.now())

    async def _series(self) -> None:
        name = self.cluster
        try:
            series = await self.backend.ask(lambda client: client.series(name))
        except NotFound:
            return  # a daemon of before there were graphs: they begin now
        self.query_one(Cards).set_series(series.down, series.up, series.step_s)
