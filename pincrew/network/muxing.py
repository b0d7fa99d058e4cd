"""Yamux, bounded and alive.

py-libp2p's yamux tells a peer how much it may send and then takes whatever comes; its ping measures a time and nothing
else. Here a peer that sends beyond twice the largest window loses its connection, and so does one that answers no ping:
a silent machine is noticed although TCP keeps quiet.
"""

from __future__ import annotations

import logging
import struct
import time
from typing import Any

import trio
from libp2p.protocol_muxer.exceptions import MultiselectClientError, MultiselectError
from libp2p.stream_muxer.yamux.yamux import FLAG_SYN, TYPE_PING, YAMUX_HEADER_FORMAT, Yamux, YamuxStream
from libp2p.transport.exceptions import MuxerUpgradeFailure
from libp2p.transport.upgrader import TransportUpgrader

from pincrew import limits
from pincrew.network.buffering import BufferedConnection, WholeWrites
from pincrew.network.traffic import Meter

log = logging.getLogger(__name__)

_FIRST_PING_S = 0.5
_SECOND_CHANCE_S = 1.0


class _Buffer(bytearray):
    """What was received of one stream and not read."""

    def __init__(self, owner: GuardedYamux) -> None:
        super().__init__()
        self._owner = owner

    def extend(self, data: Any) -> None:
        if len(self) + len(data) > 2 * limits.STREAM_WINDOW_BYTES_MAX:
            self._owner.overrun()
            raise ValueError("more was sent than the window allows")
        super().extend(data)
        self._owner.received(len(data))


class _Buffers(dict[int, bytearray]):
    """yamux's table of buffers; yamux puts plain ones in."""

    def __init__(self, owner: GuardedYamux) -> None:
        super().__init__()
        self._owner = owner

    def __setitem__(self, stream: int, buffer: bytearray) -> None:
        super().__setitem__(stream, _Buffer(self._owner))


class ThriftyStream(YamuxStream):  # type: ignore[misc]
    """A stream that gives its window back by halves, as go-yamux does.

    py-libp2p gives back every few bytes that are read, and more than was: six frames for each block of Kubo's.
    ``meter`` counts what it carries, where that is wanted.
    """

    meter: Meter | None = None

    async def read(self, n: int | None = -1) -> bytes:
        """Return what came."""
        data: bytes = await super().read(n)
        if self.meter is not None:
            self.meter.came(len(data))
        return data

    async def write(self, data: bytes) -> None:
        """Send all of it."""
        await super().write(data)
        if self.meter is not None:
            self.meter.went(len(data))

    async def _auto_tune_and_send_window_update(self, *, bytes_read: int = 0) -> None:
        """Give back what was read, once it is half of the window (``bytes_read`` is in that)."""
        async with self.window_lock:
            buffered = len(self.conn.stream_buffers.get(self.stream_id, b""))
            read = self.target_recv_window - (self.recv_window + buffered)
            if read < self.target_recv_window // 2:
                return
            self.recv_window += read
            given = read + self._apply_autotune_epoch(buffered)
        await self.send_window_update(given)


class GuardedYamux(Yamux):  # type: ignore[misc]
    """A yamux connection with bounded buffers that ends when the other side falls silent."""

    secured_conn: Any

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self.secured_conn = WholeWrites(self.secured_conn)
        self.stream_buffers = _Buffers(self)
        self._uncounted = 0
        self._heard_at = time.monotonic()

    async def sever(self) -> None:
        """End the connection at once. Unlike ``close`` it says no goodbye, which a peer that reads nothing would block.

        The reading task then meets the end and tidies up; doing it here would race that task for the notifications.
        """
        with trio.move_on_after(limits.CLOSE_TIMEOUT_S, shield=True):
            try:
                await self.secured_conn.close()
            # A connection that is broken already raises when closed, TCP and /ws differently; it is gone either way.
            except Exception as error:
                log.debug("closing the connection to %s: %r", self.peer_id, error)

    def received(self, size: int) -> None:
        """Drop a peer whose streams together hold too much that is not read: each alone may be within its window."""
        self._heard_at = time.monotonic()
        self._uncounted += size
        if self._uncounted > limits.CONNECTION_BUFFER_BYTES_MAX // 4:
            self._uncounted = 0
            if sum(map(len, self.stream_buffers.values())) > limits.CONNECTION_BUFFER_BYTES_MAX:
                self.overrun()
                raise ValueError("more was sent than one connection may hold")

    def overrun(self) -> None:
        """Drop a peer that sends beyond its window."""
        log.info("connection closed: the peer sent more than its window allows", extra={"peer": str(self.peer_id)})
        if self._nursery is not None:
            self._nursery.start_soon(self.sever)

    async def _measure_rtt_loop(self) -> None:
        """Ping for as long as the connection lives (in place of yamux's loop, which ignores silence).

        Whoever sends something is alive; but whether he hears us only an answer tells.
        """
        due = trio.current_time() + _FIRST_PING_S
        answered_at = 0.0
        while not self.event_shutting_down.is_set():
            with trio.move_on_at(due):
                await self.event_shutting_down.wait()
                return
            now = trio.current_time()
            due = now + self._heard_at - time.monotonic() + limits.LIVENESS_INTERVAL_S
            if now < due and now < answered_at + limits.LIVENESS_ANSWER_INTERVAL_S:
                continue
            answered_at = now
            due = now + limits.LIVENESS_INTERVAL_S
            if not await self._answers_ping():
                log.info("connection closed: the peer is silent", extra={"peer": str(self.peer_id)})
                await self.sever()
                return

    async def _answers_ping(self) -> bool:
        self._ping_id += 1
        self._ping_event = trio.Event()
        with trio.move_on_after(limits.LIVENESS_TIMEOUT_S):
            try:
                await self._write_frame(struct.pack(YAMUX_HEADER_FORMAT, 0, TYPE_PING, FLAG_SYN, 0, self._ping_id))
            # Whatever a broken connection raises when written to, it does not answer.
            except Exception as error:
                log.debug("ping to %s: %r", self.peer_id, error)
                return False
            self._ping_sent_time = trio.current_time()
            await self._ping_event.wait()
            return True
        # It may be us who were busy for so long: the answer lies in the socket and wants a moment to be read.
        with trio.move_on_after(_SECOND_CHANCE_S):
            await self._ping_event.wait()
            return True
        return False


class GuardedUpgrader(TransportUpgrader):  # type: ignore[misc]
    """Noise, then our yamux (py-libp2p's upgrader would always build its own)."""

    async def upgrade_connection(self, conn: Any, peer_id: Any) -> GuardedYamux:
        """Agree on yamux over a secured connection."""
        try:
            await self.muxer_multistream.select_transport(conn)
        except (MultiselectError, MultiselectClientError) as error:
            raise MuxerUpgradeFailure("the peer does not speak yamux") from error
        packets = conn.conn.read_writer
        packets.read_write_closer = BufferedConnection(packets.read_write_closer)
        return GuardedYamux(conn, peer_id, is_initiator=conn.is_initiator)
