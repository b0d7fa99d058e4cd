"""What happened to one peer, in sentences: kept by the store, and told to whoever waits for the next one."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import trio

from pincrew import limits
from pincrew.bell import Bell
from pincrew.errors import PincrewError
from pincrew.figures import plural
from pincrew.store.events import EventRow, Events

_log = logging.getLogger("pincrew.diary")


class Diary:
    """Events of one cluster. ``happened`` never waits; ``run`` writes what has gathered, in groups."""

    def __init__(self, events: Events, now_ms: Callable[[], int]) -> None:
        self._events = events
        self._now_ms = now_ms
        self._bell = Bell()
        self._waiting: list[tuple[int, str, str, dict[str, Any]]] = []
        self._news = trio.Event()

    def happened(self, kind: str, fields: dict[str, Any]) -> None:
        """Take note of an event. Beyond a full ring that waits to be written, the newest are dropped."""
        if len(self._waiting) < limits.EVENTS_KEPT_MAX:
            self._waiting.append((self._now_ms(), kind, describe(kind, fields), fields))
        self._bell.ring()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Write until cancelled."""
        task_status.started()
        while True:
            await self._bell.wait()
            batch, self._waiting = self._waiting, []
            if batch:
                try:
                    await trio.to_thread.run_sync(self._events.add_all, batch)
                except PincrewError as error:
                    _log.warning("events were not kept: %s", error.sentence)
                self._news.set()
                self._news = trio.Event()
                # Each group is a commit that reaches the disk, where the node's own have to wait for it.
                await trio.sleep(limits.EVENTS_INTERVAL_S)

    async def after(self, number: int, *, wait: bool) -> list[EventRow]:
        """Return events beyond an id, oldest first; with ``wait`` there is at least one."""
        while True:
            # Taken before the store is asked: what is written meanwhile wakes us all the same.
            news = self._news
            rows = await trio.to_thread.run_sync(self._events.after, number)
            if rows or not wait:
                return rows
            await news.wait()


def _pins(fields: dict[str, Any]) -> str:
    return "1 pin was" if fields.get("pins") == 1 else f"{fields.get('pins')} pins were"


def describe(kind: str, fields: dict[str, Any]) -> str:
    """Say an event in a sentence."""
    what = fields.get("name") or fields.get("cid") or ""
    texts = {
        "pinned": f"{what} is pinned",
        "skipped": f"{what} is skipped: {fields.get('cause')}",
        "limits_changed": "other limits hold now"
        + (f"; {fields.get('unpinned')} pins are unpinned for that" if fields.get("unpinned") else ""),
        "part_changed": f"the part that is kept is {100 * (fields.get('share') or 0):.1f} % of the list",
        "part_not_settled": f"which part is kept could not be noted: {fields.get('error')}",
        "rescued": f"{fields.get('pins')} pins are kept besides the part, for few others keep them",
        "denylist_changed": f"the denylist was read: {fields.get('rules')} rules"
        + (f"; {fields.get('trouble')}" if fields.get("trouble") else ""),
        "pin_failed": f"{what} was not pinned: {fields.get('cause')}",
        "unpinned": f"{what} was unpinned"
        if fields.get("outcome") != "kept"
        else f"{what} is not to be kept here any more and stays pinned: it is yours, or another cluster's",
        "list_changed": f"the list changed: {plural(fields.get('rows') or 0, 'pin')}",
        "session_stopped": f"a session of curator {fields.get('curator')} was stopped: {fields.get('reason')}",
        "write_lost": f"your change of {fields.get('cid')} lost against a concurrent one of {fields.get('to')}",
        "handshake_failed": f"{fields.get('peer') or fields.get('address')}: {fields.get('reason')}",
        "node_up": "the IPFS node answers",
        "node_starting": "the IPFS node is starting",
        "node_changed": f"another IPFS node answers: {fields.get('pins')} pins are looked for there",
        "node_left": f"the IPFS node at {fields.get('address')} was left: it let go of {fields.get('unpinned')} pins",
        "node_down": str(fields.get("trouble") or fields.get("error") or "the IPFS node does not answer"),
        "trust_changed": f"trust record {fields.get('record')} is in force: {fields.get('changes')}",
        "trust_conflict": f"two different trust records {fields.get('record')} were signed: trust changes stop",
        "counters_repaired": f"figures were wrong and were counted anew: {fields.get('figures')}",
        "state_changed": f"the state is {fields.get('state')}"
        + (f"; it was {fields.get('before')}" if fields.get("before") else ""),
        "not_told": f"{fields.get('channel')}: {fields.get('error')}",
        "paused": "paused: nothing new is fetched"
        + (f" until {fields.get('until')}" if fields.get("until") else " until you resume"),
        "monthly_cap_reached": f"the monthly cap is reached: nothing new is fetched before {fields.get('until')}",
        "monthly_cap_lifted": "more may pass over the line again: what is missing is fetched",
        "resumed": "resumed: what is missing is fetched again",
        "clock_jumped": f"this machine slept, or its clock was set: {fields.get('seconds')} s are missing",
        "damage_found": f"{what} has damaged or missing blocks ({fields.get('blocks')}): they are fetched again",
        "repaired": f"{what} is whole again: what was bad was fetched again ({fields.get('blocks')})",
        "verify_failed": f"what is pinned could not be re-read: {fields.get('error')}",
        "unexpectedly_unpinned": f"{fields.get('pins')} pins were gone from the IPFS node: they are pinned again",
        "pins_expired": f"{_pins(fields)} taken off the list: the time is over",
        "pins_repinned": f"{_pins(fields)} given to other peers, because too few copies were left"
        + (f"; gone: {fields.get('gone')}" if fields.get("gone") else ""),
        "copies_settled": f"{_pins(fields)} freed of peers that need not keep them any more",
        "not_looked_after": f"expired pins and missing copies could not be seen to: {fields.get('error')}",
        "removals_decided": f"removals: {fields.get('decision')} for {fields.get('pins')} pins",
    }
    return texts.get(kind) or kind.replace("_", " ") + (f": {what}" if what else "")
