"""The client for trio and asyncio: every method of the synchronous one, each question in a thread.

The methods are made of the synchronous ones and take the same, so that there is one place that knows routes. Lists are
asynchronous iterators (`Stream`) that ask when the first line is wanted. Each question has a connection of its own, and
who is cancelled hangs up: no thread waits on for an answer that nobody wants, and no half-read answer is used again.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import anyio
import anyio.to_thread

from pincrew import limits
from pincrew.api.client import Client
from pincrew.api.transport import HangUp
from pincrew.errors import Conflict

P = ParamSpec("P")
T = TypeVar("T")


async def _in_thread(work: Callable[[], T], hang_up: HangUp, turns: anyio.CapacityLimiter) -> T:
    """Return what ``work`` does in a thread. Who is cancelled does not wait: hanging up ends the thread."""
    try:
        return await anyio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=turns)
    except anyio.get_cancelled_exc_class():  # it goes on up
        hang_up()
        raise


class Stream(AsyncIterator[T]):
    """Lines of an answer. Who does not read to the end says so: `async with stream:`, or `await stream.aclose()`."""

    def __init__(
        self, begin: Callable[[HangUp], Iterator[T]], turns: anyio.CapacityLimiter, lines_at_once: int
    ) -> None:
        self._begin = begin
        self._turns = turns
        self._lines_at_once = lines_at_once
        self._hang_up = HangUp()
        self._lines: Iterator[T] | None = None
        self._read: deque[T] = deque()
        self._guard = anyio.ResourceGuard("reading this list")
        self._is_whole = False
        self._is_broken_off = False

    async def __anext__(self) -> T:
        """Return the next line. Raises Conflict once this was broken off: a part must not pass for the whole."""
        with self._guard:
            if self._is_broken_off:
                raise Conflict("This list was broken off", next_step="Ask for it again")
            if not self._read and not self._is_whole:
                await self._read_on()
            if not self._read:
                raise StopAsyncIteration
            return self._read.popleft()

    async def _read_on(self) -> None:
        self._is_broken_off = True
        some = await _in_thread(self._take, self._hang_up, self._turns)
        self._is_broken_off = False
        self._is_whole = not some
        self._read.extend(some)

    def _take(self) -> list[T]:
        if self._lines is None:
            self._lines = self._begin(self._hang_up)
        return list(islice(self._lines, self._lines_at_once))

    async def aclose(self) -> None:
        """Hang up, unless all was read."""
        self._is_broken_off = not self._is_whole
        self._read.clear()
        self._lines = None
        self._hang_up()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def _asked(
    method: Callable[Concatenate[Client, P], T],
) -> Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, T]]:
    """Make a question of a method that returns its answer."""

    async def ask(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        hang_up = HangUp()
        client = Client(self.socket, hang_up)
        return await _in_thread(lambda: method(client, *args, **kwargs), hang_up, self._turns)

    functools.update_wrapper(ask, method)
    return ask


def _listed(
    method: Callable[Concatenate[Client, P], Iterator[T]], *, is_live: bool = False
) -> Callable[Concatenate[AsyncClient, P], Stream[T]]:
    """Make a stream of a method that yields lines, read many at a time.

    ``is_live``: each is what has just happened. Then it comes at once, and its thread is beside those of questions.
    """

    def ask(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> Stream[T]:
        def begin(hang_up: HangUp) -> Iterator[T]:
            return method(Client(self.socket, hang_up), *args, **kwargs)

        if is_live:
            return Stream(begin, anyio.CapacityLimiter(1), lines_at_once=1)
        return Stream(begin, self._turns, limits.CLIENT_LINES_AT_ONCE)

    functools.update_wrapper(ask, method)
    return ask


class AsyncClient:
    """Speaks to the daemon at ``socket``, in trio or asyncio; what each method does, `Client` says.

    What is sent (`write_pins`) is iterated over in a thread. A question that was cancelled may have been carried out.
    """

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self._turns = anyio.CapacityLimiter(limits.CLIENT_QUESTIONS_AT_ONCE_MAX)

    daemon = _asked(Client.daemon)
    stop = _asked(Client.stop)
    status = _asked(Client.status)
    feed = _listed(Client.feed, is_live=True)
    network = _asked(Client.network)
    change_network = _asked(Client.change_network)

    offer = _asked(Client.offer)
    prospect = _asked(Client.prospect)
    accept = _asked(Client.accept)
    run_cluster = _asked(Client.run_cluster)
    stop_cluster = _asked(Client.stop_cluster)
    ready = _asked(Client.ready)
    leave = _asked(Client.leave)

    summary = _asked(Client.summary)
    series = _asked(Client.series)
    pins = _listed(Client.pins)
    pin_page = _asked(Client.pin_page)
    pin = _asked(Client.pin)
    locate = _asked(Client.locate)
    is_listed = _asked(Client.is_listed)
    write_pins = _asked(Client.write_pins)
    pinset = _listed(Client.pinset)
    pin_status = _listed(Client.pin_status)
    peers = _listed(Client.peers)
    errors = _listed(Client.errors)
    events = _listed(Client.events, is_live=True)
    retry = _asked(Client.retry)
    coverage = _asked(Client.coverage)
    limits = _asked(Client.limits)
    change_limits = _asked(Client.change_limits)
    pause = _asked(Client.pause)
    resume = _asked(Client.resume)
    choose = _asked(Client.choose)
    verify = _listed(Client.verify, is_live=True)
    removals = _asked(Client.removals)
    decide_removals = _asked(Client.decide_removals)
    publish = _asked(Client.publish)
    source = _asked(Client.source)
    decide_source = _asked(Client.decide_source)
    switch_node = _asked(Client.switch_node)
    doctor = _listed(Client.doctor)
    trust = _asked(Client.trust)
    trust_records = _asked(Client.trust_records)
    trust_sessions = _listed(Client.trust_sessions)
    put_in_force = _asked(Client.put_in_force)
    base = _asked(Client.base)
    base_header = _asked(Client.base_header)
    make_base = _asked(Client.make_base)
    mend = _asked(Client.mend)
