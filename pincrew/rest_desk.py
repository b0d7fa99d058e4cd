"""What ipfs-cluster's REST API reads of a running cluster (`rest.contract.RestDoor`): a follower has no more of it.

ipfs-cluster's peers ask each other for everything. Here most of it stands in announcements already; asked are the
peers that are connected, and only a curator's peer may ask for what exactly others keep (``pincrew.policy``).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import asdict

import msgspec
import trio

from pincrew import __version__, limits
from pincrew.addresses import with_peer
from pincrew.alerts import Alert
from pincrew.api.lines import ZERO_TIME, pin_object, time_text
from pincrew.api.shapes import GlobalPinInfo, PinObject
from pincrew.cid import cid_text, parse_cid
from pincrew.crew_metrics import metric_names, metrics
from pincrew.errors import Misuse, NodeRefused, NotFound, PincrewError
from pincrew.node_client import NodeIdentity
from pincrew.node_watch import NodeState
from pincrew.peer import Peer
from pincrew.pin_statuses import PinStatuses
from pincrew.policy import Method
from pincrew.record import decode_record
from pincrew.requests import Request
from pincrew.rest import shapes
from pincrew.store.filters import Filter
from pincrew.values import Pin

# What `recover` of ipfs-cluster tries again.
_RECOVERED = frozenset(("pin_error", "unpin_error", "unexpectedly_unpinned"))
NOT_LISTED = "pin is not part of the pinset"


class RestDesk:
    """Speaks for one cluster."""

    def __init__(
        self,
        peer: Peer,
        statuses: PinStatuses,
        *,
        asks_others: bool,
        alerts: Callable[[], Sequence[Alert]] = tuple,
    ) -> None:
        """``alerts`` are those of a curator's peer, newest first."""
        self.peer = peer
        self.pin_statuses = statuses
        self._asks_others = asks_others
        self._alerts = alerts

    # ---- peers --------------------------------------------------------------------------------------------------

    def id(self) -> shapes.Id:
        """Return who this peer is."""
        peer = self.peer
        connected = self._connected()
        addresses = list(peer.network.addresses) if peer.network is not None else []
        others = [self._addresses_of(one) for one in connected]
        node = peer.pinner.summary().node
        trouble = node.trouble or "it does not answer"
        return shapes.Id(
            id=peer.id,
            addresses=addresses,
            cluster_peers=sorted([peer.id, *connected]),
            cluster_peers_addresses=[*addresses, *(address for some in others for address in some)],
            version=__version__,
            commit="",
            rpc_protocol_version="",
            error="",
            ipfs=_ipfs_id(node.identity, "" if node.state is NodeState.UP else trouble),
            peername=peer.options.peer_name,
        )

    def _connected(self) -> list[str]:
        network = self.peer.network
        return [] if network is None else [connection.peer for connection in network.connections()]

    def _addresses_of(self, peer: str) -> list[str]:
        heard = self.peer.heard_of(peer)
        return [] if heard is None else [with_peer(address, peer) for address in heard.addresses]

    async def peers(self) -> AsyncGenerator[Sequence[shapes.Id], None]:
        """Yield this peer, those that are connected (asked for who they are) and those that others announced."""
        connected = sorted(self._connected())
        announced = {one.announcement.peer for one in self.peer.member.heard.current(trio.current_time())}
        yield [self.id()]
        answered: dict[str, shapes.Id] = {}

        async def ask(peer: str) -> None:
            answered[peer] = await self._asked(peer)

        async with trio.open_nursery() as nursery:
            for peer in connected:
                nursery.start_soon(ask, peer)
        if answered:
            yield [answered[peer] for peer in connected]
        if others := sorted(announced - {self.peer.id, *connected}):
            yield [self._announced(peer, cluster_peers=[peer], error="") for peer in others]

    async def _asked(self, peer: str) -> shapes.Id:
        """Return who a connected peer is, or why it did not say."""
        try:
            answer = await self.peer.ask(peer, Request(Method.ID))
        except PincrewError as error:
            return self._announced(peer, cluster_peers=[], error=error.sentence)
        return self._announced(peer, cluster_peers=sorted([peer, *answer.peers]), error="")

    async def peer_by_id(self, peer: str) -> shapes.Id:
        """Return who a peer is. Raises NotFound for one that is not here."""
        if peer == self.peer.id:
            return self.id()
        if peer not in self._connected():
            raise NotFound(f"{peer} is not connected", next_step="A peer joins by itself: `pincrew follow SOURCE`")
        return await self._asked(peer)

    def _announced(self, peer: str, *, cluster_peers: list[str], error: str) -> shapes.Id:
        heard = self.peer.heard_of(peer)
        node = None
        if heard is not None and heard.node_id is not None:
            node = NodeIdentity(heard.node_id, heard.node_addresses, "")
        return shapes.Id(
            id=peer,
            addresses=self._addresses_of(peer),
            cluster_peers=cluster_peers,
            cluster_peers_addresses=[],
            version="" if heard is None else heard.version,
            commit="",
            rpc_protocol_version="",
            error=error,
            ipfs=_ipfs_id(node, "" if node is not None else "its IPFS node does not answer"),
            peername="" if heard is None else heard.name,
        )

    async def graph(self) -> shapes.ConnectGraph:
        """Return who is connected to whom: what this peer sees of it, and what those tell that are connected."""
        peer = self.peer
        links: dict[str, list[str]] = {peer.id: sorted(self._connected())}
        names, trusted, nodes = {peer.id: peer.options.peer_name}, {peer.id: peer.is_curator(peer.id)}, {}
        async with aclosing(self.peers()) as slices:
            async for some in slices:
                for one in some:
                    names[one.id] = one.peername
                    trusted[one.id] = peer.is_curator(one.id)
                    links.setdefault(one.id, [other for other in one.cluster_peers if other != one.id])
                    if one.ipfs.id:
                        nodes[one.id] = one.ipfs.id
        swarm: dict[str, list[str]] = {node: [] for node in nodes.values()}  # Go's client draws only what has an entry
        if peer.id in nodes:
            try:
                swarm[nodes[peer.id]] = await peer.node.swarm_peers()
            except PincrewError:
                del swarm[nodes.pop(peer.id)]
        return shapes.ConnectGraph(
            cluster_id=peer.id,
            id_to_peername=names,
            ipfs_links=swarm,
            cluster_links=links,
            cluster_trust_links=trusted,
            cluster_to_ipfs=nodes,
        )

    def alerts(self) -> list[shapes.Alert]:
        """Return whose announcements expired, newest first. Like ipfs-cluster's, a follower keeps none."""
        return [
            shapes.Alert(**one.metric._asdict(), triggered_at=time_text(one.triggered_ms) or ZERO_TIME)
            for one in self._alerts()
        ]

    def metric_names(self) -> list[str]:
        """Return of what there are metrics."""
        return metric_names(self.peer.member.heard.all(), trio.current_time())

    def metrics(self, name: str) -> list[shapes.Metric]:
        """Return the valid metrics of a name."""
        found = metrics(self.peer.member.heard.all(), name, trio.current_time(), self.peer.clock_ms())
        return [shapes.Metric(**one._asdict()) for one in found]

    def bandwidth(self) -> dict[str, shapes.Bandwidth]:
        """Return how much passed between this peer and others, by protocol."""
        network = self.peer.network
        passed = {} if network is None else network.traffic()
        return {protocol: shapes.Bandwidth(**asdict(some)) for protocol, some in passed.items()}

    async def collect_garbage(self) -> shapes.GlobalRepoGc:
        """Have this peer's node collect garbage. Nobody may make another peer's node do that."""
        keys: list[shapes.GcKey] = []
        trouble = ""
        try:
            with trio.fail_after(limits.NODE_COLLECT_TIMEOUT_S):
                async with aclosing(self.peer.node.collect()) as collected:
                    async for one in collected:
                        if len(keys) < limits.REST_COLLECTED_SHOWN_MAX:
                            cid = None if one.cid is None else cid_text(one.cid)
                            keys.append(shapes.GcKey(key=cid, error=one.error))
        except PincrewError as error:
            trouble = error.sentence
        except trio.TooSlowError:
            trouble = f"The IPFS node did not come to an end within {limits.NODE_COLLECT_TIMEOUT_S:.0f} s"
        own = shapes.RepoGc(peer=self.peer.id, peername=self.peer.options.peer_name, keys=keys, error=trouble)
        return shapes.GlobalRepoGc(peer_map={self.peer.id: own})

    # ---- the list -----------------------------------------------------------------------------------------------

    async def allocations(self) -> AsyncGenerator[Sequence[PinObject], None]:
        """Yield the list."""
        last = 0

        def read() -> list[PinObject]:
            nonlocal last
            rows = self.peer.listing.records(last, limits.REQUEST_CIDS_MAX)
            last = rows[-1][0] if rows else last
            return [pin_object(decode_record(cid, record)) for _, cid, record in rows]

        while pins := await trio.to_thread.run_sync(read):
            yield pins

    async def allocation(self, cid: bytes) -> PinObject:
        """Return one pin of it. Raises NotFound."""
        return pin_object(await self.listed(cid))

    async def listed(self, cid: bytes) -> Pin:
        """Return one pin of the list. Raises NotFound."""
        rows = await trio.to_thread.run_sync(lambda: self.peer.listing.page(Filter(cid=cid), limit=1))
        if not rows:
            raise NotFound(NOT_LISTED)
        return decode_record(cid, rows[0].record)

    async def resolve(self, path: str) -> bytes:
        """Return the CID that a path ends at. Raises Misuse where it ends nowhere, NodeDown where nobody can say."""
        try:
            return await self.peer.node.resolve(path)
        except NodeRefused as error:
            raise Misuse(f"error resolving path: {error.what}") from error

    # ---- how far it is --------------------------------------------------------------------------------------------

    async def statuses(
        self, cids: Sequence[bytes], *, words: frozenset[str], local: bool
    ) -> AsyncGenerator[Sequence[GlobalPinInfo], None]:
        """Yield how far peers are with the named pins, or with all; ``words`` are the statuses shown (none: all)."""
        source = self.pin_statuses.of(cids, local=local) if cids else self.pin_statuses.all(local=local)
        async with aclosing(source):
            async for some in source:
                if found := _with_statuses(some, words) if words else some:
                    yield found

    async def recover(self, cid: bytes, *, local: bool) -> GlobalPinInfo:
        """Have a pin that failed tried again, here and (unless ``local``) wherever it is to be; say how far it is."""
        [found] = await self._status(cid, local=local)
        if not _with_statuses([found], _RECOVERED):
            return found
        await self._recover([cid], local=local)
        [found] = await self._status(cid, local=local)
        return found

    async def _status(self, cid: bytes, *, local: bool) -> list[GlobalPinInfo]:
        return [one async for some in self.pin_statuses.of([cid], local=local) for one in some]

    async def recover_all(self, *, local: bool) -> AsyncGenerator[Sequence[GlobalPinInfo], None]:
        """Have all that failed tried again; yield those pins."""
        async with aclosing(self.statuses([], words=_RECOVERED, local=local)) as failed:
            async for some in failed:
                await self._recover([parse_cid(one.cid) for one in some], local=local)
                yield some

    async def _recover(self, cids: Sequence[bytes], *, local: bool) -> None:
        for cid in cids:
            await self.peer.pinner.retry(cid)
        if local or not self._asks_others:
            return

        async def ask(peer: str) -> None:
            try:
                await self.peer.ask(peer, Request(Method.RECOVER, tuple(cids)))
            except PincrewError:
                return  # its status says what is wrong with it

        async with trio.open_nursery() as nursery:
            for peer in self._connected():
                nursery.start_soon(ask, peer)


def _with_statuses(infos: Iterable[GlobalPinInfo], words: frozenset[str]) -> list[GlobalPinInfo]:
    """Return those at peers in one of these statuses, and of each pin only such peers."""
    found = []
    for one in infos:
        peers = {peer: info for peer, info in one.peer_map.items() if info.status in words}
        if peers:
            found.append(msgspec.structs.replace(one, peer_map=peers))
    return found


def _ipfs_id(node: NodeIdentity | None, trouble: str) -> shapes.IpfsId:
    if node is None:
        return shapes.IpfsId(addresses=[], error=trouble)
    return shapes.IpfsId(id=node.peer_id, addresses=list(node.addresses), error=trouble)
