"""What a peer has done for its cluster since it joined: figures that only grow, and that survive restarts."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import trio

from pincrew.api import shapes
from pincrew.api.lines import lifetime_figures
from pincrew.errors import NodeDown, NodeRefused, PincrewError
from pincrew.limits import LIFETIME_INTERVAL_S, SHUTDOWN_TIMEOUT_S
from pincrew.node_client import Node
from pincrew.store.lifetime import LifetimeStore, Work

_log = logging.getLogger("pincrew.lifetime")


class Lifetime:
    """The figures of one cluster. ``heard`` never waits; ``run`` keeps what has gathered."""

    def __init__(self, store: LifetimeStore, now_ms: Callable[[], int], own_node: Node | None) -> None:
        """``own_node``: pincrew's own, which serves for nobody but us and says how much."""
        self._store = store
        self._now_ms = now_ms
        self._own_node = own_node
        self._since_ms, self._done = store.read()
        self._gathered = Work()
        self._sent: int | None = None

    def figures(self) -> shapes.Lifetime:
        """Return them as of now."""
        done = self._done + self._gathered
        served = done.served if self._own_node is not None else None
        return lifetime_figures(self._since_ms, self._now_ms(), done.pins, done.fetched, served)

    def heard(self, kind: str, fields: dict[str, Any]) -> None:
        """Take note of an event: a pin that was fetched. What the node had already was not our doing."""
        if kind == "pinned" and not fields.get("was_there"):
            self._gathered += Work(pins=1, fetched=fields.get("bytes") or 0)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep the figures, now and then and at the end, until cancelled."""
        task_status.started()
        try:
            while True:
                await self._ask()
                await self._keep()
                await trio.sleep(LIFETIME_INTERVAL_S)
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + SHUTDOWN_TIMEOUT_S):
                await self._ask()
                await self._keep()

    async def _ask(self) -> None:
        """Ask the node how much it served since the last time; one that was started anew began at 0."""
        if self._own_node is None:
            return
        try:
            sent = (await self._own_node.traffic()).sent
        except NodeDown:
            # That it is away the status says. One that we see come up has served nothing before.
            self._sent = 0 if self._sent is None else self._sent
            return
        except NodeRefused:
            return
        if self._sent is not None:
            self._gathered += Work(served=sent - self._sent if sent >= self._sent else sent)
        self._sent = sent

    async def _keep(self) -> None:
        gathered = self._gathered
        if not gathered and self._since_ms is not None:
            return
        since_ms = self._now_ms() if self._since_ms is None else self._since_ms
        try:
            await trio.to_thread.run_sync(self._store.add, since_ms, gathered)
        except PincrewError as error:  # they are figures: nothing else waits for them
            _log.warning("what was done is not kept: %s", error.sentence)
        else:
            self._since_ms, self._done, self._gathered = since_ms, self._done + gathered, self._gathered - gathered
