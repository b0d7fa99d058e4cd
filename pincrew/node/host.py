"""The libp2p host of the embedded node: connections with any IPFS node over TCP, noise and yamux, and streams on them.

It stands on the same hardened parts as a cluster's host (`network.hardening` says against what). Beside ping and the
protocols that are registered, it answers identify: Kubo asks no peer for blocks of which it does not know that it
speaks Bitswap. It asks nobody to identify: a protocol is found out by opening a stream, and addresses come from those
who tell this node whom to connect to.

Nothing redials by itself. ``reach`` connects to a peer whose address is remembered when somebody needs it again.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, NewType

import trio
from libp2p.identity.identify.pb.identify_pb2 import Identify
from libp2p.peer.id import ID
from libp2p.protocol_muxer.exceptions import MultiselectClientError
from libp2p.protocol_muxer.multiselect_client import MultiselectClient
from libp2p.protocol_muxer.multiselect_communicator import MultiselectCommunicator
from multiaddr import Multiaddr

from pincrew import __version__, limits
from pincrew.errors import HandshakeFailed, Misuse, PincrewError, WorldFault
from pincrew.keys import SigningKey, peer_id
from pincrew.network import addresses as addressing
from pincrew.network.connections import address_of, cancelled_at_end, is_over, tcp_address, via
from pincrew.network.contract import PeerUnreachable
from pincrew.network.hardening import GuardedHost, GuardedSwarm, serving, settle_library
from pincrew.network.host import build_host
from pincrew.network.streams import FrameStream, length_prefix
from pincrew.node.dialable import may_lead_inside

log = logging.getLogger(__name__)

AGENT = f"pincrew/{__version__}"
_IDENTIFY = "/ipfs/id/1.0.0"
_PROTOCOL_VERSION = "ipfs/0.1.0"
_PING = "/ipfs/ping/1.0.0"

# One negotiated stream of py-libp2p.
Stream = NewType("Stream", object)
StreamHandler = Callable[[str, Any], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Connected:
    """A connection that is up. ``address`` is a multiaddr without the peer id; ``via`` is "in" or "out"."""

    peer: str
    address: str
    via: str


class NodeHost:
    """Connections and streams of one node.

    ``connected(peer)`` and ``disconnected(peer)`` are called with a peer's first connection and after its last.
    """

    def __init__(
        self,
        key: SigningKey,
        listen: Sequence[str],
        *,
        announce: Sequence[str] = (),
        connections_max: int = limits.NODE_PEERS_MAX,
    ) -> None:
        """Check the addresses (raises Misuse); nothing listens before ``run``."""
        addressing.check_listen(listen)
        addressing.check_announce(announce)
        self.key = key
        self.peer = peer_id(key.public)
        self.connections_max = connections_max
        self.connected: Callable[[str], None] = lambda _peer: None
        self.disconnected: Callable[[str], None] = lambda _peer: None
        self._listen = tuple(listen)
        self._announce = tuple(announce)
        self._handlers: dict[str, StreamHandler] = {}
        self._known: OrderedDict[str, tuple[str, ...]] = OrderedDict()
        self._dialling: dict[str, trio.Event] = {}
        self._up: set[str] = set()
        self._addresses: tuple[str, ...] = ()
        self._host: GuardedHost | None = None
        self._nursery: trio.Nursery | None = None

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where others find us, with our peer id; empty before ``run`` has started."""
        return self._addresses

    @property
    def protocols(self) -> tuple[str, ...]:
        """What is spoken here."""
        return (_IDENTIFY, _PING, *self._handlers)

    def set_stream_handler(self, protocol: str, handler: StreamHandler) -> None:
        """Let ``handler(peer, stream)`` serve inbound streams of ``protocol``; the stream is reset when it returns."""
        self._handlers[protocol] = handler
        if self._host is not None:
            self._register(self._host, protocol)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Listen and serve until cancelled. Raises PortInUse or WorldFault when listening fails."""
        settle_library()
        addressing.probe_ports(self._listen)
        host = build_host(self.key, self._flooded)
        host.streams_max = limits.NODE_STREAMS_PER_CONNECTION_MAX
        swarm: GuardedSwarm = host.get_network()
        swarm.admits = self._admits
        swarm.connection_up = self._connection_up
        host.set_stream_handler(_IDENTIFY, self._identify)
        for protocol in self._handlers:
            self._register(host, protocol)
        failure: WorldFault | None = None
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(serving(swarm))
            self._nursery = await stack.enter_async_context(cancelled_at_end())
            self._host = host
            try:
                await swarm.listen(*map(Multiaddr, self._listen))
                listening = [str(address) for listener in swarm.listeners.values() for address in listener.get_addrs()]
                if len(swarm.listeners) < len(set(self._listen)) or not listening:
                    raise WorldFault(
                        f"Not every address can be listened on: {', '.join(self._listen)}",
                        next_step="Choose others in node.toml",
                    )
                self._addresses = addressing.told_addresses(listening, self._announce, self.peer)
                task_status.started()
                await trio.sleep_forever()
            except WorldFault as error:
                # Raised below: through the nurseries it would arrive inside an exception group.
                failure = error
            finally:
                self._host = None
                await self._shut_down(swarm)
        if failure is not None:
            raise failure

    # ---- peers ---------------------------------------------------------------------------------------------------
    def peers(self) -> list[Connected]:
        """Return every connection that is up."""
        if self._host is None:
            return []
        swarm = self._host.get_network()
        return [
            Connected(str(each.muxed_conn.peer_id), address_of(each), via(each))
            for each in swarm.get_connections()
            if not is_over(each)
        ]

    def is_connected(self, peer: str) -> bool:
        """Tell whether a connection with ``peer`` is up."""
        return peer in self._up

    def remember(self, peer: str, addresses: Sequence[str]) -> None:
        """Remember where ``peer`` may be found; of many peers the latest NODE_ADDRESS_BOOK_PEERS_MAX are kept."""
        fresh = [address for address in addresses if address]
        if not fresh or peer == self.peer:
            return
        known = self._known.pop(peer, ())
        self._known[peer] = tuple(dict.fromkeys([*fresh, *known]))[: limits.RESOLVED_ADDRESSES_MAX]
        while len(self._known) > limits.NODE_ADDRESS_BOOK_PEERS_MAX:
            self._known.popitem(last=False)

    async def connect(self, multiaddr: str) -> None:
        """Connect to the peer that ``multiaddr`` names, and remember it.

        Raises Misuse for what is no such address, PeerUnreachable or HandshakeFailed when there is no connection.
        """
        parts = addressing.parts_of(multiaddr)
        if not parts or parts[-1][0] != "p2p":
            raise Misuse(f"{multiaddr!r} names no peer", next_step="End it with `/p2p/PEER_ID`")
        peer = _canonical(parts[-1][1])
        if peer == self.peer:
            raise Misuse("That is this node itself")
        if len(parts) > 1:
            self.remember(peer, [multiaddr])
        await self.reach(peer)

    def known(self) -> list[str]:
        """Return the peers of which addresses are remembered, the latest first."""
        return list(reversed(self._known))

    async def reach(self, peer: str, addresses: Sequence[str] = (), *, by_strangers: bool = False) -> None:
        """Be connected to ``peer``: by a connection that is up, else at the addresses that are remembered of it.

        ``addresses`` are tried after those, and not remembered. ``by_strangers``: they are `dialable` ones that others
        gave us, who also say where a name leads: not to this machine or its network, unless only somebody there can
        have given that name. Raises PeerUnreachable or HandshakeFailed. Several who ask at once share one attempt.
        """
        while peer not in self._up and (other := self._dialling.get(peer)) is not None:
            await other.wait()
        if peer in self._up:
            return
        done = self._dialling[peer] = trio.Event()
        try:
            await self._dial(peer, addresses, by_strangers)
        finally:
            del self._dialling[peer]
            done.set()

    def limit_connections(self, connections_max: int) -> None:
        """Be connected to at most so many peers. Where there are more, who dialled us goes first, the latest first."""
        self.connections_max = connections_max
        surplus = len(self._up) - connections_max
        if surplus > 0 and self._nursery is not None:
            latest_first = self.peers()[::-1]
            peers = [each.peer for via in ("in", "out") for each in latest_first if each.via == via]
            for peer in list(dict.fromkeys(peers))[:surplus]:
                self._nursery.start_soon(self.disconnect, peer)

    async def disconnect(self, peer: str) -> None:
        """End every connection with ``peer``."""
        if self._host is not None:
            for connection in self._host.get_network().get_connections(ID.from_string(peer)):
                await connection.muxed_conn.sever()
                # Until its reading task has met the end, the connection passes for one that is up.
                with trio.move_on_after(limits.CLOSE_TIMEOUT_S):
                    await connection.muxed_conn.event_closed.wait()
            self._check_gone(peer)

    # ---- streams -------------------------------------------------------------------------------------------------
    async def new_stream(self, peer: str, protocols: Sequence[str]) -> tuple[str, Any]:
        """Open a stream with a connected peer; return the first of ``protocols`` that it speaks, and the stream.

        Raises PeerUnreachable where it is not connected, or speaks none of them, within NEGOTIATION_TIMEOUT_S.
        """
        connection = self._connection(peer)
        if connection is None:
            raise PeerUnreachable(where=peer)
        raw = None
        try:
            with trio.fail_after(limits.NEGOTIATION_TIMEOUT_S):
                raw = await connection.new_stream()
                protocol = await MultiselectClient().select_one_of(
                    protocols,
                    MultiselectCommunicator(raw),
                    negotiate_timeout=int(limits.NEGOTIATION_TIMEOUT_S),
                )
        # The connection may end at any point of this, each with an exception of its own. All of it goes on up.
        except BaseException as error:
            if raw is not None:
                await FrameStream(peer, raw).reset()
            if isinstance(error, MultiselectClientError):
                raise PeerUnreachable("The other node does not speak that protocol", where=peer) from error
            if isinstance(error, Exception):
                raise PeerUnreachable("The connection ended", where=peer) from error
            raise
        return str(protocol), raw

    # ---- connections ---------------------------------------------------------------------------------------------
    async def _dial(self, peer: str, addresses: Sequence[str], by_strangers: bool) -> None:
        if self._host is None:
            raise PeerUnreachable("The node is stopping", where=peer)
        if len(self._up) >= self.connections_max:
            raise PeerUnreachable(f"There are {len(self._up)} connections already, the most allowed", where=peer)
        swarm = self._host.get_network()
        failure: PincrewError = PeerUnreachable("No address of it is known", where=peer)
        ours = self._known.get(peer, ())
        for known in dict.fromkeys([*ours, *addresses]):
            global_only = by_strangers and known not in ours and not may_lead_inside(known)
            try:
                for address in await addressing.resolve(known, peer, global_only=global_only):
                    try:
                        connection = await swarm.dial(address, ID.from_string(peer))
                    except (PeerUnreachable, HandshakeFailed) as error:
                        failure = error
                        continue
                    connection.pincrew_address = address
                    if peer in self._known:
                        self._known.move_to_end(peer)
                    return
            except Misuse as error:
                failure = error
            except WorldFault as error:
                failure = PeerUnreachable(error.what, where=peer)
        raise failure

    def _admits(self, peer: str) -> bool:
        """Keep some of the connections for those that we dial ourselves."""
        if peer in self._up:
            return True
        kept = 0 if peer in self._dialling else int(self.connections_max * limits.NODE_DIALLED_SHARE)
        return len(self._up) < self.connections_max - kept

    def _connection(self, peer: str) -> Any:
        """Return the newest connection with ``peer`` that is up, or None."""
        if self._host is None:
            return None
        alive = [each for each in self._host.get_network().get_connections(ID.from_string(peer)) if not is_over(each)]
        return alive[-1] if alive else None

    def _connection_up(self, connection: Any) -> None:
        if self._nursery is None:
            return
        peer = str(connection.muxed_conn.peer_id)
        if peer not in self._up:
            self._up.add(peer)
            self.connected(peer)
        self._nursery.start_soon(self._watch, peer, connection)

    async def _watch(self, peer: str, connection: Any) -> None:
        await connection.muxed_conn.event_closed.wait()
        self._check_gone(peer)

    def _check_gone(self, peer: str) -> None:
        if peer in self._up and self._connection(peer) is None:
            self._up.discard(peer)
            self.disconnected(peer)

    async def _shut_down(self, swarm: GuardedSwarm) -> None:
        with trio.move_on_after(limits.SHUTDOWN_TIMEOUT_S, shield=True):
            async with trio.open_nursery() as nursery:
                for connection in swarm.get_connections():
                    nursery.start_soon(connection.muxed_conn.sever)
                for listener in swarm.listeners.values():
                    nursery.start_soon(listener.close)

    def _flooded(self, peer: str) -> None:
        log.info("connection closed: the peer opens too many streams", extra={"peer": peer})
        if self._nursery is not None:
            self._nursery.start_soon(self.disconnect, peer)

    # ---- serving -------------------------------------------------------------------------------------------------
    def _register(self, host: GuardedHost, protocol: str) -> None:
        handler = self._handlers[protocol]

        async def serve(raw: Any) -> None:
            await handler(str(raw.muxed_conn.peer_id), raw)

        host.set_stream_handler(protocol, serve)

    async def _identify(self, raw: Any) -> None:
        """Say who we are and what we speak (libp2p specs, identify)."""
        assert self._host is not None
        told = [Multiaddr(address.partition("/p2p/")[0]).to_bytes() for address in self._addresses]
        message = Identify(
            protocol_version=_PROTOCOL_VERSION,
            agent_version=AGENT,
            public_key=self._host.get_public_key().serialize(),
            listen_addrs=told,
            protocols=self.protocols,
        )
        observed = raw.muxed_conn.get_remote_address()
        if observed is not None:
            message.observed_addr = Multiaddr(tcp_address(observed)).to_bytes()
        encoded = message.SerializeToString()
        with trio.fail_after(limits.NEGOTIATION_TIMEOUT_S):
            await raw.write(length_prefix(len(encoded)) + encoded)
            await raw.close()


def _canonical(peer: str) -> str:
    """Return a peer id in the one form that libp2p's objects print."""
    try:
        return str(ID.from_string(peer))
    except ValueError as error:
        raise Misuse(f"{peer!r} is not a peer id", next_step="A peer id starts with `12D3Koo` or `Qm`") from error
