"""What stands between py-libp2p 0.8.1 and a stranger's bytes. Read it before touching any other file here.

py-libp2p runs each service (swarm, pubsub, gossipsub) as one tree of tasks: whatever raises in any of them ends the
host and with it the daemon, and several of those raises can be provoked by one message. So:

- every task that a service starts runs under ``GuardedManager``: what raises is logged and ends that task alone, with
  the connection it served; the services' own loops begin again;
- WebSocket readers run in nurseries that no manager sees (the swarm's for what we dial, the listener's for what comes
  in): they are guarded where they are defined. What answers at an address that a stranger named is hostile too;
- every stream handler runs under ``GuardedHost``, which also bounds streams per connection and leaves none half-open;
- only ping and our own protocols are spoken. identify is neither asked nor answered: nothing here needs it, its tasks
  run outside every service, and it stores addresses that strangers name;
- nobody dials but ``dialling.py``: the library's dialler tries one address per transport, then none for a minute, and
  its connector would dial whatever a stranger made it remember;
- an inbound connection gives back its slot when it ends (py-libp2p keeps it until the host stops, so that a host takes
  in a fixed number of connections in its life and then no more), and before its handshake is over one address holds
  only a few of them (``doorway``);
- connections, streams and buffers have limits of their own (``limits.py``); the library's resource manager, with limits
  for a desktop, is not used.
"""

from __future__ import annotations

import importlib
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import trio
from libp2p.host.basic_host import BasicHost
from libp2p.host.ping import ID as PING
from libp2p.host.ping import PingService
from libp2p.io.utils import read_exactly
from libp2p.network.connection.swarm_connection import SwarmConn
from libp2p.network.exceptions import SwarmException
from libp2p.network.swarm import Swarm
from libp2p.pubsub.rpc_queue import DefaultMaxMessageSize, RpcQueue
from libp2p.security.pnet.protector import new_protected_conn
from libp2p.tools.anyio_service import TrioManager
from multiaddr import Multiaddr
from trio_websocket import WebSocketConnection

from pincrew import limits
from pincrew.errors import HandshakeFailed
from pincrew.network.buffering import HeardConnection
from pincrew.network.connections import metered, tcp_address
from pincrew.network.contract import PeerUnreachable
from pincrew.network.doorway import Doorway
from pincrew.network.handshakes import Silence
from pincrew.network.muxing import GuardedYamux, ThriftyStream
from pincrew.network.traffic import Traffic
from pincrew.network.turns import Turns

log = logging.getLogger(__name__)

_RESTART_PAUSE_S = 1.0
_READ_ATTEMPTS = 1_000


def settle_library() -> None:
    """Set what py-libp2p only lets be set for the whole process. Call it before the first host; again does no harm."""
    yamux: Any = importlib.import_module("libp2p.stream_muxer.yamux.yamux")
    yamux.MAX_WINDOW_SIZE = limits.STREAM_WINDOW_BYTES_MAX
    yamux.YamuxStream = ThriftyStream
    pubsub: Any = importlib.import_module("libp2p.pubsub.pubsub")
    pubsub.RpcQueue = partial(RpcQueue, limits.GOSSIP_QUEUE_MAX, DefaultMaxMessageSize)
    # A message that arrives in more than a hundred pieces would count as torn; a slow line does that to 64 KiB.
    read_exactly.__defaults__ = (_READ_ATTEMPTS,)
    # This module logs through the root logger, which makes Python print everything from then on.
    connection: Any = importlib.import_module("libp2p.network.connection.swarm_connection")
    connection.logging = logging.getLogger("libp2p.network.connection.swarm_connection")
    sockets: Any = WebSocketConnection
    if not hasattr(sockets._reader_task, "guards"):
        sockets._reader_task = _guarded_reader(sockets._reader_task)
    # The library reports each refused stranger as an error with a traceback. What matters is logged or reported by us.
    logging.getLogger("libp2p").setLevel(logging.CRITICAL)


def _guarded_reader(reader: Callable[[Any], Awaitable[None]]) -> Callable[[Any], Awaitable[None]]:
    """Return trio-websocket's reading task so that bytes which its parser does not expect end one connection."""

    async def guarded(self: Any) -> None:
        try:
            await reader(self)
        # wsproto and h11 raise their "local" errors when a stranger's bytes lead them astray: it ends this connection.
        except Exception as error:
            log.info("a WebSocket connection failed: %r", error)
            self._reader_running = False
            with trio.move_on_after(limits.CLOSE_TIMEOUT_S, shield=True):
                await trio.aclose_forcefully(self._stream)

    guarded.guards = reader  # type: ignore[attr-defined]
    return guarded


