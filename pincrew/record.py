"""A pin's record: the CBOR map (at most 4 KiB) that a put carries.

The writer refuses what breaks the limits. A reader never does: a field that it does not understand stays in the bytes,
opaque, and one of the wrong type counts as absent, so that versions cannot disagree on what is accepted (invariant 9).
Field names are ipfs-cluster's where it has one (Pin JSON); times are Unix milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import cbor2

from pincrew import limits
from pincrew.errors import Misuse
from pincrew.values import Pin, PinMode, PinType

# A claim of 64 TiB or more counts as none: the sums that counters keep must fit 63 bits for every window.
_SIZE_BELOW = 2**46
_INTEGER_BELOW = 2**53
SHARD_DEPTHS = (1, 2)


def encode_record(pin: Pin) -> bytes:
    """Return the record of ``pin``; fields at their default are left out. Raises Misuse beyond a limit."""
    if len(pin.name.encode()) > limits.PIN_NAME_BYTES_MAX:
        raise Misuse("The name of a pin is longer than 1,024 bytes", next_step="Shorten it")
    for what, count, most in (
        ("allocations", len(pin.allocations), limits.PIN_ALLOCATIONS_MAX),
        ("origins", len(pin.origins), limits.PIN_ORIGINS_MAX),
        ("metadata pairs", len(pin.metadata), limits.PIN_METADATA_MAX),
    ):
        if count > most:
            raise Misuse(f"A pin has {count} {what}; {most} is the most")
    fields: dict[str, Any] = {"added": pin.added_ms}
    if pin.name:
        fields["name"] = pin.name
    if pin.mode is not PinMode.RECURSIVE:
        fields["mode"] = pin.mode.value
    if (pin.replication_min, pin.replication_max) != (-1, -1):
        fields["replication"] = [pin.replication_min, pin.replication_max]
    for key, value in (
        ("allocations", list(pin.keepers)),
        ("metadata", dict(pin.metadata)),
        ("origins", list(pin.origins)),
    ):
        if value:
            fields[key] = value
    if pin.type is not PinType.DATA:
        fields["type"] = pin.type.value
    for key, number in (
        ("size", pin.size),
        ("expire", pin.expire_ms),
        ("update", pin.update_of),
        ("depth", pin.depth),
        ("reference", pin.reference),
    ):
        if number is not None:
            fields[key] = number
    record = cbor2.dumps(fields, canonical=True)
    if len(record) > limits.RECORD_BYTES_MAX:
        raise Misuse("A pin's name, metadata, origins and allocations together exceed 4 KiB")
    return record


def with_allocations(record: bytes, allocations: Sequence[str]) -> bytes:
    """Return a record that names other peers; all else stays, also what this version does not understand."""
    fields = {**_fields(record), "allocations": list(allocations)}
    if not allocations:
        del fields["allocations"]
    return cbor2.dumps(fields, canonical=True)


class Shown(NamedTuple):
    """What lists sort and count by; ``added_ms`` is 0 where the record does not say."""

    name: str
    size: int | None
    added_ms: int


def decode_shown(record: bytes) -> Shown:
    """Return the few fields that the store keeps beside a record. Never raises."""
    return _shown(_fields(record))


def decode_record(cid: bytes, record: bytes) -> Pin:
    """Return what this version understands of a record. Never raises."""
    fields = _fields(record)
    shown = _shown(fields)
    replication = fields.get("replication")
    if not (isinstance(replication, list) and len(replication) == 2 and all(type(x) is int for x in replication)):
        replication = [-1, -1]
    metadata = fields.get("metadata")
    update, reference, depth = fields.get("update"), fields.get("reference"), fields.get("depth")
    kind = _type(fields.get("type"))
    return Pin(
        cid=cid,
        name=shown.name,
        mode=PinMode.DIRECT if fields.get("mode") == PinMode.DIRECT.value else PinMode.RECURSIVE,
        replication_min=replication[0],
        replication_max=replication[1],
        allocations=() if kind is PinType.META else _texts(fields.get("allocations")),
        metadata=_pairs(metadata) if isinstance(metadata, dict) else (),
        origins=_texts(fields.get("origins")),
        size=shown.size,
        added_ms=shown.added_ms,
        expire_ms=_whole(fields.get("expire")),
        update_of=update if isinstance(update, bytes) else None,
        type=kind,
        depth=depth if kind is PinType.SHARD and type(depth) is int and depth in SHARD_DEPTHS else None,
        reference=reference if kind is not PinType.DATA and isinstance(reference, bytes) else None,
    )


def _fields(record: bytes) -> dict[Any, Any]:
    try:
        fields = cbor2.loads(record)
    except Exception:  # whatever a curator signed is kept; what cannot be read shows as a pin without fields
        return {}
    return fields if isinstance(fields, dict) else {}


def _shown(fields: dict[Any, Any]) -> Shown:
    name, size, added = fields.get("name"), fields.get("size"), fields.get("added")
    return Shown(
        name if type(name) is str else "",
        size if type(size) is int and 0 <= size < _SIZE_BELOW else None,
        added if type(added) is int and 0 <= added < _INTEGER_BELOW else 0,
    )


def _pairs(metadata: dict[Any, Any]) -> tuple[tuple[str, str], ...]:
    return tuple([pair for pair in metadata.items() if isinstance(pair[0], str) and isinstance(pair[1], str)])


def _type(value: object) -> PinType:
    return PinType(value) if isinstance(value, str) and value in tuple(PinType) else PinType.DATA


def _texts(value: object) -> tuple[str, ...]:
    return tuple([x for x in value if isinstance(x, str)]) if isinstance(value, list) else ()


def _whole(value: object) -> int | None:
    return value if type(value) is int and 0 <= value < _INTEGER_BELOW else None
