"""What announcements come to as ipfs-cluster's metrics: `ping`, `freespace`, `tag:NAME`, `pinqueue` of each peer.

No metric is ever sent as such: a peer's newest announcement is all of them at once. It is valid until it expires by the
reader's own clock, counted from when it came; what the sender's clock showed never matters, so that clocks that differ
make nobody vanish. What this peer knows of itself is among them, for it hears its own announcements.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NamedTuple

from pincrew.announcement import Announcement, Heard

PING, FREE_SPACE, PIN_QUEUE, TAG = "ping", "freespace", "pinqueue", "tag:"
_NS_PER_MS = 1_000_000


class Metric(NamedTuple):
    """One fact about one peer, as ipfs-cluster's Metric: times are Unix nanoseconds of the reader's clock.

    ``weight`` is what the balance is by, more being better; peers of one value of a ``partitionable`` one are a group.
    """

    name: str
    peer: str
    value: str
    expire: int
    valid: bool
    weight: int
    partitionable: bool
    received_at: int


class Crewmate(NamedTuple):
    """What allocation needs to know of a peer that is alive.

    ``free_bytes`` None = its node says nothing of room, or is away. ``repins``: it takes its turn in re-pinning.
    ``is_far``: it ought to be connected to whoever chooses and is not, so that it may have gone since it announced.
    """

    key: bytes
    peer: str
    tags: dict[str, str]
    free_bytes: int | None
    queue: int
    repins: bool
    is_far: bool = False


def is_alive(heard: Heard, now: float) -> bool:
    """Say whether a peer is: its announcement has not expired. ``now`` is of the clock that ``heard.at`` is of."""
    return now < heard.at + heard.announcement.ttl_s


def crewmates(heard: Iterable[Heard], now: float) -> list[Crewmate]:
    """Return everybody who is alive, ascending by peer id."""
    found = []
    for one in heard:
        if is_alive(one, now):
            said = one.announcement
            found.append(Crewmate(said.key, said.peer, dict(said.tags), said.free_bytes, said.queue or 0, said.repins))
    return sorted(found, key=lambda one: one.peer)


def metrics_of(heard: Heard, now: float, now_ms: int) -> list[Metric]:
    """Return all metrics of one peer, valid or expired. ``now_ms`` is the wall clock as ``now`` is read."""
    said = heard.announcement
    received = (now_ms - round((now - heard.at) * 1_000)) * _NS_PER_MS
    expire = received + said.ttl_s * 1_000 * _NS_PER_MS
    is_valid = is_alive(heard, now)

    def metric(name: str, value: str, weight: int = 0, *, is_tag: bool = False) -> Metric:
        return Metric(name, said.peer, value, expire, is_valid, weight, is_tag, received)

    found = [metric(PING, _ping(said))]
    if said.free_bytes:  # a node that is full, as one that does not say, has no such metric
        found.append(metric(FREE_SPACE, str(said.free_bytes), said.free_bytes))
    if said.queue is not None:
        found.append(metric(PIN_QUEUE, str(said.queue), -said.queue))
    found += [metric(TAG + name, value, is_tag=True) for name, value in said.tags]
    return found


def metrics(heard: Iterable[Heard], name: str, now: float, now_ms: int) -> list[Metric]:
    """Return the valid metrics of a name, ascending by peer id."""
    found = [one for each in heard if is_alive(each, now) for one in metrics_of(each, now, now_ms) if one.name == name]
    return sorted(found, key=lambda one: one.peer)


def metric_names(heard: Iterable[Heard], now: float) -> list[str]:
    """Return the names of which somebody has a valid metric, ascending."""
    return sorted({one.name for each in heard if is_alive(each, now) for one in metrics_of(each, now, 0)})


def _ping(said: Announcement) -> str:
    """Return ipfs-cluster's value of a ping."""
    ping = {"peer_name": said.name, "ipfs_id": said.node_id or "", "ipfs_addresses": list(said.node_addresses)}
    return json.dumps(ping, separators=(",", ":"), ensure_ascii=False)
