"""Options of a pin, and other values, as ipfs-cluster's clients write them in a query."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pincrew import limits
from pincrew.cid import parse_cid
from pincrew.errors import Misuse
from pincrew.keys import public_of
from pincrew.values import PinMode

_META = "meta-"
_EXPIRE_S_MIN = 1.0
_INTEGER = re.compile(r"[+-]?\d{1,18}")
_DURATION_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_DURATION_CHARACTERS_MAX = 100  # the expression takes the cube of that, where no unit follows
_UNIT_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class PinOptions:
    """What a client wants of a pin. Replication 0 is the cluster's default; ``expire_ms`` is Unix milliseconds."""

    name: str = ""
    mode: PinMode = PinMode.RECURSIVE
    replication_min: int = 0
    replication_max: int = 0
    shard_size: int = 0
    user_allocations: tuple[str, ...] = ()
    expire_ms: int | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    update_of: bytes | None = None
    origins: tuple[str, ...] = ()


def read_pin_options(query: Mapping[str, str], now_ms: int) -> PinOptions:
    """Return the options of a pin. Raises Misuse."""
    both = query.get("replication", "")
    update = query.get("pin-update", "")
    return PinOptions(
        name=query.get("name", ""),
        mode=PinMode.DIRECT if query.get("mode") == PinMode.DIRECT.value else PinMode.RECURSIVE,
        replication_min=_integer("replication-min", both or query.get("replication-min", "")),
        replication_max=_integer("replication-max", both or query.get("replication-max", "")),
        shard_size=_natural("shard-size", query.get("shard-size", "")),
        user_allocations=_peers(query.get("user-allocations", "")),
        expire_ms=_expiry(query.get("expire-at", ""), query.get("expire-in", ""), now_ms),
        metadata={
            key.removeprefix(_META): value for key, value in query.items() if key.startswith(_META) and key != _META
        },
        update_of=parse_cid(update) if update else None,
        origins=_origins(query.get("origins", "")),
    )


def go_duration_s(name: str, text: str) -> float:
    """Return a duration as Go writes it (`1h30m`, `1.5s`) in seconds. Raises Misuse."""
    parts = list(_DURATION_PART.finditer(text)) if len(text) <= _DURATION_CHARACTERS_MAX else []
    if not parts or sum(len(part[0]) for part in parts) != len(text):
        raise Misuse(f"parameter {name} invalid: {text!r} is not a duration", next_step="Write it like 24h or 1h30m")
    return sum(float(part[1]) * _UNIT_S[part[2]] for part in parts)


def _expiry(at: str, within: str, now_ms: int) -> int | None:
    if at:
        try:
            moment = datetime.fromisoformat(at)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            raise Misuse(f"parameter expire-at invalid: {at!r} is not RFC 3339", next_step="Write 2030-01-31T00:00:00Z")
        if moment.year == 1:  # Go's zero
            return None
        try:
            return int(moment.astimezone(UTC).timestamp() * 1_000)
        except OverflowError as error:
            raise Misuse(f"parameter expire-at invalid: {at!r} is in the year 10,000 of UTC") from error
    if not within:
        return None
    seconds = go_duration_s("expire-in", within)
    if not _EXPIRE_S_MIN <= seconds <= limits.EXPIRE_IN_S_MAX:
        raise Misuse("parameter expire-in invalid: it takes from one second to a thousand years")
    return now_ms + int(seconds * 1_000)


def _integer(name: str, text: str) -> int:
    if not text:
        return 0
    if not _INTEGER.fullmatch(text):
        raise Misuse(f"parameter {name} invalid: {text!r} is not a number")
    return int(text)


def _natural(name: str, text: str) -> int:
    number = _integer(name, text)
    if number < 0:
        raise Misuse(f"parameter {name} invalid: {text!r} is below 0")
    return number


def _peers(text: str) -> tuple[str, ...]:
    """Return the peers that a list names; like ipfs-cluster, leave out what is no peer id."""
    found = []
    for one in filter(None, (part.strip() for part in text.split(","))):
        try:
            public_of(one)
        except Misuse:
            continue
        found.append(one)
    return tuple(dict.fromkeys(found))


def _origins(text: str) -> tuple[str, ...]:
    origins = tuple(filter(None, (part.strip() for part in text.split(","))))
    for origin in origins:
        if not origin.startswith("/") or "/p2p/" not in origin:
            raise Misuse(f"parameter origins invalid: {origin!r} is not a multiaddr with /p2p/")
    return origins
