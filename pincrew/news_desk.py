"""Watches how the clusters do, and tells whom the user named (`on_event`, `on_event_url`): `news` decides what.

    summaries --News.look--> items --> a bounded queue for each teller

Nothing here makes the daemon wait: looking is counting, and a command or an address that hangs holds up its own queue
alone. A queue that overflows loses its oldest, and the next item that is told says how many. What was told is kept on
disk before it is delivered: after a crash an item may be lost, and none is told twice.
"""

from __future__ import annotations

import logging
import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import msgspec
import trio

from pincrew.api import shapes
from pincrew.api.lines import time_text
from pincrew.bell import Bell
from pincrew.errors import NotFound, PincrewError
from pincrew.files import read_file, write_file
from pincrew.limits import (
    TELLING_LOOK_INTERVAL_S,
    TELLING_MEMORY_BYTES_MAX,
    TELLING_QUEUE_MAX,
    TELLING_SETTLE_S,
    TELLING_SETTLE_START_S,
)
from pincrew.news import Item, News, Sight
from pincrew.news_command import EventCommand
from pincrew.news_webhook import Webhook
from pincrew.settings import Settings

_log = logging.getLogger("pincrew.news")

# Called with a cluster's name, a kind of event and its fields, for the cluster's diary.
Note = Callable[[str, str, dict[str, Any]], None]


class Teller(Protocol):
    """One way out."""

    name: str

    async def tell(self, fields: Mapping[str, object], body: bytes) -> str:
        """Tell an item; return what was answered. Raises PincrewError."""


def tellers(settings: Settings, environment: Mapping[str, str]) -> list[Teller]:
    """Return who is told."""
    found: list[Teller] = []
    if settings.on_event:
        found.append(EventCommand(settings.on_event, environment))
    if settings.on_event_url:
        found.append(Webhook(settings.on_event_url, random.Random()))
    return found


class NewsDesk:
    """``run`` until cancelled."""

    def __init__(
        self,
        memory: Path,
        told: Sequence[Teller],
        *,
        summaries: Callable[[], Sequence[shapes.Summary]],
        note: Note,
        now_ms: Callable[[], int],
    ) -> None:
        """``memory`` is the file of what was told."""
        self._memory = memory
        self._summaries = summaries
        self._note = note
        self._now_ms = now_ms
        self._queues = [_Queue(teller, note) for teller in told]

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Watch and tell."""
        news = News(await trio.to_thread.run_sync(_remembered, self._memory))
        async with trio.open_nursery() as nursery:
            for queue in self._queues:
                nursery.start_soon(queue.run)
            task_status.started()
            began = trio.current_time()
            while True:
                await trio.sleep(TELLING_LOOK_INTERVAL_S)
                # A start goes through several states that mean nothing to anybody.
                is_early = trio.current_time() - began < TELLING_SETTLE_START_S
                settle_s = TELLING_SETTLE_START_S if is_early else TELLING_SETTLE_S
                sights = [_sight(summary) for summary in self._summaries()]
                items = news.look(sights, now_s=trio.current_time(), settle_s=settle_s)
                if items:
                    await trio.to_thread.run_sync(_remember, self._memory, news.memory())
                    for item in items:
                        self._put(item)

    def _put(self, item: Item) -> None:
        fields: dict[str, Any] = {"schema": 1, "time": time_text(self._now_ms()), **asdict(item)}
        if item.code is None:
            self._note(item.cluster, "state_changed", {"state": item.state, "before": item.before})
        for queue in self._queues:
            queue.put(fields)


class _Queue:
    """What waits for one teller, who is told one item after the other: an all-clear must not overtake its trouble."""

    def __init__(self, teller: Teller, note: Note) -> None:
        self._teller = teller
        self._note = note
        self._waiting: deque[dict[str, Any]] = deque()
        self._dropped = 0
        self._bell = Bell()

    def put(self, fields: dict[str, Any]) -> None:
        """Have it told; where too much waits, the oldest is dropped."""
        if len(self._waiting) >= TELLING_QUEUE_MAX:
            self._waiting.popleft()
            if not self._dropped:
                _log.warning("%s is too slow: the oldest events are not told", self._teller.name)
            self._dropped += 1
        self._waiting.append(fields)
        self._bell.ring()

    async def run(self) -> None:
        """Tell, until cancelled."""
        while True:
            while not self._waiting:
                await self._bell.wait()
            fields = {**self._waiting.popleft(), "dropped": self._dropped}
            self._dropped = 0
            try:
                answer = await self._teller.tell(fields, msgspec.json.encode(fields) + b"\n")
            except PincrewError as error:
                _log.warning("%s: %s", self._teller.name, error.sentence)
                self._note(fields["cluster"], "not_told", {"channel": self._teller.name, "error": error.sentence})
            else:
                _log.info("%s was told: %s%s", self._teller.name, fields["text"], f" ({answer})" if answer else "")


def _sight(summary: shapes.Summary) -> Sight:
    return Sight(summary.name, summary.id, summary.state, {reason.code: reason.text for reason in summary.reasons})


def _remembered(path: Path) -> dict[str, Any]:
    """Return what was told in an earlier life; a file that cannot be read costs one repetition and no more."""
    try:
        found = msgspec.json.decode(read_file(path, TELLING_MEMORY_BYTES_MAX))
    except NotFound:
        return {}
    except (PincrewError, msgspec.DecodeError) as error:
        _log.warning("what was told before is not known: %s", error)
        return {}
    return found if isinstance(found, dict) else {}


def _remember(path: Path, memory: dict[str, Any]) -> None:
    try:
        write_file(path, msgspec.json.encode(memory))
    except PincrewError as error:
        _log.warning("what was told is not kept: %s", error.sentence)
