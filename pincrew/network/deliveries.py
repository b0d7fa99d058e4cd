"""Much that goes one way: pieces of any number to a connected peer on a stream of its own, and one word back.

    pieces = frame..., then an empty frame
    word   = frame: 0, or 1 and an error as in `requests`

The receiver may answer before the end: then it takes no more. What the reader's window holds is all that waits on the
way; a receiver that takes nothing for long loses the stream (`streams`).
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing

import trio

from pincrew import limits
from pincrew.errors import Malformed, PeerFault, PincrewError
from pincrew.network.requests import opened, sealed
from pincrew.network.streams import FrameStream, StreamClosed

log = logging.getLogger(__name__)

_DONE = b"\0"


class Deliveries:
    """Both sides of the protocol.

    ``open_stream`` opens a stream to a connected peer (PeerUnreachable otherwise); ``take`` reads the pieces of one
    delivery to their end, and raises what the sender is told.
    """

    def __init__(
        self,
        open_stream: Callable[[str], Awaitable[FrameStream]],
        take: Callable[[str, AsyncIterator[bytes]], Awaitable[None]],
    ) -> None:
        self._open_stream = open_stream
        self._take = take
        self._taking: Counter[str] = Counter()

    async def deliver(self, peer: str, pieces: AsyncIterator[bytes]) -> None:
        """Send ``pieces`` (none empty) to ``peer``; return when it has taken all of them.

        Raises what it answered with, or PeerUnreachable or StreamClosed.
        """
        stream = await self._open_stream(peer)
        answer: bytes | None = None
        broken: StreamClosed | None = None
        is_whole = False
        try:
            async with trio.open_nursery() as nursery:

                async def hear() -> None:
                    nonlocal answer
                    answer = await _word(stream)
                    nursery.cancel_scope.cancel()

                nursery.start_soon(hear)
                try:
                    async for piece in pieces:
                        for start in range(0, len(piece), limits.DELIVERY_PIECE_BYTES_MAX):
                            await stream.send(piece[start : start + limits.DELIVERY_PIECE_BYTES_MAX])
                    is_whole = True
                    await stream.send(b"")
                except StreamClosed as error:
                    broken = error
        finally:
            await stream.reset()
        if answer is None:
            raise broken or StreamClosed(where=peer)
        opened(answer)
        if not is_whole:
            raise PeerFault("It said that it has everything, and was not sent everything", where=peer)

    async def answer(self, stream: FrameStream) -> None:
        """Take one inbound delivery."""
        peer = stream.peer
        if self._taking[peer] >= limits.DELIVERIES_PER_PEER_MAX:
            raise PeerFault("Too many deliveries at once", where=peer)
        self._taking[peer] += 1
        try:
            word = _DONE
            try:
                async with aclosing(_pieces(stream)) as pieces:
                    await self._take(peer, pieces)
            except StreamClosed:
                return
            except PincrewError as error:
                word = sealed(error.code, error.sentence)
            # A bug behind the handler must not show its insides to a stranger, nor end the host.
            except Exception:
                log.exception("a delivery could not be taken", extra={"peer": peer})
                word = sealed(PincrewError.code, "Something went wrong at the other peer.")
            await stream.send(word)
            await stream.close()
            await _await_end(stream)
        finally:
            self._taking[peer] -= 1
            if not self._taking[peer]:
                del self._taking[peer]


async def _word(stream: FrameStream) -> bytes | None:
    """Return what the receiver says; it may take longer over its work than a stream may be silent."""
    try:
        with trio.fail_after(limits.DELIVERY_TIMEOUT_S):
            return await stream.receive(idle_s=limits.DELIVERY_TIMEOUT_S)
    except (StreamClosed, Malformed, trio.TooSlowError):
        return None


async def _pieces(stream: FrameStream) -> AsyncGenerator[bytes, None]:
    while piece := await stream.receive(idle_s=limits.DELIVERY_IDLE_S):
        yield piece


async def _await_end(stream: FrameStream) -> None:
    """Wait until the sender has taken the answer and dropped the stream, throwing away what is still on its way."""
    with trio.move_on_after(limits.REQUEST_TIMEOUT_S):
        try:
            while True:
                await stream.receive()
        except (StreamClosed, Malformed):
            return
