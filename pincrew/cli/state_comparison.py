"""A state file beside the store: which pins are the same, which differ, which are in one of them alone.

Two pins are the same when a state file says the same of them. When a pin was put on the list makes no difference, and
its size only where the file names one: another pinset of the same content is no reason to write a million pins anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

import msgspec

from pincrew.api.lines import ZERO_TIME, pin_fields
from pincrew.api.shapes import PinRequest
from pincrew.cid import parse_cid
from pincrew.cli.pin_input import is_past
from pincrew.cli.state_lines import expressed
from pincrew.store.comparison import FilePin, StorePin

_DIGEST_BYTES = 16


def of_file(requests: Iterable[PinRequest]) -> Iterator[FilePin]:
    """Yield the file's side."""
    encoder = msgspec.json.Encoder()
    for request in requests:
        digest = _digest(
            encoder,
            request.name,
            request.mode,
            request.replication_factor_min,
            request.replication_factor_max,
            request.allocations,
            request.metadata,
            request.origins,
            request.expire_at,
            request.pin_update,
            (request.type, request.max_depth, request.reference),
        )
        is_expired = request.expire_at is not None and is_past(request.expire_at)
        yield FilePin(parse_cid(request.cid), digest, request.size, is_expired)


def of_store(records: Iterable[tuple[bytes, bytes]]) -> Iterator[StorePin]:
    """Yield the store's side, as its state file would say it."""
    encoder = msgspec.json.Encoder()
    for cid, record in records:
        pin, _ = expressed(cid, record)
        fields = pin_fields(pin)
        digest = _digest(
            encoder,
            pin.name,
            pin.mode.value,
            pin.replication_min,
            pin.replication_max,
            pin.allocations,
            fields["metadata"],
            pin.origins,
            None if fields["expire_at"] == ZERO_TIME else fields["expire_at"],
            fields["pin_update"],
            (pin.type.value, pin.depth, fields["reference"]),
        )
        yield StorePin(cid, digest, pin.size)


def _digest(
    encoder: msgspec.json.Encoder,
    name: str,
    mode: str,
    least: int,
    most: int,
    allocations: Iterable[str] | None,
    metadata: dict[str, str] | None,
    origins: Iterable[str] | None,
    expire_at: str | None,
    update_of: str | None,
    shards: tuple[str, int | None, str | None],
) -> bytes:
    """Return what stands for everything that is compared. Peers have no order, metadata neither."""
    form = (
        name,
        mode,
        least,
        most,
        sorted(set(allocations or ())),
        sorted((metadata or {}).items()),
        list(origins or ()),
        expire_at,
        update_of,
        shards,
    )
    return hashlib.blake2b(encoder.encode(form), digest_size=_DIGEST_BYTES).digest()
