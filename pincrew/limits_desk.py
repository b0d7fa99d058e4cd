"""The limits of one running cluster, and what its user says of single pins, as its API shows and changes them.

A limit changes in the order: settings on disk, then the room, then what has to go. A crash in between leaves a limit
that holds and pins beyond it, which `limits` names again. What has to go is what lies outside of the part that will be
kept, where a part will be; else the newest of the list.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import trio

from pincrew import limits
from pincrew.api.shapes import Chosen, Limits, LimitsChanged, LimitsRequest
from pincrew.cid import cid_text, parse_cid
from pincrew.errors import Conflict, Misuse, NotAllowed
from pincrew.limit_settings import with_limits
from pincrew.node_address import NodeKind
from pincrew.paths import ClusterPaths
from pincrew.peer import Peer
from pincrew.settings import ClusterSettings, PartMode
from pincrew.settings_files import load_cluster, save
from pincrew.store.filters import Filter
from pincrew.store.listing import PinRow
from pincrew.tracker import DENIED, FOR_ROOM
from pincrew.values import Choice, Pin


class Plan(Protocol):
    """A part that would be kept, and what is pinned outside of it."""

    @property
    def pins(self) -> int: ...
    @property
    def bytes(self) -> int: ...


class Parts(Protocol):
    """Whoever fits this peer's part."""

    async def plan(self, limit: int | None, wish: PartMode) -> Plan | None:
        """Return what part would hold, None where all would be kept."""

    async def carry_out(self, plan: Any) -> None:
        """Put it in force."""


class LimitsDesk:
    """Implements ``api.contract.LimitsDoor``."""

    def __init__(self, peer: Peer, paths: ClusterPaths, on_change: Callable[[ClusterSettings], None]) -> None:
        """``on_change`` hears of settings that hold from now on, before anything is unpinned."""
        self._peer = peer
        self._paths = paths
        self._on_change = on_change
        self.parts: Parts | None = None  # None: it keeps the list in its order

    async def info(self) -> Limits:
        """Return what holds now."""
        local = await trio.to_thread.run_sync(load_cluster, self._paths.settings)
        return self._info(local)

    def _info(self, local: ClusterSettings) -> Limits:
        room, pinner = self._peer.pinner.room, self._peer.pinner.summary()
        volume = self._peer.node_room.volume
        return Limits(
            cluster=self._peer.options.name,
            limit=local.limit,
            keep_free=local.keep_free,
            part=local.part.value,
            kept=room.kept,  # not the store's: it changes together with what is reserved
            reserved=room.reserved,
            volume_total=None if volume is None else volume.total,
            volume_free=None if volume is None else volume.free,
            # Else it is being let in again, as after a limit was raised.
            skipped_for_room=sum(pinner.skipped_for.get(cause, 0) for cause in FOR_ROOM)
            if pinner.is_room_settled
            else 0,
            bound=None if room.bound is None or not room.is_full else room.bound.value,
            settings=str(self._paths.settings),
            is_volume_looked_at=self._peer.node_room.has_looked,
        )

    async def change(self, request: LimitsRequest) -> LimitsChanged:
        """Let other limits hold. Raises Misuse, and Conflict where pins are beyond it and nobody said what of them.

        ``dry_run`` changes nothing and says what it would come to.
        """
        if self._peer.options.writes:
            raise NotAllowed("A curator keeps its whole list, whatever its size", means="Nothing was changed")
        local = await trio.to_thread.run_sync(load_cluster, self._paths.settings)
        changed = with_limits(local, request.limit, request.keep_free, request.part, is_embedded=self._is_embedded)
        pins = size = 0
        plan, chosen = None, "newest"
        if changed.limit is not None:
            pins, size = await trio.to_thread.run_sync(self._peer.statuses.beyond, changed.limit)
        if self.parts is not None and (pins or (request.part is not None and request.excess == "unpin")):
            plan = await self.parts.plan(changed.limit, changed.part)
        if plan is not None:
            # What is kept by its user's word or for its allocations may be more than the limit all the same.
            pins, size, chosen = max(pins, plan.pins), max(size, plan.bytes), "part"
        if request.dry_run:
            return LimitsChanged(self._info(changed), pins, size, is_dry_run=True, chosen=chosen)
        if pins and request.excess not in ("unpin", "leave"):
            raise Conflict(
                f"{pins:,} pins with {size:,} bytes are beyond that limit",
                means="Nothing was changed",
                next_step="Say `--unpin` or `--leave`",
            )
        await trio.to_thread.run_sync(save, self._paths.settings, changed)
        self._peer.pinner.set_room_rules(changed.limit, changed.keep_free)
        if plan is not None and self.parts is not None and request.excess == "unpin":
            await self.parts.carry_out(plan)
        self._on_change(changed)
        if request.excess == "unpin" and changed.limit is not None:
            await self._peer.pinner.trim(changed.limit)
        else:
            pins = size = 0
        fields = {"limit": changed.limit, "keep_free": changed.keep_free, "part": changed.part.value, "unpinned": pins}
        self._peer.diary.happened("limits_changed", fields)
        return LimitsChanged(self._info(changed), pins, size, is_dry_run=False, chosen=chosen)

    @property
    def _is_embedded(self) -> bool:
        return self._peer.options.node_kind is NodeKind.EMBEDDED

    async def choose(self, cids: Sequence[str], choice: str | None) -> Chosen:
        """Take the user's word on single pins (None: take it back); those that are not on the list are named."""
        if self._peer.options.writes:
            raise NotAllowed(
                "A curator keeps its whole list",
                means="Nothing was changed",
                next_step="`pincrew pin rm` takes a pin off it",
            )
        if choice is not None and choice not in tuple(Choice):
            raise Misuse(f"{choice!r} is not a choice", next_step="There are: skip, next")
        wanted = list(dict.fromkeys(parse_cid(text) for text in cids))
        listed = await trio.to_thread.run_sync(self._listed, wanted)
        # A word on a pin that has left the list can still be taken back.
        known = [
            cid for cid in wanted if cid in listed or (choice is None and cid in self._peer.pinner.selection.choices)
        ]
        if len(self._peer.pinner.selection.choices) + len(known) > limits.CHOICES_MAX:
            raise Misuse(
                f"More than {limits.CHOICES_MAX:,} single pins were chosen",
                next_step="A denylist holds any number: see docs/commands.md",
            )
        await self._peer.pinner.choose(known, None if choice is None else Choice(choice))
        absent = [cid_text(cid) for cid in wanted if cid not in known]
        denied = [cid_text(cid) for cid in known if choice == Choice.NEXT and self._is_denied(listed[cid])]
        return Chosen(self._peer.options.name, choice, len(known), absent, denied)

    def _is_denied(self, pin: PinRow) -> bool:
        fault = self._peer.pinner.selection.verdict(Pin(pin.cid, pin.name))
        return fault is not None and fault.cause == DENIED

    def _listed(self, cids: Sequence[bytes]) -> dict[bytes, PinRow]:
        return {cid: rows[0] for cid in cids if (rows := self._peer.listing.page(Filter(cid=cid), limit=1))}
