"""The options of a pin, from a command line into a request's query. Pure but for the current time, an argument."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from pincrew.ctl.durations import duration_s
from pincrew.ctl.faults import Stopped
from pincrew.ctl.grammar import Kind, Option
from pincrew.ctl.peer_ids import canonical_peer

MODES = ("recursive", "direct")

NAME = Option(("name", "n"), Kind.TEXT, "Give the pin a name.")
REPLICATION_MIN = Option(("replication-min", "rmin"), Kind.NUMBER, "Copies at least; 0: the peer's default.", 0)
REPLICATION_MAX = Option(("replication-max", "rmax"), Kind.NUMBER, "Copies at most; -1: everywhere.", 0)
ALLOCATIONS = Option(("allocations", "allocs"), Kind.TEXT, "Peers to keep it if possible, separated by commas.")
EXPIRE_IN = Option(("expire-in",), Kind.TEXT, "Unpin it after this time, like 36h or 90m.")
METADATA = Option(("metadata",), Kind.TEXTS, "A note, key=value; repeatable.")


def pin_query(
    *,
    name: str = "",
    mode: str = MODES[0],
    replication_min: int = 0,
    replication_max: int = 0,
    shard_size: int = 0,
    allocations: str = "",
    expire_in: str = "",
    metadata: Sequence[str] = (),
    now_s: float,
) -> dict[str, str]:
    """Return the query that ipfs-cluster-ctl sends for these words. Raises Stopped."""
    if mode not in MODES:
        raise Stopped("parsing mode", f"{mode!r} is no mode; there are {' and '.join(MODES)}")
    query = {
        "name": name,
        "mode": mode,
        "replication-min": str(replication_min),
        "replication-max": str(replication_max),
        "shard-size": str(shard_size),
        "user-allocations": ",".join(_peers(allocations)),
    }
    if expire_in:
        query["expire-at"] = _expiry(expire_in, now_s)
    for note in metadata:
        key, equals, value = note.partition("=")
        if not equals or not key:
            raise Stopped("parsing metadata", "metadata were not in the format key=value")
        query[f"meta-{key}"] = value
    return query


def _peers(text: str) -> list[str]:
    try:
        return [canonical_peer(peer.strip()) for peer in text.split(",")] if text else []
    except ValueError as error:
        raise Stopped("decoding allocations", f"some peer IDs could not be decoded: {error}") from error


def _expiry(text: str, now_s: float) -> str:
    try:
        at = datetime.fromtimestamp(now_s, UTC) + timedelta(seconds=duration_s(text))
    except (ValueError, OverflowError) as error:
        raise Stopped("parsing expire-in", str(error)) from error
    return at.isoformat().replace("+00:00", "Z")
