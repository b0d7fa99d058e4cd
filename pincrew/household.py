"""All that works on one home: its clusters, the node that they need, the limits of the line, and who is told of them.

The daemon is a household with an API; a program that embeds a peer (`pincrew.embedding`) has one with one cluster and
without. Whoever has one holds the home's `daemon.lock`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import trio

from pincrew.clock_watch import watch_clock
from pincrew.holdings import Holdings
from pincrew.network_limits import LineKeeper
from pincrew.news_desk import NewsDesk, tellers
from pincrew.nodes import Nodes
from pincrew.ownership import Ownership
from pincrew.paths import Home
from pincrew.peer import now_ms
from pincrew.roster import Roster
from pincrew.settings import Settings

_STOP_TIMEOUT_S = 10.0


class Household:
    """``run`` until cancelled, ``stop`` before, ``close`` after."""

    def __init__(
        self,
        home: Home,
        settings: Settings,
        environment: Mapping[str, str],
        api_address: str,
        expected: Collection[str],
    ) -> None:
        """``expected`` are the clusters that it is about to run; ``api_address`` is where the daemon's API is."""
        self._holdings = Holdings(home.holdings)
        self.nodes = Nodes(home, settings, environment)
        ownership = Ownership(self._holdings)
        self.roster = Roster(home, settings, self.nodes, ownership, api_address, environment, expected)
        self.network = LineKeeper(home, settings, environment, self.nodes, self.roster.at_work)
        told = tellers(settings, {**environment, "PINCREW_HOME": str(home.root)})
        self._news_desk = NewsDesk(
            home.told, told, summaries=self.roster.summaries, note=self.roster.note, now_ms=now_ms
        )

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Work until cancelled. Started means: the roster takes orders."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self.roster.run)
            await nursery.start(self._news_desk.run)
            nursery.start_soon(self.network.run)
            nursery.start_soon(watch_clock, now_ms, self.roster.clock_jumped)
            task_status.started()

    async def stop(self) -> None:
        """Stop every cluster in order, within bounds."""
        with trio.move_on_after(_STOP_TIMEOUT_S):
            await self.roster.stop_all()

    def close(self) -> None:
        """Let go of the files; the last thing that is done with it."""
        self._holdings.close()
