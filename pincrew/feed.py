"""Every cluster at a glance, told to whoever listens when something changed: one computation for all of them.

    status --once a second, while anybody listens--> the newest --> each listener, when it is ready for it

A listener has no queue: one that is slow gets the newest there is by then. What only time moves is no change.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable

import msgspec
import trio

from pincrew.api import shapes
from pincrew.bell import Bell
from pincrew.errors import Conflict, PincrewError
from pincrew.limits import FEED_INTERVAL_S, FEED_LISTENERS_MAX, FEED_SILENCE_S_MAX

_log = logging.getLogger("pincrew.feed")


class Feed:
    """``run`` until cancelled; ``listen`` as often as anybody wants to."""

    def __init__(self, status: Callable[[], shapes.Status]) -> None:
        self._status = status
        self._listeners = 0
        self._somebody = Bell()
        self._newest = b""
        self._compared = b""
        self._number = 0
        self._news = trio.Event()

    async def run(self) -> None:
        """Look, while anybody listens."""
        while True:
            while not self._listeners:
                self._newest = self._compared = b""
                await self._somebody.wait()
            self._look()
            await trio.sleep(FEED_INTERVAL_S)

    async def listen(self) -> AsyncGenerator[bytes | None, None]:
        """Yield the status as JSON, at once and whenever it changed; None after FEED_SILENCE_S_MAX without. Close it.

        Raises Conflict where too many listen.
        """
        if self._listeners >= FEED_LISTENERS_MAX:
            raise Conflict(
                f"{FEED_LISTENERS_MAX} views listen to the daemon already", next_step="Close one of them, and try again"
            )
        self._listeners += 1
        self._somebody.ring()
        seen = 0
        try:
            while True:
                with trio.move_on_after(FEED_SILENCE_S_MAX):
                    while not self._newest or seen == self._number:
                        await self._news.wait()
                if self._newest and seen != self._number:
                    seen = self._number
                    yield self._newest
                else:
                    yield None
        finally:
            self._listeners -= 1

    def _look(self) -> None:
        try:
            status = self._status()
        except PincrewError as error:  # a disk that refuses; whoever listens keeps what he knows
            _log.warning("the clusters cannot be looked at: %s", error.sentence)
            return
        compared = msgspec.json.encode([_still(summary) for summary in status.clusters])
        if compared != self._compared:
            self._compared, self._newest = compared, msgspec.json.encode(status)
            self._number += 1
            self._news.set()
            self._news = trio.Event()


def _still(summary: shapes.Summary) -> shapes.Summary:
    """Return a summary without what moves by itself: a curator with a connection is seen at every moment."""
    if not summary.curators.connected:
        return summary
    return msgspec.structs.replace(summary, curators=msgspec.structs.replace(summary.curators, last_seen=None))