class GuardedManager(TrioManager):  # type: ignore[misc]
    """Runs a py-libp2p service so that a task that raises ends alone."""

    def __init__(self, service: Any) -> None:
        super().__init__(service, max_children_per_task=2**31)

    def run_task(
        self,
        async_fn: Callable[..., Awaitable[Any]],
        *args: Any,
        daemon: bool = False,
        name: str | None = None,
        _internal: bool = False,
    ) -> None:
        """Start a task; after the service was stopped it is silently not started (the library would raise)."""
        if self.is_cancelled or not self.is_running:
            return
        task = async_fn if _internal else partial(_guarded, async_fn, daemon)
        super().run_task(task, *args, daemon=daemon, name=name or str(async_fn), _internal=_internal)


async def _guarded(async_fn: Callable[..., Awaitable[Any]], daemon: bool, *args: Any) -> None:
    while True:
        try:
            await async_fn(*args)
        # Any bug of the library that a stranger's bytes can reach ends here instead of ending the daemon.
        except Exception as error:
            log.warning("a network task failed: %s: %r", async_fn, error)
            log.debug("the task's traceback", exc_info=True)
            owner = getattr(async_fn, "__self__", None)
            if isinstance(owner, SwarmConn):
                owner = owner.muxed_conn
            if isinstance(owner, GuardedYamux):
                await owner.sever()
        if not daemon:
            return
        await trio.sleep(_RESTART_PAUSE_S)


@asynccontextmanager
async def serving(service: Any) -> AsyncIterator[None]:
    """Run a py-libp2p service for as long as the block; its end is bounded."""
    async with trio.open_nursery() as nursery:
        manager = GuardedManager(service)
        service._manager = manager
        nursery.start_soon(manager.run)
        await manager.wait_started()
        try:
            yield
        finally:
            with trio.move_on_after(limits.SHUTDOWN_TIMEOUT_S, shield=True):
                await manager.stop()
            nursery.cancel_scope.cancel()


class GuardedSwarm(Swarm):  # type: ignore[misc]
    """Connections, with admission by us and dialling in two stages that can be told apart.

    ``admits(peer)`` says whether a peer may connect; ``refused(address, error)`` hears of inbound handshakes that
    failed, ``connection_up(connection)`` of connections that work, ``traffic`` counts what their streams carry. The
    network sets them, once.
    """

    admits: Callable[[str], bool] = staticmethod(lambda peer: True)
    refused: Callable[[str, Exception], None] = staticmethod(lambda address, error: None)
    connection_up: Callable[[Any], None] = staticmethod(lambda connection: None)
    traffic: Traffic | None = None

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self.auto_connector.maybe_connect = _nothing
        self._doorway = Doorway()
        self._turns = Turns()

    async def dial_peer(self, peer_id: Any) -> list[Any]:
        """Refuse: only ``dial`` dials."""
        raise SwarmException(f"{peer_id} is not connected")

    async def dial(self, address: str, peer_id: Any) -> Any:
        """Connect to ``peer_id`` at one IP address.

        Raises PeerUnreachable when nobody answers there, HandshakeFailed when somebody does with whom there is no
        understanding.
        """
        multiaddr = Multiaddr(f"{address}/p2p/{peer_id}")
        transport = self.transport_manager.transport_for_dialing(multiaddr)
        if transport is None:
            raise PeerUnreachable("There is no way to dial such an address", where=address)
        try:
            with trio.fail_after(limits.DIAL_TIMEOUT_S):
                raw = await transport.dial(multiaddr)
        # A refusal, silence (TooSlowError), or whatever the transport stumbles over in what answers there.
        except Exception as error:
            raise PeerUnreachable("Nobody answers", where=address) from error
        raw = line = HeardConnection(raw)
        if self.psk is not None:
            raw = new_protected_conn(raw, self.psk)
        try:
            with trio.fail_after(limits.UPGRADE_TIMEOUT_S):
                return await self.upgrade_outbound_raw_conn(raw, peer_id)
        # Each layer has its own exceptions, and a wrong key turns any of them up. Nothing is swallowed: the socket is
        # closed also where we were cancelled, and foreign exceptions become ours.
        except BaseException as error:
            with trio.move_on_after(limits.CLOSE_TIMEOUT_S, shield=True):
                await raw.close()
            if isinstance(error, trio.TooSlowError) and not line.has_spoken:
                raise HandshakeFailed(where=address) from Silence()
            if isinstance(error, Exception):
                raise HandshakeFailed(where=address) from error
            raise

    async def add_conn(self, muxed_conn: Any, direction: str = "unknown") -> Any:
        """Take a new connection in, unless its peer is kept out or has enough of them."""
        peer_id = muxed_conn.peer_id
        if not self.admits(str(peer_id)):
            raise SwarmException(f"{peer_id} is kept out")
        if len(self.get_connections(peer_id)) >= limits.CONNECTIONS_PER_PEER_MAX:
            raise SwarmException(f"{peer_id} has enough connections")
        connection = await super().add_conn(muxed_conn, direction)
        self.connection_up(connection)
        return connection

    async def _handle_inbound_connection(self, read_write_closer: Any, maddr: Any) -> None:
        """Take a connection in that somebody opened, unless his address has too many that are half open."""
        remote = read_write_closer.get_remote_address()
        if remote is None or self._doorway.has_room(remote[0]):
            await super()._handle_inbound_connection(read_write_closer, maddr)
        else:
            # Before it takes a slot. What the socket of somebody who hung up raises when it is closed is no news.
            with suppress(Exception):
                await read_write_closer.close()

    async def upgrade_inbound_raw_conn(self, raw_conn: Any, maddr: Any) -> Any:
        """Serve an inbound connection from its handshake to its end."""
        remote = raw_conn.get_remote_address()
        address = "" if remote is None else tcp_address(remote)
        with self._doorway.entering("" if remote is None else remote[0]):
            try:
                async with self._turns.turn():
                    muxed_conn = await super().upgrade_inbound_raw_conn(raw_conn, maddr)
            # As when dialling, whatever a layer raises. It is told and goes on up, where the socket is closed.
            except Exception as error:
                self.refused(address, error)
                raise
        # The caller holds one of the inbound slots until this returns, and closes the socket when it raises.
        await muxed_conn.event_closed.wait()
        raise SwarmException("the connection ended")


