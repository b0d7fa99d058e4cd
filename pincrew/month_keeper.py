"""Counts what passes over the line in a month, for all clusters together, and ends it when that is all that may.

Every node that a cluster uses is asked for its own count, and what came since is added to the month: on pincrew's own
what it received and sent, on a Kubo what it received, whatever for. Counted is whether or not there is a cap, so that
one that is set in the middle of a month knows what passed before. Once the cap is reached every pinner is held up and
pincrew's own node serves nobody: told again and again (`SILENCE_S`), so that a node whose daemon is gone does not
stay silent. Not at a trickle: who asks and hears nothing looks elsewhere at once, and a trickle of a month would pass
the cap all the same.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import trio

from pincrew import figures
from pincrew.bell import Bell
from pincrew.cluster import Cluster
from pincrew.errors import PincrewError
from pincrew.files import write_file
from pincrew.limit_settings import kept_months
from pincrew.limits import (
    LINE_LOOK_INTERVAL_S,
    MONTH_KEEP_INTERVAL_S,
    MONTH_LOOK_INTERVAL_S,
    SHUTDOWN_TIMEOUT_S,
    SILENCE_S,
)
from pincrew.month import Count, Months, next_month
from pincrew.node_address import NodeKind
from pincrew.node_keeper import KeptNode
from pincrew.nodes import Nodes
from pincrew.paths import Home
from pincrew.pause import moment_text

_log = logging.getLogger("pincrew.month")


class MonthKeeper:
    """The months of one ``home``. ``run`` until cancelled."""

    def __init__(
        self,
        home: Home,
        nodes: Nodes,
        clusters: Callable[[], Sequence[Cluster]],
        cap: Callable[[], int | None],
        wall: Callable[[], datetime],
    ) -> None:
        """``cap`` is the one that holds now; reads what was kept: blocks."""
        self._path = home.months
        self._nodes = nodes
        self._clusters = clusters
        self._cap = cap
        self._wall = wall
        self._bell = Bell()
        self._counts: dict[str, Count] = {}
        self._is_silent = False
        self.months = _read(self._path)
        self._kept = b""

    def wake(self) -> None:
        """The cap was changed."""
        self._bell.ring()

    async def run(self) -> None:
        """Count, and hold up or let go on, until cancelled."""
        await self._keep()
        kept_at = trio.current_time()
        try:
            while True:
                was_over = self.months.is_over
                await self._look()
                await self._apply()
                if self.months.is_over != was_over or trio.current_time() >= kept_at + MONTH_KEEP_INTERVAL_S:
                    await self._keep()
                    kept_at = trio.current_time()
                await self._bell.wait(MONTH_LOOK_INTERVAL_S if self._cap() is None else LINE_LOOK_INTERVAL_S)
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + SHUTDOWN_TIMEOUT_S):
                await self._keep()

    async def _look(self) -> None:
        """Ask each node once. One that is away, which the status says, takes and sends nothing now."""
        asked = set()
        for cluster in self._clusters():
            node, is_own = cluster.peer.node, cluster.peer.options.node_kind is NodeKind.EMBEDDED
            if node.address in asked:
                continue
            asked.add(node.address)
            try:
                traffic = await node.traffic()
            except PincrewError:
                continue
            sent = traffic.sent if is_own else 0
            if node.address not in self._counts:
                # What a node did before this daemon was there is not counted; one that it started did nothing before.
                is_ours = is_own and self._nodes.keeper.pid is not None
                self._counts[node.address] = Count() if is_ours else Count(traffic.received, sent)
            self.months.add(self._wall(), *self._counts[node.address].look(traffic.received, sent))

    async def _apply(self) -> None:
        """Hold up all clusters, or let them go on."""
        wall, cap = self._wall(), self._cap()
        month = self.months.at(wall)
        is_over = cap is not None and month.passed >= cap
        ends_ms = round(next_month(wall).astimezone().timestamp() * 1_000)
        clusters = self._clusters()
        for cluster in clusters:
            if is_over and cap is not None:
                text = (
                    f"The {figures.size(cap)} that may pass in a month are used up: nothing new is fetched before"
                    f" {next_month(wall):%Y-%m-%d %H:%M} (pincrew limits --monthly-cap)"
                )
                cluster.peer.end_month(ends_ms, text)
            else:
                cluster.peer.begin_month()
        await self._silence(clusters, is_over=is_over)
        # Said once, also over restarts; a new month, or a higher cap, is the all-clear.
        if is_over != self.months.is_over and clusters:
            self.months.is_over = is_over
            kind = "monthly_cap_reached" if is_over else "monthly_cap_lifted"
            until = moment_text(ends_ms) if is_over else None
            for cluster in clusters:
                cluster.peer.diary.happened(kind, {"cap": cap, "passed": month.passed, "until": until})

    async def _silence(self, clusters: Sequence[Cluster], *, is_over: bool) -> None:
        if not is_over and not self._is_silent:
            return
        for node in (cluster.peer.node for cluster in clusters):
            if isinstance(node, KeptNode):
                try:
                    await node.be_silent(SILENCE_S if is_over else 0)
                except PincrewError:
                    continue  # it is away, and told once it is back
                self._is_silent = is_over
                return

    async def _keep(self) -> None:
        data = self.months.encode()
        if data == self._kept:
            return
        try:
            await trio.to_thread.run_sync(write_file, self._path, data)
        except PincrewError as error:  # it counts on, and tries again
            _log.warning("what passed this month is not kept: %s", error.sentence)
        else:
            self._kept = data


def _read(path: Path) -> Months:
    try:
        return kept_months(path)
    except PincrewError as error:  # a month counted anew is no reason to stop anything else
        _log.warning("%s", error.sentence)
        return Months()
