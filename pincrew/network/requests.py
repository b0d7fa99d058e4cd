"""One question, one answer, one stream.

The answer's first byte is 0 before a payload and 1 before an error: ``code``, a line break, the sentence. A bounded
number may be under way per peer: the asker queues, and who asks more at once anyway is refused.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable

import trio

from pincrew import errors, limits
from pincrew.errors import Malformed, PeerFault, PincrewError, WorldFault
from pincrew.network.contract import PeerUnreachable
from pincrew.network.streams import FrameStream, StreamClosed

log = logging.getLogger(__name__)

_ANSWER = b"\0"
_ERROR = b"\1"
_SENTENCE_BYTES_MAX = 2_048


class NoAnswer(WorldFault):
    """The other peer did not answer in time."""

    code = "no_answer"


class Requests:
    """Both sides of the request protocol.

    ``open_stream`` opens a stream to a connected peer (PeerUnreachable otherwise); ``serve`` answers.
    """

    def __init__(
        self,
        open_stream: Callable[[str], Awaitable[FrameStream]],
        serve: Callable[[str, bytes], Awaitable[bytes]],
    ) -> None:
        self._open_stream = open_stream
        self._serve = serve
        self._serving: Counter[str] = Counter()
        self._asking: dict[str, trio.Semaphore] = {}
        self._askers: Counter[str] = Counter()

    async def request(self, peer: str, payload: bytes) -> bytes:
        """Ask ``peer``; raises what it answered with, or PeerUnreachable, NoAnswer or StreamClosed."""
        turn = self._asking.setdefault(peer, trio.Semaphore(limits.REQUESTS_IN_FLIGHT_PER_PEER_MAX))
        self._askers[peer] += 1
        try:
            async with turn:
                with trio.fail_after(limits.REQUEST_TIMEOUT_S):
                    return opened(await self._ask(peer, payload))
        except trio.TooSlowError as error:
            raise NoAnswer(where=peer) from error
        finally:
            self._askers[peer] -= 1
            if not self._askers[peer]:
                del self._askers[peer], self._asking[peer]

    async def answer(self, stream: FrameStream) -> None:
        """Serve one inbound stream."""
        peer = stream.peer
        if self._serving[peer] >= limits.REQUESTS_IN_FLIGHT_PER_PEER_MAX:
            raise PeerFault("Too many requests at once", where=peer)
        self._serving[peer] += 1
        try:
            with trio.fail_after(limits.REQUEST_TIMEOUT_S):
                await stream.send(await self._response(peer, await stream.receive()))
                await stream.close()
                await _await_end(stream)
        except trio.TooSlowError:
            log.debug("a request took too long", extra={"peer": peer})
        finally:
            self._serving[peer] -= 1
            if not self._serving[peer]:
                del self._serving[peer]

    async def _ask(self, peer: str, payload: bytes) -> bytes:
        stream = await self._open_stream(peer)
        try:
            await stream.send(payload)
            return await stream.receive()
        finally:
            await stream.reset()

    async def _response(self, peer: str, request: bytes) -> bytes:
        try:
            response = await self._serve(peer, request)
        except PincrewError as error:
            return sealed(error.code, error.sentence)
        # A bug behind the handler must not show its insides to a stranger, nor end the host.
        except Exception:
            log.exception("a request could not be served", extra={"peer": peer})
            return sealed(PincrewError.code, "Something went wrong at the other peer.")
        if len(response) >= limits.FRAME_BYTES_MAX:
            log.error("an answer of %d bytes is too long", len(response), extra={"peer": peer})
            return sealed(PincrewError.code, "The answer would be too long.")
        return _ANSWER + response


async def _await_end(stream: FrameStream) -> None:
    """Wait until the asker has taken the answer and dropped the stream: a reset of ours could overtake it."""
    try:
        await stream.receive()
    except (StreamClosed, Malformed):
        return


def sealed(code: str, sentence: str) -> bytes:
    """Return an error as an answer."""
    return _ERROR + f"{code}\n{sentence}".encode()[:_SENTENCE_BYTES_MAX]


def opened(response: bytes) -> bytes:
    """Return the payload of an answer, or raise the error in it."""
    if response.startswith(_ANSWER):
        return response[1:]
    if not response.startswith(_ERROR):
        raise Malformed("The answer is neither a payload nor an error")
    code, _, sentence = response[1:].decode("utf-8", "replace").partition("\n")
    raise error_of(code, sentence[:_SENTENCE_BYTES_MAX])


def error_of(code: str, sentence: str) -> PincrewError:
    """Return our error of that code with the other peer's words; a PeerFault where we know no such code."""
    pending: list[type[PincrewError]] = [PincrewError]
    while pending:
        kind = pending.pop()
        if kind.code == code and kind.__module__ in (errors.__name__, PeerUnreachable.__module__):
            return kind(sentence)
        pending += kind.__subclasses__()
    return PeerFault(sentence)
