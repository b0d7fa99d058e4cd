"""A daemon that answers from memory, as slowly and as wrongly as a test wants: the stage for the terminal view."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pincrew.api import shapes
from pincrew.api.client import Client, PinPage, Query
from pincrew.errors import DaemonNotRunning, Misuse, NotFound, PincrewError
from support.shape_examples import CID_2, PEER, summary

NOW = "2026-11-22T12:00:00Z"
STATES = ("pinned", "pinned", "pinning", "pinned", "error", "skipped", "queued", "pinned")
_SORTS = {"added": None, "name": "name", "size": "size", "state": "state", "tries": "tries"}


def a_pin(number: int, cluster: str = "gutenberg-es") -> shapes.PinLine:
    """The pin at this place of the list."""
    state = STATES[number % len(STATES)]
    size = 100_000 + number * 7919 % 180_000_000
    return shapes.PinLine(
        cluster=cluster,
        cid=f"bafybei{number:050x}"[:59],
        name=f"gutenberg/{number // 1000:04}/pg{number:06}-images.zip",
        state=state,
        cause="no_provider" if state == "error" else "user" if state == "skipped" else None,
        error="no provider found" if state == "error" else None,
        tries=3 if state == "error" else 0,
        next_try="2026-11-22T14:20:00Z" if state == "error" else None,
        size=size,
        bytes_done=size * 94 // 100 if state == "pinning" else None,
        blocks_done=12 if state == "pinning" else None,
        updated="2026-11-22T11:59:00Z",
    )


def a_summary(name: str = "gutenberg-es", **changes: Any) -> shapes.Summary:
    """A large list that is being followed."""
    fields: dict[str, Any] = {
        "pins": {
            "total": 1_204_311,
            "pinned": 1_036_120,
            "pinning": 8,
            "queued": 168_159,
            "error": 12,
            "skipped": 12,
            "remote": 0,
        },
        "bytes": shapes.ByteCounts(
            1_310_000_000_000, 1_520_000_000_000, 1_168_000, 2_000_000_000_000, 3_400_000_000_000
        ),
        "list": shapes.ListProgress(1_204_311, 1_204_311),
        "last_change": "2026-11-22T11:59:48Z",
        "progress": a_progress(),
        "rev": 7,
        "db_bytes": 210_000_000,
        "curators": shapes.CuratorCounts(3, 3, "2026-11-22T12:00:00Z"),
    }
    return summary(name, **{**fields, **changes})


def a_progress(**changes: Any) -> shapes.Progress:
    """Something is being fetched."""
    fields: dict[str, Any] = {
        "rate": 5_200_000,
        "rate_10min": 4_900_000,
        "rate_6h": 4_100_000,
        "blocks_rate": 30,
        "eta_low": 5 * 3600,
        "eta_high": 16 * 3600,
        "no_eta": None,
        "last_block": "2026-11-22T11:59:57Z",
        "in_flight": 8,
        "flights": [],
        "upload_rate": 1_100_000,
        "serving": 4,
    }
    return shapes.Progress(**{**fields, **changes})


class FakeClient(Client):
    """Answers like a daemon with these clusters and ``pins`` pins in each.

    ``delay_s`` is how long each answer but those of the feed takes. ``fault`` is raised by all of them while it is
    set. ``say`` sends figures to whoever listens to the feed, ``lose`` breaks the feed off.
    """

    def __init__(self, clusters: Sequence[shapes.Summary] = (), *, pins: int = 1_204_311, delay_s: float = 0.0) -> None:
        super().__init__(Path("/nowhere/daemon.sock"))
        self.clusters = list(clusters)
        self.pins_total = pins
        self.delay_s = delay_s
        self.fault: PincrewError | None = None
        self.feed_fault: PincrewError | None = None
        self.has_feed = True
        self.asked: list[str] = []  # what was called, oldest first
        self.pages: list[tuple[int, int]] = []  # offset and limit of each page that was asked for
        self.changed: dict[int, shapes.PinLine] = {}
        self._listeners: list[queue.SimpleQueue[shapes.Status | PincrewError]] = []
        self._lock = threading.Lock()

    # ---- the feed -----------------------------------------------------------------------------------------------

    def feed(self) -> Iterator[shapes.Status | None]:
        if self.feed_fault is not None:
            raise self.feed_fault
        if not self.has_feed:
            raise NotFound("The daemon has no feed")
        mine: queue.SimpleQueue[shapes.Status | PincrewError] = queue.SimpleQueue()
        with self._lock:
            self._listeners.append(mine)
        yield shapes.Status(1, list(self.clusters))
        while True:
            news = mine.get()
            if isinstance(news, PincrewError):
                raise news
            yield news

    def say(self, *clusters: shapes.Summary) -> None:
        """Send other figures."""
        self.clusters = list(clusters)
        self._send(shapes.Status(1, list(clusters)))

    def lose(self, error: PincrewError | None = None) -> None:
        """Break the feed off, and refuse it until ``feed_fault`` is None."""
        self.feed_fault = error or DaemonNotRunning()
        self._send(self.feed_fault)

    def _send(self, news: shapes.Status | PincrewError) -> None:
        with self._lock:
            for listener in self._listeners:
                listener.put(news)
            if isinstance(news, PincrewError):
                self._listeners.clear()

    # ---- answers ------------------------------------------------------------------------------------------------

    def _answering(self, what: str) -> None:
        self.asked.append(what)
        if self.delay_s:
            time.sleep(self.delay_s)  # in one of the view's threads: what is tested is that nobody notices
        if self.fault is not None:
            raise self.fault

    def status(self) -> shapes.Status:
        self._answering("status")
        if self.feed_fault is not None:
            raise self.feed_fault
        return shapes.Status(1, list(self.clusters))

    def series(self, name: str) -> shapes.Series:
        self._answering("series")
        down = [int(5_000_000 * (0.2 + (number * 37 % 100) / 100)) for number in range(120)]
        return shapes.Series(name, 5, list(down), [each // 5 for each in down])

    def pin_page(self, name: str, query: Query = (), *, limit: int, offset: int = 0) -> PinPage:
        self.pages.append((offset, limit))
        self._answering("pin_page")
        wanted = dict(query)
        find = str(wanted.get("find", ""))
        if find:
            return self._found(name, find, offset, limit)
        end = min(self.pins_total, offset + limit)
        return PinPage([self._row(number, name) for number in range(offset, end)], self.pins_total, 7)

    def _found(self, name: str, find: str, offset: int, limit: int) -> PinPage:
        if ":" in find and not find.startswith(("state:", "cid:")):
            raise Misuse(f"{find!r} is not a filter", next_step="There are: words of the name, state:S, size>N")
        if find.startswith("state:"):
            wanted = find.removeprefix("state:")
            numbers = [n for n in range(min(self.pins_total, 20_000)) if STATES[n % len(STATES)] == wanted]
        else:
            numbers = [n for n in range(min(self.pins_total, 20_000)) if find in self._row(n, name).name]
        rows = [self._row(number, name) for number in numbers]
        return PinPage(rows[offset : offset + limit], len(rows) if find.startswith("state:") else None, 7)

    def _row(self, number: int, name: str) -> shapes.PinLine:
        return self.changed.get(number) or a_pin(number, name)

    def pin(self, name: str, cid: str) -> shapes.PinDetail:
        self._answering("pin")
        pin = next((each for each in self.changed.values() if each.cid == cid), None) or a_pin(int(cid[7:], 16), name)
        is_coming = pin.state == "pinning"
        return shapes.PinDetail(
            cluster=name,
            cid=pin.cid,
            name=pin.name,
            state=pin.state,
            cause=pin.cause,
            error=pin.error,
            tries=pin.tries,
            next_try=pin.next_try,
            size=pin.size,
            bytes_done=pin.bytes_done,
            blocks_done=pin.blocks_done,
            updated=pin.updated,
            checked="2026-11-20T12:00:00Z" if pin.state == "pinned" else None,
            mode="recursive",
            added="2026-11-02T12:00:00Z",
            added_by=PEER,
            added_by_name="Ana",
            expires=None,
            metadata={"language": "es"},
            allocations=[],
            choice="skip" if pin.state == "skipped" else None,
            copies=38.2,
            next_step="Ask the curators whether somebody still has it" if pin.state == "error" else None,
            last_block="2026-11-22T11:59:57Z" if is_coming else None,
            serving=4 if is_coming else None,
            rate=410_000 if is_coming else None,
        )

    def locate(self, name: str, query: Query = (), *, cid: str = "", prefix: str = "") -> int | None:
        self._answering("locate")
        return int(cid[7:], 16) if cid.startswith("bafybei") and cid != CID_2 else None
