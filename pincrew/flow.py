"""How much comes and goes for one cluster: a figure every few seconds, of which the last are kept in memory.

What comes are the bytes of its pins. What goes is all that its node sends, where that is pincrew's own: it serves for
nobody but us, and for all clusters of this home together. A Kubo says neither what it serves nor for whom.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import trio

from pincrew.errors import NodeDown, NodeRefused
from pincrew.limits import SERIES_SAMPLES_KEPT, SERIES_STEP_S
from pincrew.node_client import Node
from pincrew.rates import Arrivals


class Flow:
    """``run`` until cancelled; figures are bytes a second, None where that is not known."""

    def __init__(self, arrivals: Callable[[], Arrivals | None], own_node: Node | None) -> None:
        """``arrivals`` is None while nothing came; ``own_node`` is pincrew's own, which can be asked."""
        self._arrivals = arrivals
        self._own_node = own_node
        self._arrived = (0, 0)
        self._sent: int | None = None
        self.down: deque[int | None] = deque(maxlen=SERIES_SAMPLES_KEPT)
        self.up: deque[int | None] = deque(maxlen=SERIES_SAMPLES_KEPT)

    @property
    def upload_rate(self) -> int | None:
        """What goes now."""
        return self.up[-1] if self.up else None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Look every SERIES_STEP_S."""
        task_status.started()
        at = trio.current_time()
        await self._look(0.0)
        while True:
            await trio.sleep(SERIES_STEP_S)
            now = trio.current_time()
            await self._look(now - at)
            at = now

    async def _look(self, passed_s: float) -> None:
        """Note what came and went in so many seconds; 0: it is the first look."""
        arrivals = self._arrivals()
        now = (0, 0) if arrivals is None else (arrivals.blocks, arrivals.bytes)
        blocks, size = now[0] - self._arrived[0], now[1] - self._arrived[1]
        self._arrived = now
        sent, before = await self._ask(), self._sent
        self._sent = sent
        if passed_s:
            # Blocks without bytes come from a node that does not count those.
            self.down.append(None if blocks and not size else round(size / passed_s))
            # One that was started anew counts from 0 again.
            is_known = sent is not None and before is not None and sent >= before
            self.up.append(round(((sent or 0) - (before or 0)) / passed_s) if is_known else None)

    async def _ask(self) -> int | None:
        if self._own_node is None:
            return None
        try:
            return (await self._own_node.traffic()).sent
        except (NodeDown, NodeRefused):  # that it is away the status says
            return None
