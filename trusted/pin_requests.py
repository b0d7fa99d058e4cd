"""Requests of the API that become pins: checked, completed by the cluster's defaults, and given peers to keep them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from pincrew.trusted.author import WriteRequest

from pincrew.allocation import Allocator
from pincrew.api.shapes import PinRequest
from pincrew.cid import parse_cid
from pincrew.errors import Misuse
from pincrew.keys import public_of
from pincrew.record import SHARD_DEPTHS, encode_record
from pincrew.settings import checked_replication
from pincrew.values import Pin, PinMode, PinType

EVERYWHERE = -1


class Allocation(NamedTuple):
    """How many peers are to keep a pin, and which; none for everybody."""

    minimum: int
    maximum: int
    peers: tuple[str, ...]


class WantedPin(NamedTuple):
    """What is to be written of one CID: a pin, or None for its removal. ``preferred``: whom its user would have it."""

    cid: bytes
    pin: Pin | None
    preferred: tuple[str, ...] = ()
    is_only: bool = False  # its removal, whatever it is a part of

    @property
    def takes_along(self) -> bool:
        """Whether other pins may go with what becomes of this one (`shard_pins`)."""
        return not self.is_only if self.pin is None else self.pin.type is PinType.META

    @property
    def is_to_be_allocated(self) -> bool:
        """Whether somebody is to be chosen to keep it."""
        return self.pin is not None and self.pin.replication_min >= 1 and not self.pin.keepers

    def request(self) -> WriteRequest:
        """Return what the writer takes. Raises Misuse beyond a limit."""
        return WriteRequest(self.cid, None if self.pin is None else encode_record(self.pin))


def wanted_pin(request: PinRequest, at_ms: int, replication: tuple[int, int] = (EVERYWHERE, EVERYWHERE)) -> WantedPin:
    """Check a request and return what it wants. Raises Misuse.

    Where it says 0, the cluster's ``replication`` (min, max) holds; but who names the peers himself leaves nothing to
    be chosen, so that these alone keep it.
    """
    cid = parse_cid(request.cid)
    if request.remove:
        return WantedPin(cid, None, is_only=request.only)
    if request.mode not in (PinMode.RECURSIVE.value, PinMode.DIRECT.value):
        raise Misuse(f"{request.mode!r} is not a mode of a pin", next_step="There are: recursive, direct")
    usual = (EVERYWHERE, EVERYWHERE) if request.allocations else replication
    minimum = request.replication_factor_min or usual[0]
    maximum = request.replication_factor_max or usual[1]
    checked_replication(minimum, maximum)
    for peer in (*(request.allocations or ()), *(request.user_allocations or ())):
        public_of(peer)
    kind = _type(request.type)
    if kind is not PinType.DATA and kind is not PinType.SHARD and not request.reference:
        raise Misuse(f"A {kind.value} names the pin that it belongs to", next_step="Give its reference")
    pin = Pin(
        cid=cid,
        name=request.name,
        mode=PinMode(request.mode),
        replication_min=minimum,
        replication_max=maximum,
        allocations=() if kind is PinType.META else tuple(request.allocations or ()),
        metadata=tuple((request.metadata or {}).items()),
        origins=tuple(request.origins or ()),
        size=request.size,
        added_ms=_added(request.timestamp, at_ms),
        expire_ms=_expiry(request.expire_at, at_ms),
        update_of=parse_cid(request.pin_update) if request.pin_update else None,
        type=kind,
        depth=_depth(request) if kind is PinType.SHARD else None,
        reference=parse_cid(request.reference) if request.reference else None,
    )
    return WantedPin(cid, pin, tuple(request.user_allocations or ()))


def allocated(
    wanted: Sequence[WantedPin], allocator: Allocator, holders: Mapping[bytes, Sequence[str]]
) -> list[WantedPin]:
    """Return the same with peers chosen where that is to be done; ``holders`` are the allocations so far, by CID.

    Raises Conflict where there are too few peers.
    """
    chosen = []
    for one in wanted:
        if one.pin is not None and one.is_to_be_allocated:
            pin = one.pin
            allocations = allocator.allocate(
                one.cid,
                pin.replication_min,
                pin.replication_max,
                holders=holders.get(one.cid, ()),
                preferred=one.preferred,
                size=pin.size,
            )
            one = one._replace(pin=replace(pin, allocations=allocations))
        chosen.append(one)
    return chosen


def _type(text: str) -> PinType:
    try:
        return PinType(text)
    except ValueError as error:
        raise Misuse(f"{text!r} is not a type of a pin", next_step=f"There are: {', '.join(PinType)}") from error


def _depth(request: PinRequest) -> int:
    if request.max_depth not in SHARD_DEPTHS:
        raise Misuse(f"A shard is not {request.max_depth} levels deep", next_step="There are: 1, 2")
    return request.max_depth


def _expiry(text: str | None, at_ms: int) -> int | None:
    at = _moment(text)
    if at is not None and at <= at_ms:
        raise Misuse(f"The expiry {text} is in the past")
    return at


def _added(text: str | None, at_ms: int) -> int:
    """Return when a pin that comes from a state file was put on the list; never a time that is still to come."""
    at = _moment(text)
    return at_ms if at is None else max(0, min(at, at_ms))


def _moment(text: str | None) -> int | None:
    if text is None or text.startswith("0001-"):
        return None
    try:
        return int(datetime.fromisoformat(text).timestamp() * 1000)
    except ValueError as error:
        raise Misuse(f"{text!r} is not a time", next_step="Write it like 2027-01-31T00:00:00Z") from error
