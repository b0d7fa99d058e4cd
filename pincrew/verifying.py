"""Re-reads what is pinned, block by block, and has what is bad fetched again: a sample unasked, and what is asked for.

Unasked, that is 1 % of the pins a week, slowly. The pins are taken in the order of their shards, which is that of a
hash, so that every stretch of it is a random sample; how far it is stays in the journal, so that each pin has its turn.
What could not be mended is tried again every hour and shown as a reason until it is whole, or not kept any more.

What had to be unpinned and could not be pinned again at once is the pinner's, as any other pin that is queued; once it
is pinned, it is looked at again. While a pin is being mended it is in the bookkeeper's `busy`, so that no other task
works on it.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import trio

from pincrew import tracker
from pincrew.bookkeeper import Work
from pincrew.cid import cid_text
from pincrew.dag_check import DagCheck, Found
from pincrew.errors import NodeDown, NodeRefused, NotFound, StoreFault
from pincrew.limits import (
    VERIFY_DAMAGED_KEPT_MAX,
    VERIFY_MEND_TIMEOUT_S,
    VERIFY_MENDED_LOOK_S,
    VERIFY_RETRY_S,
    VERIFY_ROUNDS_MAX,
    VERIFY_SAMPLE_PINS_MIN,
    VERIFY_SHARE_A_WEEK,
    VERIFY_START_DELAY_S,
    VERIFY_UNASKED_BYTES_PER_S,
    VERIFY_WEEK_S,
)
from pincrew.mending import NOWHERE, HoldOthers, Mending
from pincrew.store.checks import Damage, Journal
from pincrew.tracker import Event, Progress
from pincrew.values import Pin, PinMode, PinState
from pincrew.workplace import Workplace

_PAGE = 100
SOUND, REPAIRED, DAMAGED, ABSENT = "sound", "repaired", "damaged", "absent"


class CheckBook(Protocol):
    """What is remembered of re-reading (`store.checks`). Every method blocks."""

    def pin(self, cid: bytes) -> tuple[Pin, PinState] | None: ...
    def sound(self, cid: bytes, now_ms: int) -> None: ...
    def journal(self) -> Journal: ...
    def save(self, journal: Journal) -> None: ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of re-reading one pin. ``damaged`` and ``missing`` count the blocks that were found so at first;
    ``text`` says more where the result is not that all is sound."""

    cid: bytes
    name: str
    result: str
    blocks: int = 0
    bytes: int = 0
    damaged: int = 0
    missing: int = 0
    text: str | None = None
    checked_ms: int | None = None


