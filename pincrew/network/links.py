"""Sync streams: opened by either side, greeted, served by the peer above, and never two with one peer.

Which of two streams counts is said in ``neighbours.py``; here is what is sent and received for it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import trio
from libp2p.protocol_muxer.exceptions import ProtocolNotSupportedError

from pincrew import limits
from pincrew.errors import Malformed
from pincrew.network.connections import address_of, first_of, open_stream, peer_of, sever, via
from pincrew.network.contract import Connection, Handlers
from pincrew.network.handshakes import other_cluster
from pincrew.network.neighbours import Greeting, Link, Neighbours
from pincrew.network.streams import FrameStream, StreamClosed

log = logging.getLogger(__name__)


class Links:
    """Makes neighbours of connected peers. ``run`` for as long as streams are opened or come in."""

    def __init__(
        self,
        me: str,
        protocol: str,
        handlers: Handlers,
        neighbours: Neighbours,
        *,
        inbound_max: int,
        is_welcome_anyway: Callable[[str], bool],
        clock: Callable[[], float],
    ) -> None:
        """Beyond ``inbound_max`` neighbours only those come in who are ``is_welcome_anyway``."""
        self._me = me
        self.protocol = protocol
        self._handlers = handlers
        self._neighbours = neighbours
        self._inbound_max = inbound_max
        self._is_welcome_anyway = is_welcome_anyway
        self._clock = clock
        self._nursery: trio.Nursery | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve what ``join`` opens until cancelled."""
        async with trio.open_nursery() as self._nursery:
            task_status.started()
            await trio.sleep_forever()

    async def join(self, connection: Any) -> bool:
        """Open the sync stream on this connection; see ``Reach.join``."""
        assert self._nursery is not None
        peer = peer_of(connection)
        self._neighbours.opening(peer)
        try:
            with trio.move_on_after(limits.SYNC_OPEN_TIMEOUT_S):
                stream = await open_stream(connection, self.protocol)
                greeting = await _greeting(stream)
                if greeting is Greeting.FULL:
                    await sever(connection)
                if greeting is not Greeting.WELCOME or not self._prefers(peer, self._me):
                    await stream.reset()
                    return False
                link = await self._link(connection, self._me, stream)
                self._nursery.start_soon(self._serve, link)
                return True
        except ProtocolNotSupportedError as error:
            await sever(connection)
            raise other_cluster(address_of(connection)) from error
        finally:
            self._neighbours.opened(peer)
        await sever(connection)
        raise StreamClosed("The peer is connected but does not answer", where=peer)

    async def opened(self, raw: Any) -> None:
        """Greet a peer that opened a sync stream, and serve it."""
        peer = str(raw.muxed_conn.peer_id)
        stream = FrameStream(peer, raw)
        if not self._prefers(peer, peer):
            return await self._decline(stream, Greeting.DUPLICATE)
        full = len(self._neighbours) >= self._inbound_max
        if full and peer not in self._neighbours and not self._is_welcome_anyway(peer):
            return await self._decline(stream, Greeting.FULL)
        link = await self._link(raw.swarm_conn, peer, stream)
        await self._serve(link, greet=True)
        return None

    async def _decline(self, stream: FrameStream, greeting: Greeting) -> None:
        """Say no, and leave the other side a moment to read it."""
        try:
            await stream.send(bytes([greeting]))
            await stream.close()
            with trio.move_on_after(limits.CLOSE_TIMEOUT_S):
                await stream.receive()
        except (StreamClosed, Malformed):
            return

    def _prefers(self, peer: str, opener: str) -> bool:
        return self._neighbours.prefers(peer, opener, self._clock())

    async def _link(self, connection: Any, opener: str, stream: FrameStream) -> Link:
        """Make a new link the one with its peer; it ends with its connection, whatever its handler waits for."""
        peer = peer_of(connection)
        link = Link(Connection(peer, via(connection), address_of(connection), self._clock()), opener, stream)
        await self._neighbours.take(link)

        async def end_with_connection() -> None:
            await first_of(connection.muxed_conn.event_closed.wait, link.ended.wait)
            link.scope.cancel()

        assert self._nursery is not None
        self._nursery.start_soon(end_with_connection)
        return link

    async def _serve(self, link: Link, greet: bool = False) -> None:
        """Let the peer above speak on a link that is in the table, from `connected` to `disconnected`."""
        peer, dialled = link.connection.peer, link.opener == self._me
        try:
            with link.scope:
                if greet:
                    await link.stream.send(bytes([Greeting.WELCOME]))
                log.info("neighbour came", extra={"peer": peer, "address": link.connection.address})
                try:
                    self._handlers.connected(peer, dialled)
                    await self._handlers.serve_sync(peer, link.stream, dialled)
                finally:
                    self._handlers.disconnected(peer)
        except (StreamClosed, Malformed) as error:
            log.info("neighbour went: %s", error.sentence, extra={"peer": peer})
        # A bug above the network costs this stream and is logged; both sides open another after a while.
        except Exception:
            log.exception("a sync stream failed", extra={"peer": peer})
        finally:
            self._neighbours.remove(link)
            await link.stream.reset()


async def _greeting(stream: FrameStream) -> Greeting:
    try:
        return Greeting(int.from_bytes(await stream.receive()))
    except ValueError as error:
        await stream.reset()
        raise Malformed("The sync stream began with an unknown greeting", where=stream.peer) from error
