"""A node in memory with Kubo's manners about blocks: what is stored is served as it is, and pinned blocks stay."""

from __future__ import annotations

from collections.abc import Sequence

from pincrew.errors import Malformed, NodeDown, NodeRefused
from pincrew.node.links import links_of
from pincrew.node_client import NodeIdentity, NodePin, OnProgress
from pincrew.values import PinMode


class BlockNode:
    """``stored`` is its disk, ``elsewhere`` what others would send. ``calls`` are those that changed something."""

    address = "memory"

    def __init__(self, peer_id: str = "12D3KooWMemory") -> None:
        self.stored: dict[bytes, bytes] = {}
        self.elsewhere: dict[bytes, bytes] = {}
        self.pinned: dict[bytes, NodePin] = {}
        self.kept_aside: set[bytes] = set()
        self.needed: dict[bytes, str] = {}  # blocks that another pin needs, and the node's word on that
        self.takes_aside = True
        self.is_busy = False  # pins are under way: no block is removed meanwhile
        self.failure_unpinned: NodeDown | NodeRefused | None = None  # what it answers to reading and pinning then
        self.calls: list[tuple[str, bytes]] = []
        self._peer_id = peer_id

    async def id(self) -> NodeIdentity:
        return NodeIdentity(self._peer_id, (), "kubo/0.43.1")

    async def pin_of(self, cid: bytes) -> NodePin | None:
        return self.pinned.get(cid)

    async def pin(self, cid: bytes, mode: PinMode, name: str, origins: Sequence[str], on_progress: OnProgress) -> None:
        self._may_fail()
        waiting = [cid]
        while waiting:
            one = waiting.pop()
            if one not in self.stored:
                if one not in self.elsewhere:
                    raise NodeRefused("no provider")
                self.stored[one] = self.elsewhere[one]
            if mode is PinMode.RECURSIVE:
                waiting += self._links(one)
        self.calls.append(("pin", cid))
        self.pinned[cid] = NodePin(cid, mode, name)

    async def unpin(self, cid: bytes) -> None:
        self.calls.append(("unpin", cid))
        self.pinned.pop(cid, None)

    async def block_get(self, cid: bytes, *, bytes_max: int, timeout_s: float) -> bytes:
        if cid not in self.stored:
            if cid not in self.elsewhere:
                raise NodeRefused("no such block in time")
            self.stored[cid] = self.elsewhere[cid]
        return self.stored[cid]

    async def stored_block(self, cid: bytes) -> bytes | None:
        self._may_fail()
        return self.stored.get(cid)

    def _may_fail(self) -> None:
        if self.failure_unpinned is not None and any(call == "unpin" for call, _ in self.calls):
            raise self.failure_unpinned

    async def remove_block(self, cid: bytes) -> str:
        if self.is_busy:
            raise NodeDown("The IPFS node did not answer `block/rm` in 30 s")
        if cid in self.needed:
            return self.needed[cid]
        self.calls.append(("remove", cid))
        self.stored.pop(cid, None)
        return ""

    async def set_aside(self, cid: bytes) -> None:
        if not self.takes_aside:
            raise NodeRefused("cp: source must be a valid UnixFS")
        self.calls.append(("aside", cid))
        self.kept_aside.add(cid)

    async def end_aside(self, cid: bytes) -> None:
        self.kept_aside.discard(cid)

    def _links(self, cid: bytes) -> list[bytes]:
        try:
            return links_of(cid, self.stored[cid])
        except Malformed:
            return []
