"""The one stream of figures: a thread that listens to the daemon and tells the app, and comes back when it is gone.

A daemon without a feed (an older one) is asked once a second instead.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress

from textual.message import Message
from textual.message_pump import MessagePump

from pincrew import limits
from pincrew.api.client import Client
from pincrew.api.shapes import Status
from pincrew.errors import NotFound, PincrewError


class Feed:
    """Tells ``listener`` of every status, and once of each loss, until it is closed."""

    class Arrived(Message):
        """The newest figures."""

        def __init__(self, status: Status) -> None:
            super().__init__()
            self.status = status

    class Lost(Message):
        """The daemon does not answer. Sent after each try that failed."""

        def __init__(self, error: PincrewError) -> None:
            super().__init__()
            self.error = error

    def __init__(self, client: Client, listener: MessagePump) -> None:
        self._client = client
        self._listener = listener
        self._is_closed = threading.Event()
        self._is_hurried = threading.Event()
        self._pause_s = limits.VIEW_RECONNECT_S_MIN

    def start(self) -> None:
        """Listen from now on. The thread is a daemon thread: nobody waits for it."""
        threading.Thread(target=self._run, name="feed", daemon=True).start()

    def close(self) -> None:
        """End at the next word of the daemon, or at once where that is waited for."""
        self._is_closed.set()
        self._is_hurried.set()

    def hurry(self) -> None:
        """Try again now."""
        self._is_hurried.set()

    def _run(self) -> None:
        while not self._is_closed.is_set():
            try:
                for status in self._statuses():
                    if self._is_closed.is_set():
                        return
                    if status is not None:
                        self._pause_s = limits.VIEW_RECONNECT_S_MIN
                        self._tell(Feed.Arrived(status))
            except PincrewError as error:
                self._tell(Feed.Lost(error))
            self._is_hurried.wait(self._pause_s)
            if not self._is_closed.is_set():
                self._is_hurried.clear()
            self._pause_s = min(2 * self._pause_s, limits.VIEW_RECONNECT_S_MAX)

    def _statuses(self) -> Iterator[Status | None]:
        try:
            yield from self._client.feed()
        except NotFound:
            while not self._is_closed.is_set():
                yield self._client.status()
                self._is_closed.wait(limits.VIEW_POLL_S)

    def _tell(self, message: Message) -> None:
        with suppress(RuntimeError):  # the view was closed meanwhile, and its loop with it
            if not self._is_closed.is_set():
                self._listener.post_message(message)
