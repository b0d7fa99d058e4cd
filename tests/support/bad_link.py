"""A TCP proxy between two machines that is what bad networks are: slow, stalling, breaking off, or cut.

It runs in a thread of its own. What it does when is chosen by a seed. Who is behind it is known under its address.
"""

from __future__ import annotations

import contextlib
import math
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import trio

from support.machines import Machine, free_port

_CHUNK_BYTES = 16 * 1024
_CHUNKS_UNDER_WAY = 256
_CUT_POLL_S = 0.02
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER of zero seconds: closing sends a reset


@dataclass(frozen=True)
class Manners:
    """How bad a link is. Times are of each direction; ``reset_bytes``: a connection breaks after about so many."""

    delay_s: float = 0.0
    stall_s: tuple[float, float] = (0.0, 0.0)
    stalls_per_chunk: float = 0.0
    reset_bytes: float = math.inf


@dataclass
class Counted:
    """What a link did to those who used it."""

    connections: int = 0
    stalls: int = 0
    resets: int = 0
    bytes: int = 0


class BadLink:
    """The proxy in front of one machine. ``bad_link`` runs it."""

    def __init__(self, manners: Manners, seed: str) -> None:
        self.counted = Counted()
        self._manners, self._luck = manners, Random(seed)
        self._target = free_port()
        self._is_cut = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._token: trio.lowlevel.TrioToken | None = None
        self._scope = trio.CancelScope()
        self._is_up = threading.Event()
        self._thread = threading.Thread(target=trio.run, args=(self._run,))

    def lead_to(self, machine: Machine) -> None:
        """Have a machine be known under this link's address alone; call it before the machine joins anything."""
        machine.listen = f"/ip4/127.0.0.1/tcp/{self._target}"
        machine.announced = ("--announce", f"/ip4/127.0.0.1/tcp/{self._listener.getsockname()[1]}")

    def cut(self) -> None:
        """Hold back everything from now on, in both directions, and tell nobody."""
        self._is_cut.set()

    def heal(self) -> None:
        """Let everything through again, also what was held back."""
        self._is_cut.clear()

    # ---- in the thread ----------------------------------------------------------------------------------------

    async def _run(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        self._listener.setblocking(False)
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(self._listener))
        self._is_up.set()
        with self._scope:
            await trio.serve_listeners(self._join, [listener])

    async def _join(self, near: trio.SocketStream) -> None:
        self.counted.connections += 1
        # Either end may break off at any moment: that is what this link is for.
        with contextlib.suppress(OSError, trio.BrokenResourceError):
            await self._uncut()
            async with await trio.open_tcp_stream("127.0.0.1", self._target) as far, near, trio.open_nursery() as both:
                ends = self._luck.uniform(0.5, 1.5) * self._manners.reset_bytes
                left = [ends if math.isfinite(ends) else math.inf]
                both.start_soon(self._carry, near, far, left, both.cancel_scope)
                both.start_soon(self._carry, far, near, left, both.cancel_scope)

    async def _carry(
        self, source: trio.SocketStream, sink: trio.SocketStream, left: list[float], scope: trio.CancelScope
    ) -> None:
        """One direction: chunks arrive no earlier than the delay after they were sent, and in their order."""
        put, get = trio.open_memory_channel[tuple[float, bytes]](_CHUNKS_UNDER_WAY)

        async def read() -> None:
            with contextlib.suppress(trio.BrokenResourceError):
                async with put:
                    async for chunk in source:
                        await put.send((trio.current_time() + self._manners.delay_s, bytes(chunk)))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            with contextlib.suppress(trio.BrokenResourceError):
                async for due, chunk in get:
                    await trio.sleep_until(due)
                    await self._stall()
                    await self._uncut()
                    left[0] -= len(chunk)
                    if left[0] <= 0:  # half of a chunk arrives: whatever frame is in it is torn
                        await sink.send_all(chunk[: len(chunk) // 2])
                        self.counted.resets += 1
                        for stream in (source, sink):
                            stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                        break
                    await sink.send_all(chunk)
                    self.counted.bytes += len(chunk)
            scope.cancel()

    async def _stall(self) -> None:
        if self._luck.random() < self._manners.stalls_per_chunk:
            self.counted.stalls += 1
            await trio.sleep(self._luck.uniform(*self._manners.stall_s))

    async def _uncut(self) -> None:
        while self._is_cut.is_set():  # noqa: ASYNC110 (it is set in another thread)
            await trio.sleep(_CUT_POLL_S)

    # ---- from outside -----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Accept connections."""
        self._thread.start()
        self._is_up.wait()

    def end(self) -> None:
        """Break every connection."""
        assert self._token is not None
        self._token.run_sync_soon(self._scope.cancel)
        self._thread.join()
        self._listener.close()


@contextlib.contextmanager
def bad_link(manners: Manners, seed: str) -> Iterator[BadLink]:
    """A link for as long as the block."""
    link = BadLink(manners, seed)
    link.start()
    try:
        yield link
    finally:
        link.end()
