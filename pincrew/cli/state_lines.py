"""Records of the store as lines of a state file: ipfs-cluster's state export, which its import reads as it is.

What that form cannot say, or what this version does not understand, is left out and named: a line that ipfs-cluster
refuses would end its import, after it has removed what was there. docs/state-files.md lists what is lost and why.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import msgspec

from pincrew.api.lines import TIME_MS_BELOW, pin_fields
from pincrew.cid import check_cid
from pincrew.cli.answers import StateLine
from pincrew.errors import Malformed, Misuse
from pincrew.keys import public_of
from pincrew.record import decode_record
from pincrew.record_rest import rest_of
from pincrew.values import Pin, PinType

_REPLICATION_BELOW = 2**31
_REFERRING = (PinType.META, PinType.CLUSTER_DAG)


def expressed(cid: bytes, record: bytes) -> tuple[Pin, tuple[str, ...]]:
    """Return what a line can say of a record, and the names of the fields that are left out of it."""
    pin = decode_record(cid, record)
    lost = rest_of(record, pin)
    unsaid = _unsaid(pin)
    if unsaid:
        pin = replace(pin, **unsaid)
        lost = tuple(dict.fromkeys((*lost, *(_FIELD_OF[name] for name in unsaid))))
    return pin, lost


def encode_line(pin: Pin, encoder: msgspec.json.Encoder) -> bytes:
    """Return the line of an expressed pin, with its end."""
    size = msgspec.UNSET if pin.size is None else pin.size
    return encoder.encode(StateLine(**pin_fields(pin), size=size)) + b"\n"


# By the names of the record, where they differ from those of the pin.
_FIELD_OF = {
    "replication_min": "replication",
    "replication_max": "replication",
    "allocations": "allocations",
    "origins": "origins",
    "added_ms": "added",
    "expire_ms": "expire",
    "update_of": "update",
    "type": "type",
    "reference": "reference",
    "depth": "depth",
}


def _unsaid(pin: Pin) -> dict[str, Any]:
    """Return what stands instead of those fields of a pin that its line cannot have as they are."""
    changes: dict[str, Any] = {}
    least, most = pin.replication_min, pin.replication_max
    if not (least == most == -1 or 1 <= least <= most < _REPLICATION_BELOW):
        changes |= {"replication_min": -1, "replication_max": -1}
    for name, texts, is_right in (
        ("allocations", pin.allocations, _is_peer),
        ("origins", pin.origins, _is_multiaddr),
    ):
        if texts and not all(map(is_right, texts)):
            changes[name] = _only(texts, is_right)
    if pin.added_ms >= TIME_MS_BELOW:
        changes["added_ms"] = 0
    if pin.expire_ms is not None and pin.expire_ms >= TIME_MS_BELOW:
        changes["expire_ms"] = None
    for name, other in (("update_of", pin.update_of), ("reference", pin.reference)):
        if other is not None and not _is_cid(other):
            changes[name] = None
    changes |= _unsaid_type(pin, changes)
    return changes


def _unsaid_type(pin: Pin, changes: dict[str, Any]) -> dict[str, Any]:
    """Return what makes a part of content in shards an ordinary pin, where it lacks what it needs as such a part."""
    lacks_reference = (pin.reference is None or "reference" in changes) and pin.type in _REFERRING
    if pin.type is PinType.DATA or not (lacks_reference or (pin.type is PinType.SHARD and pin.depth is None)):
        return {}
    return {"type": PinType.DATA}


def _only(texts: Iterable[str], is_right: Callable[[str], bool]) -> tuple[str, ...]:
    return tuple(text for text in texts if is_right(text))


def _is_cid(raw: bytes) -> bool:
    try:
        check_cid(raw)
    except Malformed:
        return False
    return True


# Origins and allocations are the same few over a whole list.
@functools.lru_cache(maxsize=1_024)
def _is_peer(text: str) -> bool:
    try:
        public_of(text)
    except Misuse:
        return False
    return True


@functools.lru_cache(maxsize=1_024)
def _is_multiaddr(text: str) -> bool:
    # Imported here: few lists have origins, and every command would pay for it.
    from multiaddr import Multiaddr

    try:
        Multiaddr(text)
    except Exception:  # whatever the library complains of, it is none
        return False
    return text.startswith("/") and len(text) > 1
