"""A running cluster as the API sees it: everything that a follower and a curator have in common.

Reading only, but for what a user may do to this peer's own work (retry, decide removals, leave). What blocks runs in
threads. ``Follower`` and ``Curator`` add what is theirs; that a follower cannot write is the absence of a method.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from itertools import islice

import trio

from pincrew import limits
from pincrew.api import shapes
from pincrew.api.lines import error_line, event_line, pin_line, pin_object, time_text
from pincrew.base_desk import BaseDesk
from pincrew.checkup import checkup
from pincrew.cid import cid_text, parse_cid
from pincrew.coverage_desk import CoverageDesk
from pincrew.errors import NotFound
from pincrew.health import ReasonText
from pincrew.limits_desk import LimitsDesk
from pincrew.overview import peer_lines, summary_of
from pincrew.paths import ClusterPaths
from pincrew.pause_desk import PauseDesk
from pincrew.peer import Peer, now_ms
from pincrew.pin_statuses import PinStatuses
from pincrew.pin_view import pin_detail
from pincrew.record import decode_record
from pincrew.removals import Decision, RemovalsState
from pincrew.repair_desk import RepairDesk
from pincrew.rescue import RescueSlice
from pincrew.rest_desk import RestDesk
from pincrew.settings import ClusterSettings
from pincrew.store.filters import Filter, parse_states
from pincrew.tracker import Leaving
from pincrew.trust_desk import TrustDesk
from pincrew.values import Pin, PinState
from pincrew.verify_desk import VerifyDesk

_EXAMPLES_SHOWN = 5


class Cluster:
    """One cluster of this daemon."""

    role = ""
    asks_others = False

    def __init__(self, peer: Peer, paths: ClusterPaths, api_address: str) -> None:
        self.peer = peer
        self.paths = paths
        self.trust = TrustDesk(peer, paths)
        self.bases = BaseDesk(peer)
        self.repairs = RepairDesk(peer)
        self.limits = LimitsDesk(peer, paths, self.limits_changed)
        self.pauses = PauseDesk(peer)
        self.on_limits: Callable[[], None] = lambda: None
        self.coverage = CoverageDesk(peer, lambda: self.rescued())
        self.verify = VerifyDesk(peer)
        self.published_at: str | None = None
        self.statuses = PinStatuses(peer, asks_others=self.asks_others)
        self.rest = RestDesk(peer, self.statuses, asks_others=self.asks_others)
        self.rest_at: str | None = None
        self.rest_is_on_streams = False
        self._api_address = api_address

    @property
    def name(self) -> str:
        """The folder's name, by which users speak of it."""
        return self.paths.name

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Work until cancelled."""
        await self.peer.run(task_status=task_status)

    def own_reasons(self) -> Iterable[ReasonText]:
        """Return reasons that only this role has."""
        return ()

    def rescued(self) -> RescueSlice | None:
        """Return what is kept because too few others do; None for who keeps all of the list."""
        return None

    def limits_changed(self, local: ClusterSettings) -> None:
        """Other limits hold from now on."""
        self.on_limits()

    def clock_jumped(self, seconds: int) -> None:
        """The machine slept, or its clock was set: what is done now and then may be overdue."""
        self.peer.diary.happened("clock_jumped", {"seconds": seconds})
        self.peer.pausing.clock_jumped(seconds)

    # ---- reading ----------------------------------------------------------------------------------------------

    def summary(self) -> shapes.Summary:
        """Return the cluster at a glance."""
        return summary_of(self.peer, self.role, [*self.trust.reasons(self.role), *self.own_reasons()])

    def ready(self) -> shapes.Ready:
        """Return where it is reached."""
        addresses = list(self.peer.network.addresses) if self.peer.network is not None else []
        api = self.rest_at or self._api_address
        return shapes.Ready(self.name, self.peer.id, addresses, api, self.published_at)

    async def pins(
        self, *, state: str, name: str, find: str, sort: str, limit: int, offset: int
    ) -> tuple[list[shapes.PinLine], int | None, int]:
        """Return a page of pins, the total where it is known, and the revision of the rows."""

        def read() -> tuple[list[shapes.PinLine], int | None, int]:
            listing = self.peer.listing
            wanted = Filter.parse(find, now_ms=now_ms(), states=parse_states(state), name_prefix=name)
            rows = listing.page(wanted, sort=sort, limit=limit, offset=offset)
            return [pin_line(self.name, row) for row in rows], listing.total(wanted), listing.revision()

        return await trio.to_thread.run_sync(read)

    async def locate(self, *, cid: str, prefix: str, state: str, name: str, find: str, sort: str) -> shapes.PinPlace:
        """Return where a pin stands in a list: the one of ``cid``, or the first by name that begins with ``prefix``."""

        def read() -> tuple[int | None, int]:
            listing = self.peer.listing
            wanted = Filter.parse(find, now_ms=now_ms(), states=parse_states(state), name_prefix=name)
            revision = listing.revision()
            return listing.place(wanted, sort=sort, cid=parse_cid(cid) if cid else None, name_prefix=prefix), revision

        return shapes.PinPlace(self.name, *await trio.to_thread.run_sync(read))

    async def pin(self, cid: str) -> shapes.PinDetail:
        """Return all that is known of one pin. Raises NotFound."""
        return await pin_detail(self.peer, parse_cid(cid))

    def series(self) -> shapes.Series:
        """Return how much came and went lately."""
        flow = self.peer.flow
        return shapes.Series(self.name, limits.SERIES_STEP_S, list(flow.down), list(flow.up))

    async def pinset(self, cids: Sequence[str]) -> AsyncIterator[list[shapes.PinObject]]:
        """Yield the pinset in slices, or the named pins of it. Raises NotFound for a CID that is not in it."""
        if cids:
            found = []
            for text in cids:
                pin = await self._pin(parse_cid(text))
                if pin is None:
                    raise NotFound(f"{text} is not in the list of {self.name}", next_step="See `pincrew pin ls`")
                found.append(pin_object(pin))
            yield found
            return
        rows = self.peer.listing.all()
        while True:
            batch = await trio.to_thread.run_sync(lambda: list(islice(rows, 1_000)))
            if not batch:
                return
            yield [pin_object(decode_record(row.cid, row.record)) for row in batch]

    def pin_statuses(self, cids: Sequence[str], *, local: bool) -> AsyncIterator[list[shapes.GlobalPinInfo]]:
        """Yield, in slices, how far each peer that answers got with each CID, or with all of them.

        ``local`` asks this peer alone, and so does a follower: only curators may ask others (``pincrew.policy``).
        """
        if not cids:
            return self.statuses.all(local=local)
        return self.statuses.of([parse_cid(text) for text in cids], local=local)

    async def _pin(self, cid: bytes) -> Pin | None:
        rows = await trio.to_thread.run_sync(lambda: self.peer.listing.page(Filter(cid=cid), limit=1))
        return decode_record(cid, rows[0].record) if rows else None

    async def peers(self) -> list[shapes.PeerLine]:
        """Return every peer known."""
        return await trio.to_thread.run_sync(peer_lines, self.peer)

    async def errors(self) -> list[shapes.ErrorLine]:
        """Return pins in error, grouped by cause."""
        rows = await trio.to_thread.run_sync(self.peer.listing.causes)
        return [error_line(self.name, row) for row in rows]

    async def events(self, after: int, *, follow: bool) -> AsyncIterator[list[shapes.EventLine]]:
        """Yield events beyond an id, in groups; with ``follow`` never ends."""
        while rows := await self.peer.diary.after(after, wait=follow):
            after = rows[-1].id
            yield [event_line(self.name, row) for row in rows]

    # ---- what a user may do -----------------------------------------------------------------------------------

    async def retry(self, cid: str | None) -> int:
        """Try failed pins again; return how many."""
        return await self.peer.pinner.retry(parse_cid(cid) if cid else None)

    async def removals(self) -> shapes.Removals:
        """Return what left the list and is still held here."""

        def read() -> tuple[list[Leaving], RemovalsState]:
            statuses = self.peer.statuses
            leaving = statuses.leaving(to_ms=now_ms(), limit=_EXAMPLES_SHOWN)
            return leaving, RemovalsState.from_text(statuses.removals_state())

        leaving, state = await trio.to_thread.run_sync(read)
        oldest_ms = leaving[0].since_ms if leaving else None
        decided = state.word_on(oldest_ms) if oldest_ms is not None else None
        pins = self.peer.statuses.counts()[PinState.UNPINNING]
        pinner = self.peer.pinner.summary()
        reason = None
        if pinner.held:
            reason = f"{pinner.held} pins were removed within a day, which is too many to follow without your word"
        until = pinner.held_until_ms
        if until is None and oldest_ms is not None and decided is None:
            until = oldest_ms + int(self.peer.options.removals.grace_s * 1_000)
        return shapes.Removals(
            cluster=self.name,
            state="consent" if pinner.held else ("waiting" if pins else "none"),
            pins=pins,
            bytes=self.peer.statuses.sizes()[PinState.UNPINNING][0] if pins else None,
            reason=reason,
            since=time_text(pinner.held_since_ms if pinner.held else oldest_ms),
            until=time_text(until),
            examples=[cid_text(one.cid) for one in leaving],
            decided=decided.value if decided is not None else None,
        )

    async def decide_removals(self, decision: str) -> shapes.Removals:
        """Carry out the removals so far, or keep what was removed."""
        await self.peer.pinner.decide_removals(Decision(decision))
        return await self.removals()

    async def checks(self) -> list[shapes.Check]:
        """Return doctor's lines that need the running peer."""
        return [*await checkup(self.peer, self.role), *self.own_checks()]

    def own_checks(self) -> list[shapes.Check]:
        """Return doctor's lines that only this role has."""
        return []
