"""ipfs-cluster-ctl's text formats. Pure.

Names and messages come from strangers: what could steer a terminal is replaced, other than there. Everything returns
lines without their ends.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from pincrew.figures import moment, printable
from pincrew.rest.shapes import (
    AddedOutput,
    Alert,
    Bandwidth,
    Fault,
    GlobalPinInfo,
    GlobalRepoGc,
    Id,
    Metric,
    PinInfo,
    PinObject,
)

_ZERO_TIME = "0001-01-01T00:00:00Z"
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB")
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3_600, 86_400
_WEEK_S, _MONTH_S, _YEAR_S = 7 * _DAY_S, 30 * _DAY_S, 360 * _DAY_S
# Below how many seconds it is called what, and what one of these is.
_AGES: tuple[tuple[float, str, int], ...] = (
    (1, "now", 1),
    (2, "1 second {}", 1),
    (_MINUTE_S, "{} seconds {}", 1),
    (2 * _MINUTE_S, "1 minute {}", 1),
    (_HOUR_S, "{} minutes {}", _MINUTE_S),
    (2 * _HOUR_S, "1 hour {}", 1),
    (_DAY_S, "{} hours {}", _HOUR_S),
    (2 * _DAY_S, "1 day {}", 1),
    (_WEEK_S, "{} days {}", _DAY_S),
    (2 * _WEEK_S, "1 week {}", 1),
    (_MONTH_S, "{} weeks {}", _WEEK_S),
    (2 * _MONTH_S, "1 month {}", 1),
    (_YEAR_S, "{} months {}", _MONTH_S),
    (18 * _MONTH_S, "1 year {}", 1),
    (2 * _YEAR_S, "2 years {}", 1),
    (37 * _YEAR_S, "{} years {}", _YEAR_S),
    (math.inf, "a long while {}", 1),
)


def peer(told: Id) -> Iterator[str]:
    """A peer, with where it and its node are."""
    if told.error:
        yield f"{printable(told.id)} | ERROR: {printable(told.error)}"
        return
    others = max(0, len(told.cluster_peers) - 1)
    yield f"{printable(told.id)} | {printable(told.peername)} | Sees {others} other peers"
    yield "  > Addresses:"
    yield from (f"    - {printable(address)}" for address in sorted(told.addresses))
    if told.ipfs.error:
        yield f"  > IPFS ERROR: {printable(told.ipfs.error)}"
        return
    yield f"  > IPFS: {printable(told.ipfs.id)}"
    yield from (f"    - {printable(address)}" for address in sorted(told.ipfs.addresses))


def status(told: GlobalPinInfo) -> Iterator[str]:
    """A pin at each peer."""
    name = f" | {printable(told.name)}" if told.name else ""
    yield f"{printable(told.cid)}{name}:"
    yield from (_at_peer(peer, told.peer_map[peer]) for peer in sorted(told.peer_map))


def _at_peer(peer: str, info: PinInfo) -> str:
    error = f": {printable(info.error)}" if info.error else ""
    return (
        f"    > {printable(info.peername or peer):<20} : {printable(info.status.upper())}{error}"
        f" | {printable(info.timestamp)} | Attempts: {info.attempt_count}"
        f" | Priority: {'true' if info.priority_pin else 'false'}"
    )


def pin(told: PinObject) -> Iterator[str]:
    """A pin as the list has it."""
    kind = told.type.upper() + ("-DIRECT" if told.mode == "direct" else "")
    if told.replication_factor_min == told.replication_factor_max == -1:
        where = "Repl. Factor: -1 | Allocations: [everywhere]"
    else:
        factors = f"{told.replication_factor_min}--{told.replication_factor_max}"
        where = f"Repl. Factor: {factors} | Allocations: [{' '.join(sorted(told.allocations))}]"
    depth = {0: "Direct", -1: "Recursive"}.get(told.max_depth, f"Recursive-{told.max_depth}")
    fields = [told.cid, told.name, kind, where, depth, f"Metadata: {'yes' if told.metadata else 'no'}"]
    fields += [f"Exp: {_date(told.expire_at) or '∞'}", f"Added: {_date(told.timestamp) or 'unknown'}"]
    yield printable(" | ".join(fields))


def _date(text: str) -> str:
    """Return a date and time to the second; nothing for Go's zero time."""
    return "" if text in ("", _ZERO_TIME) else text[:19].replace("T", " ")


def added(told: AddedOutput) -> Iterator[str]:
    """A file or folder that was added."""
    yield f"added {printable(told.cid or '')} {printable(told.name)}"


def added_quietly(told: AddedOutput) -> Iterator[str]:
    """The CID alone."""
    yield printable(told.cid or "")


def metric(told: Metric, now_s: float) -> Iterator[str]:
    """What a peer said of itself, and how long that holds."""
    value = bytes_text(told.weight) if told.name == "freespace" and told.weight > 0 else told.value
    yield printable(f"{told.peer} | {told.name}: {value} | Expires in: {relative(told.expire / 1e9, now_s)}")


def alert(told: Alert, now_s: float) -> Iterator[str]:
    """A metric that expired."""
    at = moment(told.triggered_at)
    triggered = relative(at.timestamp(), now_s) if at is not None else "unknown"
    expired = relative(told.expire / 1e9, now_s)
    yield printable(f"{told.peer}: {told.name}. Expired at: {expired}. Triggered at: {triggered}")


def bandwidth(protocol: str, told: Bandwidth) -> Iterator[str]:
    """Bytes of one protocol."""
    came, went = bytes_text(told.total_in), bytes_text(told.total_out)
    rates = f"RateIn: {told.rate_in:.2f}B/s. RateOut: {told.rate_out:.2f}B/s"
    yield printable(f"{protocol:>25}: In: {came:>7}. Out: {went:>7}. {rates}")


def collected(told: GlobalRepoGc) -> Iterator[str]:
    """What each peer's node collected."""
    for peer in sorted(told.peer_map):
        of_peer = told.peer_map[peer]
        error = f" | ERROR: {printable(of_peer.error)}" if of_peer.error else ""
        yield f"{printable(of_peer.peername or peer):<15}{error}"
        yield "  > CIDs:"
        yield from (f"    - {printable(f'ERROR: {key.error}' if key.error else key.key or '')}" for key in of_peer.keys)


def fault(told: Fault) -> Iterator[str]:
    """Why a request failed."""
    yield "An error occurred:"
    yield f"  Code: {told.code}"
    yield f"  Message: {printable(told.message)}"


def bytes_text(number: int) -> str:
    """Return bytes as people read them: `9.5 GB`, `12 GB`."""
    if number < 10:
        return f"{number} B"
    power = min(int(math.log(number) / math.log(1000)), len(_UNITS) - 1)
    value = math.floor(number / 1000**power * 10 + 0.5) / 10
    return f"{value:.1f} {_UNITS[power]}" if value < 10 else f"{value:.0f} {_UNITS[power]}"


def relative(at_s: float, now_s: float) -> str:
    """Return how far a time is from now: `21 seconds from now`, `2 days ago`."""
    distance = abs(at_s - now_s)
    form, unit = next((form, unit) for below, form, unit in _AGES if distance < below)
    way = "from now" if at_s > now_s else "ago"
    return form.format(int(distance // unit), way) if form.startswith("{}") else form.format(way)
