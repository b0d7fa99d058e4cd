"""Rows of the store in the API's shapes: the same lines from the daemon, and from the disk when there is none."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from pincrew.api import shapes
from pincrew.cid import check_cid, cid_text
from pincrew.errors import Malformed
from pincrew.next_steps import next_step
from pincrew.store.events import EventRow
from pincrew.store.listing import CauseRow, PinRow
from pincrew.values import Pin, PinMode, PinType

ZERO_TIME = "0001-01-01T00:00:00Z"
_DAY_MS = 86_400_000
TIME_MS_BELOW = 253_402_300_800_000  # the year 10,000, which RFC 3339 cannot say


def time_text(milliseconds: int | None) -> str | None:
    """Return RFC 3339 UTC."""
    if milliseconds is None:
        return None
    at = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def pin_line(cluster: str, row: PinRow) -> shapes.PinLine:
    """Return a pin with this peer's progress."""
    return shapes.PinLine(
        cluster=cluster,
        cid=cid_text(row.cid),
        name=row.name,
        state=row.state.value,
        cause=row.cause,
        error=row.error,
        tries=row.tries,
        next_try=time_text(row.next_try_ms),
        size=row.size,
        bytes_done=row.bytes_done,
        blocks_done=row.blocks_done,
        updated=time_text(row.updated_ms) or ZERO_TIME,
        checked=time_text(row.checked_ms),
    )


def pin_object(pin: Pin) -> shapes.PinObject:
    """Return a pin as ipfs-cluster writes it (second resolution, as stored there)."""
    return shapes.PinObject(
        replication_factor_min=pin.replication_min,
        replication_factor_max=pin.replication_max,
        name=pin.name,
        mode=pin.mode.value,
        shard_size=(pin.size or 0) if pin.type is PinType.SHARD else 0,
        user_allocations=None,
        expire_at=_seconds(pin.expire_ms),
        metadata=dict(pin.metadata) or None,
        pin_update=None if pin.update_of is None else _cid_or_none(pin.update_of),
        origins=list(pin.origins),
        cid=cid_text(pin.cid),
        type=pin.type.value,
        allocations=list(pin.allocations),
        max_depth=_depth(pin),
        reference=None if pin.reference is None else _cid_or_none(pin.reference),
        timestamp=_seconds(pin.added_ms),
    )


def _depth(pin: Pin) -> int:
    if pin.type is PinType.META or pin.mode is PinMode.DIRECT:
        return 0
    return -1 if pin.depth is None else pin.depth


def pin_fields(pin: Pin) -> dict[str, Any]:
    """Return the fields of ipfs-cluster's Pin, in its order."""
    return msgspec.structs.asdict(pin_object(pin))


def error_line(cluster: str, row: CauseRow) -> shapes.ErrorLine:
    """Return pins in error for one cause."""
    return shapes.ErrorLine(
        cluster,
        row.cause,
        row.pins,
        time_text(row.oldest_ms),
        time_text(row.next_try_ms),
        row.example,
        next_step(row.cause),
    )


def event_line(cluster: str, row: EventRow) -> shapes.EventLine:
    """Return something that happened."""
    return shapes.EventLine(row.id, cluster, time_text(row.time_ms) or ZERO_TIME, row.kind, row.text, row.fields)


def _cid_or_none(cid: bytes) -> str | None:
    """Return the text of a CID inside a record, which a writer of another version may have made."""
    try:
        check_cid(cid)
    except Malformed:
        return None
    return cid_text(cid)


def _seconds(milliseconds: int | None) -> str:
    if milliseconds is None or milliseconds >= TIME_MS_BELOW:
        return ZERO_TIME
    return datetime.fromtimestamp(milliseconds // 1000, UTC).isoformat()[: -len("+00:00")] + "Z"


def lifetime_figures(since_ms: int | None, now_ms: int, pins: int, fetched: int, served: int | None) -> shapes.Lifetime:
    """Return what a peer did since ``since_ms``; None: it has just begun."""
    since_ms = now_ms if since_ms is None else since_ms
    days = max(0, now_ms - since_ms) // _DAY_MS
    return shapes.Lifetime(since=time_text(since_ms) or ZERO_TIME, days=days, pins=pins, fetched=fetched, served=served)