class Verifying:
    """Verifies the pins of one cluster. ``on_damage`` is called with how many pins are damaged and not yet mended."""

    def __init__(
        self,
        place: Workplace,
        checks: CheckBook,
        on_damage: Callable[[int], None],
        *,
        hold: HoldOthers,
        is_paused: Callable[[], bool] = lambda: False,
        start_delay_s: float = VERIFY_START_DELAY_S,
    ) -> None:
        """Blocks for a moment: the journal is read. While it ``is_paused`` nothing is done unasked."""
        self._place = place
        self._keeper = place.keeper
        self._checks = checks
        self._on_damage = on_damage
        self._is_paused = is_paused
        self._start_delay_s = start_delay_s
        self._mending = Mending(place.node, place.ownership, place.cluster, hold)
        self._journal: Journal = checks.journal()
        self._later: dict[bytes, float] = {}  # when what is damaged is looked at again
        self._one = trio.Lock()
        on_damage(len(self._journal.damaged))

    @property
    def aside(self) -> list[bytes]:
        """What the node keeps aside until it is whole."""
        return [cid for cid, damage in self._journal.damaged.items() if damage.is_aside]

    # ---- what is asked for -----------------------------------------------------------------------------------------
    async def these(self, cids: Sequence[bytes]) -> AsyncGenerator[Verdict, None]:
        """Verify pins one after the other. Raises NotFound for one that is not on the list, before any is read."""
        for cid in cids:
            if await self._keeper.ask(self._checks.pin, cid) is None:
                raise NotFound(f"{cid_text(cid)} is not on the list", next_step="See `pincrew pins`")
        for cid in cids:
            yield await self._verify(cid)

    async def sample(self) -> AsyncGenerator[Verdict, None]:
        """Verify the next pins in the order of the unasked look: as many as it takes a week, and 20 at least."""
        wanted = min(await self._pinned(), max(VERIFY_SAMPLE_PINS_MIN, await self._a_week()))
        for _ in range(wanted):
            cid = await self._next()
            if cid is None:
                return
            yield await self._verify(cid)

    async def all(self) -> AsyncGenerator[Verdict, None]:
        """Verify everything that is pinned."""
        after: bytes | None = None
        while page := await self._keeper.ask(self._keeper.book.pinned_page, after, _PAGE):
            for cid in page:
                yield await self._verify(cid)
            after = page[-1]

    # ---- what is done unasked --------------------------------------------------------------------------------------
    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Re-read a sample, week after week, and try again what could not be mended, until cancelled."""
        task_status.started()
        await trio.sleep(self._start_delay_s)
        while True:
            await self._place.watch.up()
            if self._is_paused():
                await trio.sleep(VERIFY_MENDED_LOOK_S)
                continue
            try:
                for cid in list(self._journal.damaged):
                    if self._later.get(cid, 0.0) <= trio.current_time():
                        await self._verify(cid, is_asked=False)
                if await self._wait_s() <= 0 and (next_one := await self._next()) is not None:
                    await self._verify(next_one, is_asked=False)
            except NodeDown as error:
                self._place.watch.lost(error)
            except (NodeRefused, StoreFault) as error:
                self._place.on_event("verify_failed", {"error": error.sentence})
            again_s = VERIFY_MENDED_LOOK_S if self._journal.damaged else VERIFY_RETRY_S
            await trio.sleep(min(again_s, max(1.0, await self._wait_s())))

    async def _wait_s(self) -> float:
        """Return how long the unasked look may rest now."""
        now_ms = self._place.now_ms()
        # A clock that was set back must not keep it from going on.
        last_ms = min(self._journal.last_ms, now_ms)
        return VERIFY_WEEK_S / max(1, await self._a_week()) - (now_ms - last_ms) / 1_000

    async def _pinned(self) -> int:
        return (await self._keeper.ask(self._keeper.book.counts)).get(PinState.PINNED, 0)

    async def _a_week(self) -> int:
        return math.ceil(await self._pinned() * VERIFY_SHARE_A_WEEK)

    async def _next(self) -> bytes | None:
        """Return the next pin of the unasked look, and note that it had its turn; None: nothing is pinned."""
        page = await self._keeper.ask(self._keeper.book.pinned_page, self._journal.cursor, 1)
        if not page and self._journal.cursor is not None:
            page = await self._keeper.ask(self._keeper.book.pinned_page, None, 1)
        self._journal.last_ms = self._place.now_ms()
        self._journal.cursor = page[0] if page else None
        await self._keep()
        return page[0] if page else None

    async def _keep(self) -> None:
        await self._keeper.ask(self._checks.save, self._journal)

    # ---- one pin ---------------------------------------------------------------------------------------------------
    async def _verify(self, cid: bytes, *, is_asked: bool = True) -> Verdict:
        async with self._one:
            listed = await self._keeper.ask(self._checks.pin, cid)
            if listed is None or listed[1] is not PinState.PINNED or cid in self._keeper.busy:
                return await self._not_pinned(cid, listed)
            pin = listed[0]
            found = first = await self._look(pin, is_asked=is_asked)
            trouble = None
            for _ in range(VERIFY_ROUNDS_MAX):
                if not found.bad:
                    break
                trouble = await self._mended(pin, found)
                if trouble:
                    break
                found = await self._look(pin, is_asked=is_asked)
            if found.bad:
                return self._verdict(pin, first, DAMAGED, trouble or NOWHERE)
            await self._whole(pin, first)
            text = None if first.is_whole or first.bad else "too large to be looked at whole"
            return self._verdict(pin, first, REPAIRED if first.bad else SOUND, text)

    def _verdict(self, pin: Pin, found: Found, result: str, text: str | None) -> Verdict:
        counts = (found.blocks, found.size, len(found.damaged), len(found.missing))
        checked_ms = None if result == DAMAGED else self._place.now_ms()
        return Verdict(pin.cid, pin.name, result, *counts, text, checked_ms)

    async def _not_pinned(self, cid: bytes, listed: tuple[Pin, PinState] | None) -> Verdict:
        """Say so; what was damaged and is not kept any more, or is fetched anew as a whole, is no damage of a pin."""
        if (damage := self._journal.damaged.get(cid)) is not None and cid not in self._keeper.busy:
            is_coming = listed is not None and listed[1] in (PinState.QUEUED, PinState.PINNING, PinState.ERROR)
            if is_coming:
                self._later[cid] = trio.current_time() + VERIFY_MENDED_LOOK_S
            else:
                await self._forget(cid, damage)
        state = "not on the list" if listed is None else f"not pinned here ({listed[1].value})"
        if listed is not None and listed[1] is PinState.PINNED:
            state = "just being worked on"
        return Verdict(cid, listed[0].name if listed else "", ABSENT, text=f"it is {state}")

    async def _look(self, pin: Pin, *, is_asked: bool) -> Found:
        return await DagCheck(
            pin.cid,
            self._place.node.stored_block,
            is_recursive=pin.mode is PinMode.RECURSIVE,
            bytes_per_s=None if is_asked else VERIFY_UNASKED_BYTES_PER_S,
        ).run()

    async def _mended(self, pin: Pin, found: Found) -> str:
        """Have what is bad fetched again; return why that did not work, "" where it may have."""
        if pin.cid not in self._journal.damaged and len(self._journal.damaged) < VERIFY_DAMAGED_KEPT_MAX:
            self._journal.damaged[pin.cid] = Damage(self._place.now_ms(), len(found.bad))
            await self._keep()
            self._on_damage(len(self._journal.damaged))
            fields = {"cid": cid_text(pin.cid), "name": pin.name, "blocks": len(found.bad)}
            self._place.on_event("damage_found", fields)
        node_id = (await self._place.watch.up()).peer_id
        async with self._keeper.turn:
            if pin.cid in self._keeper.busy:
                return "it is just being worked on"
            work = Work(pin.cid, pin, Progress(PinState.PINNED), self._place.now_ms())
            self._keeper.begin(work)
        trouble, is_pinned = NOWHERE, True
        try:
            with work.scope, trio.move_on_after(VERIFY_MEND_TIMEOUT_S):
                is_pinned = False  # unless it says otherwise
                trouble, is_pinned = await self._mending.mend(
                    pin, node_id, found.bad, lambda is_aside: self._aside(pin.cid, is_aside)
                )
        except (NodeDown, NodeRefused):
            is_pinned = True  # or not: reconciling looks
            raise
        finally:
            if not is_pinned and not work.scope.cancelled_caught:
                self._queue(pin.cid)
            self._later[pin.cid] = trio.current_time() + (VERIFY_RETRY_S if is_pinned else VERIFY_MENDED_LOOK_S)
            self._keeper.end(work)
        await work.written.wait()
        return trouble or ("" if is_pinned else NOWHERE)

    def _queue(self, cid: bytes) -> None:
        """Leave a pin that is not whole, nor pinned any more, to the pinner."""
        progress = tracker.advance(Progress(PinState.PINNED), Event.VANISHED)
        self._keeper.settle_soon(self._keeper.update(cid, replace(progress, cause=tracker.DAMAGED)))

    async def _aside(self, cid: bytes, is_aside: bool) -> None:
        damage = self._journal.damaged.setdefault(cid, Damage(self._place.now_ms(), 0))
        damage.is_aside = is_aside
        await self._keep()

    async def _whole(self, pin: Pin, first: Found) -> None:
        """Note that a pin is as it should be."""
        await self._keeper.ask(self._checks.sound, pin.cid, self._place.now_ms())
        if (damage := self._journal.damaged.get(pin.cid)) is not None:
            blocks = len(first.bad) or damage.blocks
            await self._forget(pin.cid, damage)
            self._place.on_event("repaired", {"cid": cid_text(pin.cid), "name": pin.name, "blocks": blocks})

    async def _forget(self, cid: bytes, damage: Damage) -> None:
        if damage.is_aside:
            await self._place.node.end_aside(cid)
        del self._journal.damaged[cid]
        self._later.pop(cid, None)
        await self._keep()
        self._on_damage(len(self._journal.damaged))
