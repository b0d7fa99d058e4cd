"""Streams of who is no peer of the cluster: clients that ask something over HTTP and go.

They prove who they are by what they say there, not by their peer ids, which anybody makes. So that strangers take no
room that peers need, only so many of their streams are open at once, and their connection is closed like any other on
which no neighbour speaks once the last of them has ended.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from pincrew import limits
from pincrew.network.byte_stream import ByteStream
from pincrew.network.connections import peer_of

Serve = Callable[[ByteStream], Awaitable[None]]


class Guests:
    """Who has such streams open. ``notice`` hears of each who comes or goes."""

    def __init__(self, notice: Callable[[str], None]) -> None:
        self._notice = notice
        self._open: Counter[str] = Counter()

    def __contains__(self, peer: str) -> bool:
        """Tell whether a peer is here as a guest now."""
        return peer in self._open

    async def opened(self, raw: Any, serve: Serve) -> None:
        """Serve one stream to its end."""
        peer = peer_of(raw)
        if self._open[peer] >= limits.GUEST_STREAMS_PER_PEER_MAX or self._open.total() >= limits.GUEST_STREAMS_MAX:
            return  # the host resets it; a word in the log for each would let strangers fill that
        raw.swarm_conn.pincrew_had_guest = True
        self._open[peer] += 1
        self._notice(peer)
        try:
            stream = ByteStream(peer, raw, stall_s=limits.SEND_STALL_TIMEOUT_S)
            await serve(stream)
            await stream.drain()
        finally:
            self._open[peer] -= 1
            if not self._open[peer]:
                del self._open[peer]
            self._notice(peer)


def had_guest(connection: Any) -> bool:
    """Tell whether anybody came as a guest over a connection."""
    return bool(getattr(connection, "pincrew_had_guest", False))
