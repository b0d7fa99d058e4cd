"""A connection's bytes, read from the socket in large pieces, and written in whole messages.

py-libp2p asks the socket for the two bytes of each noise message's length and then for the message: two calls of the
system, and as many turns of the loop, for every 16 KB that Kubo sends. Half of what receiving cost was that.
"""

from __future__ import annotations

from typing import Any

import trio
from libp2p.io.exceptions import IOException

from pincrew import limits

_READ_BYTES = 128 * 1024 - 64


class BufferedConnection:
    """A raw connection of py-libp2p of which one task reads."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self._held = b""
        self._at = 0
        self.write = raw.write
        self.close = raw.close
        self.get_remote_address = raw.get_remote_address

    async def read(self, n: int | None = None) -> bytes:
        """Return up to ``n`` bytes; none at the end. Raises what the connection raises."""
        if self._at == len(self._held):
            self._held, self._at = await self._raw.read(_READ_BYTES), 0
        start, self._at = self._at, len(self._held) if n is None else min(self._at + n, len(self._held))
        return self._held[start : self._at]


class WholeWrites:
    """A secured connection whose messages are written whole or not at all.

    A message counts once it is encrypted. Whoever is cancelled between that and its last byte would leave the other
    side with bytes that it cannot decrypt: the end of the connection, because one stream was given up.
    """

    def __init__(self, secured: Any) -> None:
        self._secured = secured

    async def read(self, n: int | None = None) -> bytes:
        """Return up to ``n`` bytes; none at the end. Raises what the connection raises."""
        data: bytes = await self._secured.read(n)
        return data

    async def write(self, data: bytes) -> None:
        """Write all of it. Raises what the connection raises; one that takes nothing for too long is closed."""
        with trio.move_on_after(limits.SEND_STALL_TIMEOUT_S, shield=True) as stall:
            await self._secured.write(data)
        if stall.cancelled_caught:
            await self._secured.close()
            raise IOException("the other side takes nothing")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._secured, name)


class HeardConnection:
    """A raw connection of py-libp2p that knows whether the other side ever said anything."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self.has_spoken = False

    async def read(self, n: int | None = None) -> bytes:
        """Return up to ``n`` bytes; none at the end. Raises what the connection raises."""
        data: bytes = await self._raw.read(n)
        self.has_spoken = self.has_spoken or bool(data)
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)
