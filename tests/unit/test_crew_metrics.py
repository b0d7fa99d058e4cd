"""Announcements as ipfs-cluster's metrics: what each gives, by whose clock they expire, and who is alive."""

from __future__ import annotations

import json
from typing import Any

from pincrew.announcement import Announcement, Announcements, Heard
from pincrew.crew_metrics import Crewmate, crewmates, metric_names, metrics, metrics_of
from pincrew.keys import peer_id
from sim.swarm import key_of
from unit.golden.vectors import CLUSTER

NOW, NOW_MS = 1_000.0, 1_800_000_000_000
TEN_MINUTES_MS = 600_000


def heard(name: str, at: float = NOW - 30, **said: Any) -> Heard:
    key = key_of(name)
    one = Announcement(CLUSTER, key.public, name=name, time_ms=NOW_MS, **said)
    return Heard(one, one.sealed(key), at)


def test_what_a_peer_says_comes_to() -> None:
    one = heard(
        "attic",
        node_id="12D3KooWNode",
        node_addresses=("/ip4/192.0.2.7/tcp/4001",),
        free_bytes=5_000,
        queue=12,
        tags=(("region", "eu"), ("zone", "b")),
    )
    found = {metric.name: metric for metric in metrics_of(one, NOW, NOW_MS)}
    assert list(found) == ["ping", "freespace", "pinqueue", "tag:region", "tag:zone"]
    assert [(one.value, one.weight, one.partitionable) for one in list(found.values())[1:]] == [
        ("5000", 5_000, False),
        ("12", -12, False),
        ("eu", 0, True),
        ("b", 0, True),
    ]
    assert json.loads(found["ping"].value) == {
        "peer_name": "attic",
        "ipfs_id": "12D3KooWNode",
        "ipfs_addresses": ["/ip4/192.0.2.7/tcp/4001"],
    }
    for metric in found.values():
        assert metric.peer == peer_id(key_of("attic").public) and metric.valid
        assert metric.received_at == (NOW_MS - 30_000) * 10**6
        assert metric.expire == (NOW_MS + 150_000) * 10**6, "180 s after it came"


def test_who_has_no_room_or_does_not_say_has_no_such_metric() -> None:
    for free in (None, 0):
        assert [one.name for one in metrics_of(heard("a", free_bytes=free), NOW, NOW_MS)] == ["ping"]


def test_they_expire_by_the_readers_clock_alone() -> None:
    """The sender's clock is ten minutes ahead, or behind: that changes nothing."""
    for ahead_ms in (-TEN_MINUTES_MS, TEN_MINUTES_MS):
        announcements = Announcements(CLUSTER)
        key = key_of("a")
        announcements.accept(Announcement(CLUSTER, key.public, time_ms=NOW_MS + ahead_ms).sealed(key), NOW)
        one = announcements.all()[0]
        (ping,) = metrics_of(one, NOW + 179, NOW_MS + 179_000)
        assert ping.valid and ping.expire == (NOW_MS + 180_000) * 10**6
        (ping,) = metrics_of(one, NOW + 180, NOW_MS + 180_000)
        assert not ping.valid and ping.expire == (NOW_MS + 180_000) * 10**6


def test_only_valid_ones_are_listed_by_name_and_by_peer() -> None:
    crew = [heard("b", free_bytes=2), heard("a", free_bytes=1), heard("gone", at=NOW - 180, free_bytes=3, queue=1)]
    assert sorted(one.value for one in metrics(crew, "freespace", NOW, NOW_MS)) == ["1", "2"]
    listed = metrics(crew, "ping", NOW, NOW_MS)
    assert [one.peer for one in listed] == sorted(one.peer for one in listed) and len(listed) == 2
    assert metrics(crew, "pinqueue", NOW, NOW_MS) == [] == metrics(crew, "nonsense", NOW, NOW_MS)
    assert metric_names(crew, NOW) == ["freespace", "ping"]


def test_the_crew_that_is_alive() -> None:
    crew = [heard("a", free_bytes=1, queue=2, tags=(("zone", "b"),), repins=True), heard("b"), heard("c", at=0.0)]
    public = {name: key_of(name).public for name in "ab"}
    wanted = [
        Crewmate(public["a"], peer_id(public["a"]), {"zone": "b"}, 1, 2, True),
        Crewmate(public["b"], peer_id(public["b"]), {}, None, 0, False),
    ]
    assert crewmates(crew, NOW) == sorted(wanted, key=lambda one: one.peer)