async def _nothing() -> None:
    """Stand in for the library's connector."""


def _metering(protocol: str, handler: Callable[[Any], Awaitable[None]]) -> Callable[[Any], Awaitable[None]]:
    async def metering(stream: Any) -> None:
        metered(stream, protocol)
        await handler(stream)

    return metering


class GuardedHost(BasicHost):  # type: ignore[misc]
    """Streams: only ping and what we register, a bounded number, none left half-open, no handler that can raise out."""

    streams_max = limits.STREAMS_PER_CONNECTION_MAX

    def __init__(self, swarm: GuardedSwarm, flooded: Callable[[str], None]) -> None:
        super().__init__(
            swarm,
            default_protocols=OrderedDict({PING: _metering(PING, PingService(self).handle_ping)}),
            negotiate_timeout=int(limits.NEGOTIATION_TIMEOUT_S),
            announce_addrs=[],
            disable_identify_address_discovery=True,
        )
        self._flooded = flooded

    def set_stream_handler(self, protocol_id: Any, stream_handler: Any) -> None:
        """Have the streams of a protocol that others open served, and counted."""
        super().set_stream_handler(protocol_id, _metering(protocol_id, stream_handler))

    async def new_stream(self, peer_id: Any, protocol_ids: Any) -> Any:
        """Open a stream that is counted; pubsub does."""
        stream = await super().new_stream(peer_id, protocol_ids)
        metered(stream, stream.get_protocol())
        return stream

    def _schedule_identify(self, peer_id: Any, *, reason: str) -> None:
        """Ask nobody to identify."""

    async def _push_identify_to_all_peers(self) -> None:
        """Tell nobody either."""

    async def _swarm_stream_handler(self, net_stream: Any) -> None:
        connection = net_stream.swarm_conn
        try:
            if len(connection.streams) > self.streams_max:
                self._flooded(str(net_stream.muxed_conn.peer_id))
            else:
                await super()._swarm_stream_handler(net_stream)
        # A handler, ours or the library's, met something that it did not expect. It costs this stream alone.
        except Exception as error:
            log.warning("a stream of %s failed: %r", net_stream.muxed_conn.peer_id, error)
            log.debug("the stream's traceback", exc_info=True)
        finally:
            # A stream that its handler leaves half-open stays in yamux's tables for the life of the connection.
            with trio.move_on_after(limits.CLOSE_TIMEOUT_S, shield=True):
                try:
                    await net_stream.reset()
                # A connection that has ended raises according to how; nothing is left to reset then.
                except Exception as error:
                    log.debug("reset: %r", error)
