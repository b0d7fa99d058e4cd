"""How far every peer got with pins of the list: this one from its own rows, others because they are asked."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from itertools import islice

import msgspec
import trio

from pincrew import limits
from pincrew.api import shapes
from pincrew.api.lines import ZERO_TIME, pin_object, time_text
from pincrew.errors import PincrewError
from pincrew.peer import Peer, now_ms
from pincrew.policy import Method
from pincrew.record import decode_record
from pincrew.requests import Answer, CidStatus, Request
from pincrew.self_report import cid_status
from pincrew.store.filters import Filter
from pincrew.store.listing import PinRow
from pincrew.values import Pin, PinState, PinType

_STATUS_WORDS = {
    PinState.QUEUED.value: "pin_queued",
    PinState.PINNING.value: "pinning",
    PinState.PINNED.value: "pinned",
    PinState.ERROR.value: "pin_error",
    PinState.SKIPPED.value: "remote",
    PinState.REMOTE.value: "remote",
    PinState.UNPINNING.value: "unpinning",
    "unpinned": "unpinned",
    "unexpectedly_unpinned": "unexpectedly_unpinned",
}
_UNREACHED = "cluster_error"
_SHARDED = "sharded"  # content of which only the shards are kept


class PinStatuses:
    """Speaks for one cluster. ``asks_others``: only curators may ask (``pincrew.policy``)."""

    def __init__(self, peer: Peer, *, asks_others: bool) -> None:
        self._peer = peer
        self._asks_others = asks_others

    async def all(self, *, local: bool) -> AsyncGenerator[list[shapes.GlobalPinInfo], None]:
        """Yield, in slices, how far each peer that answers got with each pin; ``local``: this peer alone."""
        rows = self._peer.listing.all()

        def read() -> list[_Row]:
            return [_Row(row.cid, row) for row in islice(rows, limits.REQUEST_CIDS_MAX)]

        while some := await trio.to_thread.run_sync(read):
            yield await self._of_rows(some, local=local)

    async def of(self, cids: Sequence[bytes], *, local: bool) -> AsyncGenerator[list[shapes.GlobalPinInfo], None]:
        """Yield the same of these CIDs, on the list or not."""

        def read(some: Sequence[bytes]) -> list[_Row]:
            listing = self._peer.listing
            return [_Row(cid, next(iter(listing.page(Filter(cid=cid), limit=1)), None)) for cid in some]

        for at in range(0, len(cids), limits.REQUEST_CIDS_MAX):
            some = cids[at : at + limits.REQUEST_CIDS_MAX]
            yield await self._of_rows(await trio.to_thread.run_sync(read, some), local=local)

    async def _of_rows(self, rows: Sequence[_Row], *, local: bool) -> list[shapes.GlobalPinInfo]:
        """Ask those that are to keep some of the pins, as long as they are connected.

        Peers that a pin is not allocated to do not keep it (`remote`), which is said of them without asking.
        """
        pins = [(row.cid, row.pin) for row in rows]
        own = await self._peer.self_report.answer(Request(Method.ID))
        answers: dict[str, Answer | str] = {self._peer.id: own._replace(statuses=tuple(row.status for row in rows))}
        if not local and self._asks_others and self._peer.network is not None:
            await self._ask_others(pins, [one.peer for one in self._peer.network.connections()], answers)
            absent = {peer for _, pin in pins if pin is not None for peer in pin.allocations} - answers.keys()
        else:
            absent = set()
        here = {peer: _Told(self._announced(peer), answer) for peer, answer in answers.items()}
        away = {peer: _Told(self._announced(peer), "It is not connected to this peer") for peer in absent}
        return [_global(cid, pin, here, away) for cid, pin in pins]

    async def _ask_others(
        self, pins: Sequence[tuple[bytes, Pin | None]], peers: Sequence[str], answers: dict[str, Answer | str]
    ) -> None:
        async def ask(peer: str, some: tuple[bytes, ...]) -> None:
            try:
                answers[peer] = await self._peer.ask(peer, Request(Method.STATUS, some))
            except PincrewError as error:
                answers[peer] = error.what

        async with trio.open_nursery() as nursery:
            for peer in peers:
                if some := tuple(cid for cid, pin in pins if _is_for(peer, pin)):
                    nursery.start_soon(ask, peer, some)
                else:
                    answers[peer] = self._announced(peer)

    def _announced(self, peer: str) -> Answer:
        """Return what is known of a peer without asking it."""
        heard = self._peer.heard_of(peer)
        if heard is None:
            return Answer("", "", None, ())
        return Answer(heard.name, heard.version, heard.node_id, heard.node_addresses)


class _Row:
    """A CID, the pin that the list has of it, and how far this peer got."""

    def __init__(self, cid: bytes, row: PinRow | None) -> None:
        self.cid = cid
        self.pin = None if row is None else decode_record(cid, row.record)
        self.status = cid_status(cid, row)


class _Told:
    """What one peer answered, by CID; or, in words, why it did not."""

    def __init__(self, announced: Answer, answer: Answer | str) -> None:
        self._who = announced if isinstance(answer, str) else answer
        self._fault = answer if isinstance(answer, str) else ""
        self._statuses: Mapping[bytes, CidStatus] = (
            {} if isinstance(answer, str) else {status.cid: status for status in answer.statuses}
        )

    def of(self, cid: bytes, *, is_for_it: bool) -> shapes.PinInfo:
        """Return how far it is with one CID."""
        status = self._statuses.get(cid)
        if status is not None:
            return _pin_info(self._who, _STATUS_WORDS.get(status.state, _UNREACHED), status)
        if not is_for_it:
            return _pin_info(self._who, _STATUS_WORDS[PinState.REMOTE.value], CidStatus(cid, ""))
        return _pin_info(self._who, _UNREACHED, CidStatus(cid, "", error=self._fault or "It did not say"))


def _is_for(peer: str, pin: Pin | None) -> bool:
    return pin is None or not pin.keepers or peer in pin.keepers


def _global(cid: bytes, pin: Pin | None, here: Mapping[str, _Told], away: Mapping[str, _Told]) -> shapes.GlobalPinInfo:
    """Return how far all got who are ``here``, and those ``away`` that the pin names: others' pins may name anybody."""
    shown = pin_object(pin or Pin(cid))
    named = () if pin is None else pin.allocations
    told = {**here, **{peer: away[peer] for peer in named if peer in away}}
    infos = {peer: one.of(cid, is_for_it=_is_for(peer, pin)) for peer, one in sorted(told.items())}
    if pin is not None and pin.type is PinType.META:
        infos = {peer: msgspec.structs.replace(info, status=_SHARDED) for peer, info in infos.items()}
    return shapes.GlobalPinInfo(
        cid=shown.cid,
        name=shown.name,
        allocations=shown.allocations,
        origins=shown.origins,
        created=shown.timestamp if pin is not None else ZERO_TIME,
        metadata=shown.metadata,
        peer_map=infos,
    )


def _pin_info(who: Answer, word: str, status: CidStatus) -> shapes.PinInfo:
    return shapes.PinInfo(
        peername=who.name,
        ipfs_peer_id=who.node_id or "",
        ipfs_peer_addresses=list(who.node_addresses),
        status=word,
        timestamp=time_text(status.updated_ms or now_ms()) or ZERO_TIME,
        error=status.error,
        attempt_count=status.tries,
        priority_pin=False,
    )
