"""Brings back blocks of a pin that its node lost or has damaged: they are fetched again from other nodes.

Asking for a block is enough where it is not there; the embedded node removes what it reads damaged, and fetches it too.
Kubo serves a damaged block for ever, and neither overwrites nor removes one that is pinned. So, where this cluster
alone has the pin: what there is of the DAG is set aside first, so that no collection of garbage can take it meanwhile;
then it is unpinned, the block removed, fetched, and all is pinned again. What somebody else pins is never unpinned for
that: it is said what else can be done. Kubo removes a block only while it pins nothing, so the cluster's other pins are
interrupted for that moment.

The caller keeps other tasks away from the pin. A crash in the middle leaves the row `pinned`, which reconciling puts
right, and what was set aside, which the journal of `verifying` knows of.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, suppress

import trio

from pincrew.dag_check import is_sound
from pincrew.errors import NodeDown, NodeRefused, NoProgress, PincrewError
from pincrew.holdings import pin_name
from pincrew.limits import VERIFY_BLOCK_BYTES_MAX, VERIFY_FETCH_TIMEOUT_S, VERIFY_READS_AT_ONCE
from pincrew.node_client import Node
from pincrew.ownership import Ownership
from pincrew.values import Pin

NOWHERE = "no node that is reached has a good copy of what is bad; it is tried again by itself"
_HEAL = "`ipfs repo verify --heal` on the machine of the IPFS node replaces it"
SHARED = f"another pin of the IPFS node needs what is damaged, and is not pincrew's to unpin: {_HEAL}"
NO_FILE = f"what is left could not be kept from being collected while it is replaced: {_HEAL}"
BUSY = "the IPFS node did not answer while it was replaced (a Kubo waits for other pins): it is fetched anew by itself"

# Keeps the cluster's other pins away from the node while blocks of this one are removed.
HoldOthers = Callable[[bytes], AbstractContextManager[None]]
# Notes that something is set aside (True, before it is) or that it could not be (False).
NoteAside = Callable[[bool], Awaitable[None]]


class Mending:
    """Mends the pins of one cluster on one node."""

    def __init__(self, node: Node, ownership: Ownership, cluster: bytes, hold: HoldOthers) -> None:
        self._node = node
        self._hold = hold
        self._ownership = ownership
        self._cluster = cluster

    async def mend(self, pin: Pin, node_id: str, bad: Sequence[bytes], note_aside: NoteAside) -> tuple[str, bool]:
        """Fetch ``bad`` blocks of a pin again; return why not all came ("": they did), and whether it is pinned still.

        ``note_aside`` is awaited before something is set aside, which whoever noted it ends once the pin is whole.
        Raises NodeDown while the pin is as it was, and NodeRefused where the node will not let itself be read then.
        """
        spoilt, lacking = await self._fetch(bad)
        if spoilt:
            trouble, is_pinned = await self._replace(pin, node_id, spoilt, note_aside)
            return trouble or (NOWHERE if lacking else ""), is_pinned
        return NOWHERE if lacking else "", True

    async def _fetch(self, cids: Sequence[bytes]) -> tuple[list[bytes], list[bytes]]:
        """Ask for blocks; return those that are stored damaged all the same, and those that nobody has."""
        spoilt: list[bytes] = []
        lacking: list[bytes] = []
        slots = trio.Semaphore(VERIFY_READS_AT_ONCE)
        failures: list[PincrewError] = []

        async def fetch(cid: bytes) -> None:
            async with slots:
                with suppress(NodeRefused):  # what is stored afterwards tells
                    await self._node.block_get(cid, bytes_max=VERIFY_BLOCK_BYTES_MAX, timeout_s=VERIFY_FETCH_TIMEOUT_S)
                data = await self._node.stored_block(cid)
                if data is None:
                    lacking.append(cid)
                elif not await is_sound(cid, data):
                    spoilt.append(cid)

        async def guarded(cid: bytes) -> None:
            try:
                await fetch(cid)
            except (NodeDown, NodeRefused) as error:
                failures.append(error)  # raised below, so that it is not wrapped in the nursery's exception group

        async with trio.open_nursery() as nursery:
            for cid in cids:
                nursery.start_soon(guarded, cid)
        if failures:
            raise failures[0]
        return spoilt, lacking

    async def _replace(
        self, pin: Pin, node_id: str, spoilt: Sequence[bytes], note_aside: NoteAside
    ) -> tuple[str, bool]:
        async with self._ownership.alone(self._node, node_id, self._cluster, pin.cid) as is_alone:
            if not is_alone:
                return SHARED, True
            if pin.cid not in spoilt:  # without its first block nothing of it can be reached, nor set aside
                await note_aside(True)
                try:
                    await self._node.set_aside(pin.cid)
                except NodeRefused:
                    await note_aside(False)
                    return NO_FILE, True
            with self._hold(pin.cid):
                await self._node.unpin(pin.cid)
                try:
                    needed = any([await self._node.remove_block(cid) for cid in spoilt])
                except (
                    NodeDown,
                    NodeRefused,
                ):  # somebody else has something pinned, and Kubo waits for that, however long it takes
                    return BUSY, False
            try:
                if needed:
                    return SHARED, await self._pin(pin)
            except NodeDown:
                return BUSY, False
        try:
            _, lacking = await self._fetch(spoilt)
            return (NOWHERE, False) if lacking else ("", await self._pin(pin))
        except (NodeDown, NodeRefused):
            return BUSY, False

    async def _pin(self, pin: Pin) -> bool:
        """Pin what is all here, or nearly; False: the pinner goes on with it."""
        try:
            await self._node.pin(pin.cid, pin.mode, pin_name(self._cluster), pin.origins, lambda _blocks, _bytes: None)
        except (NodeRefused, NoProgress):
            return False
        return True
