"""Whether the node is there: a state that is shown, never an exit.

    starting --answers--> up --lost--> down --answers--> up
                                       down --starts again--> starting

Lost is an event that anyone reports who met NodeDown; the watch itself also asks now and then. While the node is down
it is asked again after a delay that doubles, with luck in it; one that is just starting, very soon. What must be said
again whenever a node comes up, connecting it to the announced nodes of other peers, is said here.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import trio

from pincrew.bell import Bell
from pincrew.errors import NodeDown, NodeRefused, NodeStarting, PincrewError
from pincrew.limits import (
    NODE_ADDRESSES_CONNECTED_IN_FLIGHT,
    NODE_PROBE_DELAY_S_MAX,
    NODE_PROBE_DELAY_S_MIN,
    NODE_PROBE_INTERVAL_S,
    NODE_STARTING_PROBE_DELAY_S,
)
from pincrew.node_acquaintance import Acquaintance
from pincrew.node_client import Node, NodeIdentity


class NodeState(StrEnum):
    """Words of cli.md."""

    STARTING = "starting"
    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class NodeView:
    """What is known of the node. ``identity`` is the last one seen; ``trouble`` says why it is down."""

    state: NodeState
    address: str
    since_ms: int
    identity: NodeIdentity | None = None
    trouble: str | None = None


class NodeWatch:
    """Watches one node for one cluster. ``on_change(before, now)`` is called with every change of ``view``."""

    def __init__(
        self,
        node: Node,
        *,
        now_ms: Callable[[], int],
        luck: random.Random,
        on_change: Callable[[NodeView, NodeView], None] = lambda _before, _now: None,
    ) -> None:
        self._node = node
        self._now_ms = now_ms
        self._luck = luck
        self._on_change = on_change
        self._bell = Bell()
        self._connect_bell = Bell()
        self._up = trio.Event()
        self._acquaintance = Acquaintance(luck.random)
        self.view = NodeView(NodeState.STARTING, node.address, now_ms())

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Watch until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._probe)
            nursery.start_soon(self._connect)
            task_status.started()

    async def up(self) -> NodeIdentity:
        """Return who the node is, once it is up."""
        while True:
            await self._up.wait()
            if self.view.identity is not None:
                return self.view.identity

    def lost(self, error: NodeDown) -> None:
        """Take note that it did not answer somebody."""
        if self.view.state is NodeState.UP:
            self._change(replace(self.view, state=NodeState.DOWN, trouble=error.what))
            self._bell.ring()

    def look_now(self) -> None:
        """Ask now instead of after the delay: somebody expects it to be back."""
        self._bell.ring()

    def connect_nodes(self, addresses: Sequence[str]) -> None:
        """Keep the node connected to these nodes (multiaddrs): new ones now, all of them whenever it comes up.

        The caller puts the most important first; what is beyond ANNOUNCED_NODES_CONNECTED_MAX is left out.
        """
        self._acquaintance.want(addresses, trio.current_time())
        self._connect_bell.ring()

    async def _probe(self) -> None:
        failures = 0
        while True:
            try:
                identity = await self._node.id()
            except NodeStarting as error:
                failures = 0
                self._change(replace(self.view, state=NodeState.STARTING, trouble=error.what))
                await self._bell.wait(NODE_STARTING_PROBE_DELAY_S)
                continue
            except (NodeDown, NodeRefused) as error:
                failures += 1
                self._change(replace(self.view, state=NodeState.DOWN, trouble=error.what))
                delay = min(NODE_PROBE_DELAY_S_MAX, NODE_PROBE_DELAY_S_MIN * 2.0 ** min(failures - 1, 16))
                await self._bell.wait(delay * (0.75 + 0.25 * self._luck.random()))
                continue
            failures = 0
            self._change(NodeView(NodeState.UP, self._node.address, self.view.since_ms, identity, None))
            if await self._bell.wait(NODE_PROBE_INTERVAL_S):
                # Somebody lost it a moment ago. A node that answers and yet fails must not be asked in a tight loop.
                await trio.sleep(NODE_PROBE_DELAY_S_MIN * (0.75 + 0.25 * self._luck.random()))

    def _change(self, now: NodeView) -> None:
        before = self.view
        if now.state is not before.state:
            now = replace(now, since_ms=self._now_ms())
        if now == before:
            return
        self.view = now
        if now.state is NodeState.UP:
            self._up.set()
            if before.state is not NodeState.UP or before.identity != now.identity:
                self._acquaintance.begin_anew(trio.current_time())
                self._connect_bell.ring()
        elif self._up.is_set():
            self._up = trio.Event()
        self._on_change(before, now)

    async def _connect(self) -> None:
        while True:
            await self.up()
            some = self._acquaintance.take(trio.current_time(), NODE_ADDRESSES_CONNECTED_IN_FLIGHT)
            if not some:
                await self._connect_bell.wait(self._acquaintance.next_turn - trio.current_time())
                continue
            async with trio.open_nursery() as nursery:
                for address in some:
                    nursery.start_soon(self._try_connect, address)

    async def _try_connect(self, address: str) -> None:
        try:
            await self._node.connect(address)
        except PincrewError:
            # Announced addresses are often out of reach, and pins tell better when the node itself is.
            self._acquaintance.failed(address, trio.current_time())
        else:
            self._acquaintance.succeeded(address, trio.current_time())
