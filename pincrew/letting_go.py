"""Carries out removals on the node: judges them (`pincrew.removals`), waits, and unpins or gives to the user.

What this peer's own user or rules decided not to keep is unpinned without judging and waiting.

What the user rejected is given to him before anything else is let go, so that no clock can free it.
"""

from __future__ import annotations

import trio

from pincrew import removals
from pincrew.bell import Bell
from pincrew.bookkeeper import Work
from pincrew.cid import cid_text
from pincrew.errors import NodeDown, PincrewError
from pincrew.limits import UNPIN_RETRY_DELAY_S, UNPINS_IN_FLIGHT_MAX, UNPINS_PER_SLICE
from pincrew.node_watch import NodeState
from pincrew.ownership import LetGo
from pincrew.removals import Decision, RemovalsRules, RemovalsState, Verdict
from pincrew.tracker import OWN_DECISION_MS, Leaving, Progress
from pincrew.values import PinState
from pincrew.workplace import Workplace

_IDLE_S = 15.0  # whatever there is to do rings a bell; should one ever be missed, it costs no more than this


class LettingGo:
    """The removals of one cluster."""

    def __init__(self, place: Workplace, rules: RemovalsRules) -> None:
        self._place = place
        self._keeper = place.keeper
        self._rules = rules
        self._bell = Bell()
        self._later: dict[bytes, float] = {}
        self.state = RemovalsState()
        self.verdict: Verdict | None = None

    def wake(self) -> None:
        """Something was removed, or the node is back."""
        self._bell.ring()

    def set_rules(self, rules: RemovalsRules) -> None:
        """Change grace, hold or obedience."""
        self._rules = rules
        self._bell.ring()

    async def decide(self, decision: Decision) -> int:
        """Record the user's word on the removals so far; return how many were held."""
        held = self.verdict.held if self.verdict else 0
        async with self._keeper.turn:
            await self._save(removals.decide(self.state, decision, now_ms=self._place.now_ms()))
        await self._judge()  # whoever asks next is told of no hold that the user has just ended
        self._place.on_event("removals_decided", {"decision": decision.value, "pins": held})
        self._bell.ring()
        return held

    async def load(self) -> None:
        """Read what was kept of an earlier run."""
        self.state = RemovalsState.from_text(await self._keeper.ask(self._keeper.book.removals_state))

    async def run(self) -> None:
        """Judge and carry out, until cancelled."""
        while True:
            verdict = await self._judge()
            ended = 0
            if self._place.watch.view.state is NodeState.UP:
                ended = await self._free(self.state.rejected_to_ms, give=True)
                if not ended:
                    ended = await self._free(OWN_DECISION_MS, from_ms=OWN_DECISION_MS, give=False)
                if not ended:
                    ended = await self._free(verdict.free_to_ms, give=False)
            if ended:
                continue
            wait_s = _IDLE_S if verdict.next_ms is None else (verdict.next_ms - self._place.now_ms()) / 1_000
            if self._later:
                wait_s = min(wait_s, UNPIN_RETRY_DELAY_S)
            await self._bell.wait(min(_IDLE_S, max(0.05, wait_s)))

    async def _judge(self) -> Verdict:
        async with self._keeper.turn:
            before = self.state
            counts = await self._keeper.ask(self._keeper.book.counts)
            hours = await self._keeper.ask(self._keeper.book.leaving_hours, after_ms=before.decided_to_ms)
            verdict = removals.evaluate(
                before,
                self._rules,
                now_ms=self._place.now_ms(),
                kept=counts.get(PinState.PINNED, 0) + counts.get(PinState.UNPINNING, 0),
                hours=hours,
            )
            await self._save(verdict.state)
        if before.hold_since_ms is None and verdict.state.hold_since_ms is not None:
            self._place.on_event("removals_held", {"pins": verdict.held, "until_ms": verdict.held_until_ms})
        elif before.hold_since_ms is not None and verdict.state.hold_since_ms is None:
            self._place.on_event("removals_free", {})
        self.verdict = verdict
        return verdict

    async def _save(self, state: RemovalsState) -> None:
        if state != self.state:
            await self._keeper.ask(self._keeper.book.save_removals_state, state.to_text())
            self.state = state

    async def _free(self, to_ms: int, *, give: bool, from_ms: int = 0) -> int:
        """Let go of a slice of what left up to then, or give it to the user; return how many came to an end."""
        if to_ms < from_ms:
            return 0
        now = trio.current_time()
        self._later = {cid: at for cid, at in self._later.items() if at > now}
        limit = UNPINS_PER_SLICE + len(self._later) + len(self._keeper.busy)
        async with self._keeper.turn:
            found = await self._keeper.ask(self._keeper.book.leaving, from_ms=from_ms, to_ms=to_ms, limit=limit)
            some = [one for one in found if one.cid not in self._keeper.busy and one.cid not in self._later]
            works = [Work(one.cid, None, Progress(PinState.UNPINNING), self._place.now_ms()) for one in some]
            for work in works:
                self._keeper.begin(work)
        slots = trio.Semaphore(UNPINS_IN_FLIGHT_MAX)
        freed: list[int] = []
        try:
            async with trio.open_nursery() as nursery:
                for one in some:
                    await slots.acquire()
                    nursery.start_soon(self._free_one, one, give, slots, freed)
        finally:
            for work in works:
                self._keeper.end(work)
        if freed and not give and from_ms >= 0 and not self._rules.obey:
            async with self._keeper.turn:
                await self._save(removals.carried_out(self.state, freed))
        return len(freed)

    async def _free_one(self, one: Leaving, give: bool, slots: trio.Semaphore, freed: list[int]) -> None:
        try:
            if self._place.watch.view.state is not NodeState.UP:
                return
            node_id = (await self._place.watch.up()).peer_id
            if give:
                await self._place.ownership.give_to_user(self._place.node, node_id, self._place.cluster, one.cid)
                outcome = LetGo.KEPT
            else:
                outcome = await self._place.ownership.let_go(self._place.node, node_id, self._place.cluster, one.cid)
        except NodeDown as error:
            self._place.watch.lost(error)
        except PincrewError as error:
            self._later[one.cid] = trio.current_time() + UNPIN_RETRY_DELAY_S
            self._place.on_event("unpin_failed", {"cid": cid_text(one.cid), "error": error.what})
        else:
            freed.append(one.since_ms)
            self._keeper.settle_soon(self._keeper.update(one.cid, Progress()))
            self._place.on_event("unpinned", {"cid": cid_text(one.cid), "outcome": outcome.value})
        finally:
            slots.release()
