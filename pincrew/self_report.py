"""What this peer says of itself to the others: in announcements, and in answers to what they ask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import trio

from pincrew import __version__, limits
from pincrew.addresses import is_loopback, is_private
from pincrew.announcement import Counters, KeptPart
from pincrew.announcer import Own
from pincrew.node_watch import NodeState
from pincrew.part import ALL
from pincrew.pinner import Pinner
from pincrew.policy import Method
from pincrew.requests import Answer, CidStatus, Request
from pincrew.store.filters import Filter
from pincrew.store.listing import Listing, PinRow
from pincrew.store.statuses import Statuses
from pincrew.tracker import VANISHED
from pincrew.values import PinState

_ERROR_CHARACTERS_MAX = 200


@dataclass(frozen=True, slots=True)
class Settled:
    """The part that a peer has settled on (`pincrew.part`), and how many pins it comes to, with those it rescued."""

    threshold: int
    largest: int
    pins: int
    since_ms: int


class SelfReport:
    """Speaks for one peer, from the facts that its parts hold."""

    def __init__(
        self,
        name: str,
        *,
        pinner: Pinner,
        listing: Listing,
        statuses: Statuses,
        addresses: Callable[[], Sequence[str]],
        free_bytes: Callable[[], int | None],
        settled: Callable[[], Settled | None] = lambda: None,
        connected: Callable[[], Sequence[str]] = tuple,
        tags: tuple[tuple[str, str], ...] = (),
        repins: Callable[[], bool] = lambda: False,
    ) -> None:
        """``addresses`` are where this peer is reached, ``free_bytes`` is the node's room, ``settled`` is the part that
        it keeps (None: all of the list), ``connected`` are the peers that it is connected to, ``repins``: whether it
        gives the pins of peers that are gone to others; each as of now. ``tags`` are its user's words about it.
        """
        self._name = name
        self._pinner = pinner
        self._listing = listing
        self._statuses = statuses
        self._addresses = addresses
        self._free_bytes = free_bytes
        self._settled = settled
        self._connected = connected
        self._tags = tags
        self._repins = repins

    async def answer(self, request: Request) -> Answer:
        """Answer a permitted question of another peer."""
        statuses: tuple[CidStatus, ...] = ()
        count = 0
        if request.method is Method.STATUS:
            statuses = await trio.to_thread.run_sync(self._statuses_of, request.cids)
        elif request.method is Method.RECOVER:
            for cid in request.cids or (None,):
                count += await self._pinner.retry(cid)
        identity = self._pinner.summary().node.identity
        return Answer(
            name=self._name,
            version=__version__,
            node_id=identity.peer_id if identity else None,
            node_addresses=identity.addresses[: limits.ANNOUNCEMENT_ADDRESSES_MAX] if identity else (),
            statuses=statuses,
            queued=count,
            peers=tuple(self._connected())[: limits.ANSWER_PEERS_MAX] if request.method is Method.ID else (),
        )

    def _statuses_of(self, cids: Sequence[bytes]) -> tuple[CidStatus, ...]:
        """Return how far this peer got with each CID. Blocks."""
        return tuple(cid_status(cid, next(iter(self._listing.page(Filter(cid=cid), limit=1)), None)) for cid in cids)

    def own(self) -> Own:
        """Return what the announcer says."""
        view = self._pinner.summary().node
        identity = view.identity if view.state is NodeState.UP else None
        counts, sizes = self._statuses.counts(), self._statuses.sizes()
        pins = sum(count for state, count in counts.items() if state is not PinState.UNPINNING)
        return Own(
            addresses=tuple(self._addresses()),
            node_id=identity.peer_id if identity else None,
            node_addresses=self._shared(identity.addresses if identity else ()),
            counters=Counters(
                pins=pins,
                pinned=counts[PinState.PINNED],
                bytes_pinned=sizes[PinState.PINNED][0],
                errors=counts[PinState.ERROR],
            ),
            part=self._part(pins - counts[PinState.REMOTE], counts[PinState.PINNED]),
            free_bytes=self._free_bytes(),
            tags=self._tags,
            queue=counts[PinState.QUEUED] + counts[PinState.PINNING],
            repins=self._repins(),
        )

    def _part(self, ours: int, pinned: int) -> KeptPart:
        """Return what others need to estimate copies: of ``ours``, the pins that are not others', so many are here."""
        settled = self._settled()
        if settled is None:
            return KeptPart(None, None, pinned, ours - pinned)
        kept = min(pinned, settled.pins)
        threshold = None if settled.threshold == ALL else settled.threshold
        return KeptPart(threshold, settled.largest, kept, settled.pins - kept, settled.since_ms)

    def _shared(self, addresses: Sequence[str]) -> tuple[str, ...]:
        """Leave out private and loopback addresses, unless this peer itself is reached at such ones."""
        own = self._addresses()
        shares_loopback = any(is_loopback(address) for address in own)
        shares_private = shares_loopback or any(is_private(address) for address in own)
        return tuple(
            address
            for address in addresses
            if (shares_loopback or not is_loopback(address)) and (shares_private or not is_private(address))
        )


def cid_status(cid: bytes, row: PinRow | None) -> CidStatus:
    """Return how far a peer got with a CID, of which this is its row (None: it is not on the list)."""
    if row is None:
        return CidStatus(cid, "unpinned")
    vanished = row.state is PinState.QUEUED and row.cause == VANISHED
    state = "unexpectedly_unpinned" if vanished else row.state.value
    return CidStatus(cid, state, row.updated_ms, (row.error or "")[:_ERROR_CHARACTERS_MAX], row.tries)
