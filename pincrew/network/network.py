"""One cluster's host: the only door to other peers.

Life of a neighbour: a connection comes up, dialled by either side; the side that wants the other opens the sync stream
and is greeted; the peer above is told (`connected`) and serves the stream until it ends (`disconnected`). A connection
on which no sync stream comes up within ``SYNC_OPEN_TIMEOUT_S`` is closed: it belongs to another cluster, or to nobody.
Requests and pubsub use the same connections. Everything that must hold against hostile peers is in ``hardening.py``.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from random import Random
from typing import Any

import trio
from libp2p.peer.id import ID
from libp2p.protocol_muxer.exceptions import ProtocolNotSupportedError
from multiaddr import Multiaddr

from pincrew import limits
from pincrew.errors import HandshakeFailed, Misuse, WorldFault
from pincrew.keys import peer_id, public_of
from pincrew.network import addresses as addressing
from pincrew.network.connections import (
    address_of,
    cancelled_at_end,
    first_of,
    is_over,
    open_stream,
    peer_of,
    sever,
    via,
)
from pincrew.network.contract import Connection, Handlers, NetworkConfig, PeerUnreachable, Verdict
from pincrew.network.deliveries import Deliveries
from pincrew.network.dialling import Dialling
from pincrew.network.flood import FloodGuard
from pincrew.network.gossip import Gossip
from pincrew.network.guests import Guests, Serve, had_guest
from pincrew.network.handshakes import HandshakeReports, other_cluster
from pincrew.network.hardening import GuardedHost, GuardedSwarm, serving, settle_library
from pincrew.network.host import build_host
from pincrew.network.links import Links
from pincrew.network.mdns import LocalPeers
from pincrew.network.neighbours import Neighbours
from pincrew.network.requests import Requests
from pincrew.network.streams import FrameStream
from pincrew.network.traffic import Passed, Traffic

log = logging.getLogger(__name__)


class Network:
    """A hardened libp2p host for one cluster.

    ``clock`` and ``random`` are what flood accounting and redial delays are counted with.
    """

    def __init__(
        self,
        config: NetworkConfig,
        handlers: Handlers,
        *,
        clock: Callable[[], float] | None = None,
        random: Random | None = None,
    ) -> None:
        """Check the configuration (raises Misuse); nothing listens before ``run``."""
        addressing.check_listen(config.listen)
        addressing.check_announce(config.announce)
        if len(config.cluster) != 32 or (config.secret is not None and len(config.secret) != 32):
            raise Misuse("A cluster id and a private network key have 32 bytes each")
        self.peer = peer_id(config.key.public)
        self._config = config
        self._handlers = handlers
        self._clock = clock or trio.current_time
        cluster = config.cluster.hex()
        self._request_protocol = f"/pincrew/{cluster}/request/1"
        self._topic = f"pincrew/{cluster}"
        self._addresses: tuple[str, ...] = ()
        self._flood = FloodGuard()
        self._neighbours = Neighbours(self.peer)
        self._dialling = Dialling(self, self._neighbours, config.neighbours_max, random or Random())
        self._links = Links(
            self.peer,
            f"/pincrew/{cluster}/sync/1",
            handlers,
            self._neighbours,
            inbound_max=config.neighbours_max * limits.INBOUND_FACTOR,
            is_welcome_anyway=lambda peer: self._dialling.is_wanted(peer, priority=True),
            clock=self._clock,
        )
        self._requests = Requests(partial(self._open, self._request_protocol), handlers.serve_request)
        self._delivery_protocol = f"/pincrew/{cluster}/delivery/1"
        self._deliveries = Deliveries(partial(self._open, self._delivery_protocol), handlers.take_delivery)
        self._reports = HandshakeReports(handlers, config.secret is not None, self._clock)
        self._guests = Guests(self._neighbours.notice)
        self._traffic = Traffic(self._clock)
        self._host: GuardedHost | None = None
        self._swarm: GuardedSwarm | None = None
        self._gossip: Gossip | None = None
        self._nursery: trio.Nursery | None = None

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where others find us, with our peer id; empty before ``run`` has started."""
        return self._addresses

    def connections(self) -> list[Connection]:
        """Return the neighbours, longest first."""
        return self._neighbours.connections()

    def listeners(self) -> frozenset[str]:
        """Return the neighbours that our pubsub messages reach directly."""
        return self._gossip.listeners if self._gossip is not None else frozenset()

    def seek(self, peer: str, addresses: Sequence[str], *, priority: bool = False) -> None:
        """Want ``peer`` as a neighbour from now on, dialled again whenever it is lost. Raises Misuse for no peer id."""
        public_of(peer)
        if peer != self.peer:
            self._dialling.seek(peer, addresses, priority=priority)

    def forget(self, peer: str) -> None:
        """Seek ``peer`` no more; a connection that is up stays until it ends."""
        self._dialling.forget(peer)

    def trouble(self, peer: str) -> str:
        """Say why a sought peer is not a neighbour yet, for a person; "" where there is nothing to say."""
        return self._dialling.trouble(peer)

    def traffic(self) -> dict[str, Passed]:
        """Return how much passed by each protocol."""
        return self._traffic.passed()

    @contextmanager
    def taking_guests(self, protocol: str, serve: Serve) -> Iterator[None]:
        """Let whoever connects open streams of ``protocol``, for as long as the block; the network must run.

        ``serve`` must ask each of them who they are: a peer id says nothing.
        """
        assert self._host is not None

        async def opened(raw: Any) -> None:
            await self._guests.opened(raw, serve)

        self._host.set_stream_handler(protocol, opened)
        try:
            yield
        finally:
            self._host.remove_stream_handler(protocol)

    async def request(self, peer: str, payload: bytes) -> bytes:
        """Ask a connected peer; see ``Requests.request``."""
        return await self._requests.request(peer, payload)

    async def hand_over(self, peer: str, pieces: AsyncIterator[bytes]) -> None:
        """Send much to a connected peer; see ``Deliveries.deliver``."""
        await self._deliveries.deliver(peer, pieces)

    async def publish(self, data: bytes) -> None:
        """Send ``data`` over pubsub, where that is on: a hint that may not arrive."""
        if self._gossip is not None:
            await self._gossip.publish(data)

    def report(self, peer: str, *, rejected: int = 0, duplicates: int = 0) -> None:
        """Count what ``peer`` should not have sent; too much of it cuts the peer off."""
        if self._flood.count(peer, self._clock(), rejected=rejected, needless=duplicates):
            log.warning("peer cut off for %g s: it sends too much that is of no use", limits.FLOOD_BAN_S)
            self._drop(peer)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Listen, dial and serve until cancelled. Raises PortInUse, or WorldFault where listening fails otherwise."""
        settle_library()
        addressing.probe_ports(self._config.listen)
        host = self._host = build_host(self._config.key, self._flooded, secret=self._config.secret)
        swarm = self._swarm = host.get_network()
        swarm.traffic = self._traffic
        swarm.admits = self._admits
        swarm.refused = self._reports.inbound
        swarm.connection_up = self._connection_up
        host.set_stream_handler(self._links.protocol, self._links.opened)
        host.set_stream_handler(self._request_protocol, self._request_opened)
        host.set_stream_handler(self._delivery_protocol, self._delivery_opened)
        failure: WorldFault | None = None
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(serving(swarm))
            if self._config.gossip:
                self._gossip = Gossip(host, self._topic, self)
                await stack.enter_async_context(self._gossip.running())
            nursery = await stack.enter_async_context(cancelled_at_end())
            self._nursery = nursery
            try:
                await nursery.start(self._links.run)
                await self._listen(swarm)
                await nursery.start(self._dialling.run)
                if self._config.mdns:
                    local = LocalPeers(self._config.cluster, self.peer, self._addresses, self._found_locally)
                    nursery.start_soon(local.run)
                task_status.started()
                await trio.sleep_forever()
            except WorldFault as error:
                # Raised below: through the nurseries it would arrive inside an exception group.
                failure = error
            finally:
                await self._shut_down(swarm)
        if failure is not None:
            raise failure

    # ---- what pubsub, dialling and the host call ------------------------------------------------------------------

    def judge(self, author: bytes, data: bytes) -> Verdict:
        """Ask the peer above about a pubsub message; a bug there drops it."""
        try:
            verdict = self._handlers.validate(author, data)
        # A validator that raises would end pubsub for everybody. The message is dropped, the bug is logged.
        except Exception:
            log.exception("the validator failed")
            return Verdict.DUPLICATE
        if verdict is Verdict.ACCEPT:
            self._flood.accepted(self._clock())
        return verdict

    def deliver(self, forwarder: str, author: bytes, data: bytes) -> None:
        """Hand an accepted pubsub message on."""
        try:
            self._handlers.gossip_received(forwarder, author, data)
        # A bug above would end pubsub for everybody here too. It is logged; the sync streams bring what is lost.
        except Exception:
            log.exception("a pubsub message could not be taken in")

    def connected_to(self, peer: str) -> bool:
        """Tell whether a connection with ``peer`` is up."""
        return self._connection(peer) is not None

    def _admits(self, peer: str) -> bool:
        """Tell whether ``peer`` may connect: peers of a cluster have Ed25519 keys, and are not cut off."""
        try:
            public_of(peer)
        except Misuse:
            return False
        return not self.is_out(peer)

    def is_out(self, peer: str) -> bool:
        """Tell whether ``peer`` is cut off."""
        return self._flood.is_out(peer, self._clock())

    async def dial(self, address: str, peer: str) -> None:
        """Connect to ``peer`` at one IP address. Raises PeerUnreachable or HandshakeFailed."""
        assert self._swarm is not None
        try:
            connection = await self._swarm.dial(address, ID.from_string(peer))
        except HandshakeFailed as error:
            raise self._reports.explained(error, address) from error
        connection.pincrew_address = address

    async def join(self, peer: str) -> bool:
        """Open the sync stream with a connected peer; see ``Reach.join``."""
        connection = self._connection(peer)
        if connection is None:
            raise PeerUnreachable(where=peer)
        return await self._links.join(connection)

    def tell_failure(self, address: str, peer: str, error: HandshakeFailed) -> None:
        """Tell a person of a failed handshake that we began."""
        self._reports.tell(address, peer, error)

    # ---- listening ------------------------------------------------------------------------------------------------

    async def _listen(self, swarm: GuardedSwarm) -> None:
        await swarm.listen(*map(Multiaddr, self._config.listen))
        listening = [str(address) for listener in swarm.listeners.values() for address in listener.get_addrs()]
        if len(swarm.listeners) < len(set(self._config.listen)) or not listening:
            raise WorldFault(
                f"Not every address can be listened on: {', '.join(self._config.listen)}",
                next_step="Name others with `--listen`",
            )
        self._addresses = addressing.told_addresses(listening, self._config.announce, self.peer)

    async def _shut_down(self, swarm: GuardedSwarm) -> None:
        """Close every connection at once; one after another, as the library does, takes 0.2 s each."""
        with trio.move_on_after(limits.SHUTDOWN_TIMEOUT_S, shield=True):
            async with trio.open_nursery() as nursery:
                for connection in swarm.get_connections():
                    nursery.start_soon(sever, connection)
                for listener in swarm.listeners.values():
                    nursery.start_soon(listener.close)

    # ---- connections ----------------------------------------------------------------------------------------------

    def _connection(self, peer: str) -> Any:
        """Return the newest connection with ``peer`` that is up, or None."""
        if self._swarm is None:
            return None
        alive = [each for each in self._swarm.get_connections(ID.from_string(peer)) if not is_over(each)]
        return alive[-1] if alive else None

    def _connection_up(self, connection: Any) -> None:
        """Watch a new connection until it ends."""
        if self._nursery is not None:
            self._nursery.start_soon(self._watch, connection)

    async def _watch(self, connection: Any) -> None:
        """Close the connection when its peer is neither neighbour nor guest for ``SYNC_OPEN_TIMEOUT_S``."""
        peer = peer_of(connection)
        change = partial(self._neighbours.change_of, peer)

        def is_used() -> bool:
            return peer in self._neighbours or peer in self._guests

        while not is_over(connection):
            if is_used():
                await first_of(change, connection.muxed_conn.event_closed.wait)
                continue
            with trio.move_on_after(limits.SYNC_OPEN_TIMEOUT_S):
                while not is_used() and not is_over(connection):
                    await first_of(change, connection.muxed_conn.event_closed.wait)
            if not is_used() and not is_over(connection):
                if via(connection) == "in" and not had_guest(connection):
                    self._reports.tell(address_of(connection), peer, other_cluster(address_of(connection)))
                await sever(connection)

    def _drop(self, peer: str) -> None:
        """End every connection with ``peer``."""
        if self._swarm is not None and self._nursery is not None:
            for connection in self._swarm.get_connections(ID.from_string(peer)):
                self._nursery.start_soon(sever, connection)

    def _flooded(self, peer: str) -> None:
        self.report(peer, rejected=1)

    # ---- streams --------------------------------------------------------------------------------------------------

    async def _open(self, protocol: str, peer: str) -> FrameStream:
        connection = self._connection(peer)
        if connection is None:
            raise PeerUnreachable(where=peer)
        try:
            return await open_stream(connection, protocol)
        except ProtocolNotSupportedError as error:
            raise PeerUnreachable("The other peer takes no part in this cluster", where=peer) from error

    async def _request_opened(self, raw: Any) -> None:
        await self._requests.answer(FrameStream(str(raw.muxed_conn.peer_id), raw))

    async def _delivery_opened(self, raw: Any) -> None:
        await self._deliveries.answer(FrameStream(str(raw.muxed_conn.peer_id), raw))

    def _found_locally(self, peer: str, addresses: tuple[str, ...]) -> None:
        """Seek a peer that mDNS found, unless it is sought already."""
        if not self._dialling.is_wanted(peer) and len(self._dialling) < limits.MDNS_PEERS_MAX:
            self.seek(peer, addresses)
