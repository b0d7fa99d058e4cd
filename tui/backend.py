"""The one way from the view to the daemon: the synchronous client, in threads, a bounded number at a time.

The threads are daemon threads: closing the view never waits for an answer.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from pincrew import limits
from pincrew.api.client import Client
from pincrew.errors import DaemonLost

T = TypeVar("T")


class Backend:
    """Asks the daemon; every answer, or PincrewError, comes back to the event loop."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._turns = asyncio.Semaphore(limits.VIEW_QUESTIONS_AT_ONCE_MAX)

    async def ask(
        self, question: Callable[[Client], T], *, timeout_s: float | None = limits.VIEW_QUESTION_TIMEOUT_S
    ) -> T:
        """Return the answer to ``question``, which gets the client in a thread. Raises PincrewError.

        Who is cancelled no longer waits; the thread ends by itself, and gives its turn back only then. ``timeout_s``
        bounds the wait once it has its turn; None is for acts that take as long as they take, like leaving.
        """
        await self._turns.acquire()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def settle(value: T | None, error: BaseException | None) -> None:
            self._turns.release()
            if answer.done():
                return
            if error is None:
                answer.set_result(value)  # type: ignore[arg-type]
            else:
                answer.set_exception(error)

        def work() -> None:
            value: T | None = None
            fault: BaseException | None = None
            try:
                value = question(self.client)
            except Exception as error:  # it is raised again where the answer is awaited
                fault = error
            with suppress(RuntimeError):  # the view was closed meanwhile, and its loop with it
                loop.call_soon_threadsafe(settle, value, fault)

        threading.Thread(target=work, name="ask the daemon", daemon=True).start()
        try:
            return await asyncio.wait_for(answer, timeout_s)
        except TimeoutError as error:
            raise DaemonLost(
                "The daemon does not answer in time",
                means="Nothing is lost; what it acknowledged is done",
                next_step="See `pincrew daemon status`; its own words are in daemon.log",
            ) from error
