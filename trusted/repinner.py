"""The task in which a curator's peer looks after the list by itself: it deletes what expired, and has others keep what
a peer that is gone kept.

A look every 15 s; `caretaker` says what there is to do, `pincrew.repinning` how that is decided. Where a peer is gone
that pins name, a look searches all records: the rest after it is 20 times as long as the search.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

import trio
from pincrew.trusted.author import WriteRequest
from pincrew.trusted.caretaker import AllocationRules, Caretaker, Facts, Plan

from pincrew import limits
from pincrew.alerts import Alerts
from pincrew.allocation import Allocator
from pincrew.crew_metrics import crewmates, is_alive
from pincrew.errors import PincrewError
from pincrew.peer import Peer, now_ms
from pincrew.policy import Method
from pincrew.repinning import crew_clock_ms
from pincrew.requests import Answer, Request
from pincrew.store.watched_rows import WatchedRows

_REST_AFTER_SLICE = 4  # times its own duration: a start reads the whole list, and has other things to do


class Repinner:
    """Looks after the list of one cluster. ``run`` until cancelled."""

    def __init__(
        self, peer: Peer, rules: AllocationRules, write: Callable[[Sequence[WriteRequest]], Awaitable[object]]
    ) -> None:
        """``write`` returns once requests are durable."""
        self._peer = peer
        self._rules = rules
        self._write = write
        self._caretaker = Caretaker(WatchedRows(peer.database, peer.member.replica.shard_bits), peer.key.public, rules)
        self._trouble = ""
        self._stood_still = False
        self.alerts = Alerts()
        peer.repins = rules.repin_after_s is not None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Look again and again."""
        task_status.started()
        while True:
            searched_s, trouble = 0.0, ""
            try:
                searched_s = await self._look()
            except PincrewError as error:  # a disk that refuses, or trust that ended: the next look may do better
                trouble = error.sentence
                if trouble != self._trouble:
                    self._peer.diary.happened("not_looked_after", {"error": trouble})
            self._trouble = trouble
            self._stood_still = False
            await self._rest(max(limits.ALLOCATION_LOOK_INTERVAL_S, searched_s * limits.ALLOCATION_REST_SHARE))

    async def _rest(self, seconds: float) -> None:
        """Wait step by step. A step that lasts much too long tells that this process was stopped, or its machine.

        Who wakes up has heard nobody meanwhile and still seems connected: it must not take all others for gone.
        """
        end = trio.current_time() + seconds
        while (now := trio.current_time()) < end:
            step = min(end - now, limits.ALLOCATION_LOOK_INTERVAL_S)
            await trio.sleep(step)
            if trio.current_time() - now > step + limits.REPIN_STANDSTILL_S:
                self._stood_still = True

    def may_have_shards(self) -> bool:
        """Say whether the list may have content in shards; what was listed in the last seconds is not looked at yet."""
        return self._caretaker.may_have_shards

    def allocator(self) -> Allocator:
        """Return what chooses peers for new pins, by who is alive now.

        Curators connect to each other: one that is not connected here is far. Of followers there may be too many.
        """
        member, network = self._peer.member, self._peer.network
        near = {one.peer for one in network.connections()} if network is not None else set()
        crew = [
            one._replace(is_far=one.key in member.chain.curators and one.peer not in {*near, self._peer.id})
            for one in crewmates(member.heard.all(), trio.current_time())
        ]
        return self._rules.allocator(crew, member.chain.curators)

    async def _look(self) -> float:
        """Look once; return how long it searched."""
        facts = self._facts()
        self.alerts.look(self._peer.member.heard.all(), facts.now, now_ms())
        if self._peer.key.public not in facts.curators:
            return 0.0
        self._caretaker.begin(facts)
        while await self._read():
            pass
        self._caretaker.begin(self._facts())  # a start reads for minutes
        deletions = await trio.to_thread.run_sync(self._caretaker.expired)
        if deletions:
            await self._write(deletions)
            self._peer.diary.happened("pins_expired", {"pins": len(deletions)})
        begun = trio.current_time()
        plan = await trio.to_thread.run_sync(self._caretaker.search)
        searched_s = trio.current_time() - begun
        answers = await self._ask(plan)
        requests = await trio.to_thread.run_sync(self._caretaker.settle, plan, answers)
        if requests:
            await self._write(requests)
            self._tell(plan, requests)
        return searched_s

    def _tell(self, plan: Plan, requests: Sequence[WriteRequest]) -> None:
        if plan.requests:
            gone = ", ".join(sorted(self._caretaker.gone))
            self._peer.diary.happened("pins_repinned", {"pins": len(plan.requests), "gone": gone})
        if settled := len(requests) - len(plan.requests):
            self._peer.diary.happened("copies_settled", {"pins": settled})

    async def _read(self) -> bool:
        begun = trio.current_time()
        is_more = await trio.to_thread.run_sync(self._caretaker.read)
        if is_more:
            await trio.sleep((trio.current_time() - begun) * _REST_AFTER_SLICE)
        return is_more

    def _facts(self) -> Facts:
        member, network, now = self._peer.member, self._peer.network, trio.current_time()
        heard = member.heard.all()
        clocks = [
            one.announcement.time_ms + round((now - one.at) * 1_000)
            for one in heard
            if is_alive(one, now)
            and one.announcement.key in member.chain.curators
            and one.announcement.key != self._peer.key.public
        ]
        return Facts(
            now=now,
            clock_ms=crew_clock_ms(clocks, now_ms()),
            crew=crewmates(heard, now),
            curators=member.chain.curators,
            heard_at={one.announcement.key: one.at for one in heard},
            is_listening=network is not None and bool(network.connections()) and not self._stood_still,
        )

    async def _ask(self, plan: Plan) -> Mapping[bytes, Mapping[str, str]]:
        """Return how far the peers are that the plan names, as far as they answer."""
        wanted: dict[str, list[bytes]] = {}
        for cid, peers in plan.asks.items():
            for peer in peers:
                wanted.setdefault(peer, []).append(cid)
        answers: dict[bytes, dict[str, str]] = {}

        async def ask(peer: str, cids: list[bytes]) -> None:
            for at in range(0, len(cids), limits.REQUEST_CIDS_MAX):
                request = Request(Method.STATUS, tuple(cids[at : at + limits.REQUEST_CIDS_MAX]))
                try:
                    answer = await self._answer(peer, request)
                except PincrewError:
                    return  # who does not answer counts as one that does not say
                for status in answer.statuses:
                    answers.setdefault(status.cid, {})[peer] = status.state

        async with trio.open_nursery() as nursery:
            for peer, cids in wanted.items():
                nursery.start_soon(ask, peer, cids)
        return answers

    async def _answer(self, peer: str, request: Request) -> Answer:
        if peer == self._peer.id:
            return await self._peer.self_report.answer(request)
        return await self._peer.ask(peer, request)
