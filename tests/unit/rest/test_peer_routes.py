"""The routes of peers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pincrew import __version__
from support.rest_door import NODE, FollowingDoor, send
from support.shape_examples import CID, PEER


def test_who_it_is() -> None:
    answer = send(FollowingDoor(), "GET", "/id")
    assert answer.status == 200
    assert list(answer.one) == [
        "id",
        "addresses",
        "cluster_peers",
        "cluster_peers_addresses",
        "version",
        "commit",
        "rpc_protocol_version",
        "error",
        "ipfs",
        "peername",
    ]
    assert answer.one["ipfs"] == {"id": NODE, "addresses": [], "error": ""}


def test_version() -> None:
    assert send(FollowingDoor(), "GET", "/version").content == f'{{"version":"{__version__}"}}\n'.encode()


def test_peers_are_a_list() -> None:
    door = FollowingDoor()
    assert [(one["id"], one["error"]) for one in send(door, "GET", "/peers").lines] == [
        (PEER, ""),
        (NODE, "It is not connected"),
    ]
    assert door.asked == [("peers",)]


def test_adding_a_peer_asks_it_who_it_is() -> None:
    door = FollowingDoor()
    body = json.dumps({"peer_id": NODE, "unknown": 1}).encode()
    answer = send(door, "POST", "/peers", chunks=[body[:5], body[5:]])
    assert (answer.status, answer.one["id"], door.asked) == (200, NODE, [("peer_by_id", NODE)])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "error decoding request body"),
        (b"{}", "error decoding request body"),
        (b'{"peer_id":7}', "error decoding request body"),
        (b"\xff\xfe", "error decoding request body"),
        (b'{"peer_id":""}', "error decoding peer_id"),
        (b'{"peer_id":"nobody"}', "error decoding peer_id"),
        (b" " * 5_000, "error decoding request body"),
    ],
)
def test_a_body_that_makes_no_sense_is_refused(body: bytes, message: str) -> None:
    door = FollowingDoor()
    answer = send(door, "POST", "/peers", chunks=[body])
    assert answer.status == 400 and answer.message.startswith(message) and door.asked == []


def test_no_peer_is_removed_from_a_crdt_cluster() -> None:
    answer = send(FollowingDoor(), "DELETE", f"/peers/{PEER}")
    assert answer.status == 409 and "trust revoke" in answer.message
    answer = send(FollowingDoor(), "DELETE", "/peers/nobody")
    assert answer.status == 400 and answer.message.startswith("error decoding Peer ID: ")


def test_garbage() -> None:
    answer = send(FollowingDoor(), "POST", "/ipfs/gc?local=true")
    keys = [{"key": CID}, {"key": None, "error": "it is locked"}]
    assert answer.one == {"peer_map": {PEER: {"peer": PEER, "peername": "ana", "keys": keys}}}


def test_the_graph() -> None:
    found: dict[str, Any] = send(FollowingDoor(), "GET", "/health/graph").one
    assert list(found) == [
        "cluster_id",
        "id_to_peername",
        "ipfs_links",
        "cluster_links",
        "cluster_trust_links",
        "cluster_to_ipfs",
    ]


def test_metrics_and_alerts() -> None:
    door = FollowingDoor()
    assert send(door, "GET", "/monitor/metrics").one == ["freespace", "ping"]
    [metric] = send(door, "GET", "/monitor/metrics/ping").one
    assert list(metric) == ["name", "peer", "value", "expire", "valid", "weight", "partitionable", "received_at"]
    assert send(door, "GET", "/monitor/metrics/tag:a%20b").one == []
    [alert] = send(door, "GET", "/health/alerts").one
    assert list(alert) == [*metric, "triggered_at"]
    assert door.asked == [("metric_names",), ("metrics", "ping"), ("metrics", "tag:a b"), ("alerts",)]


def test_health_and_bandwidth() -> None:
    health = send(FollowingDoor(), "GET", "/health")
    assert (health.status, health.content) == (204, b"")
    told = send(FollowingDoor(), "GET", "/health/bandwidth").one
    assert told == {"/pincrew/sync/1": {"total_in": 10, "total_out": 20, "rate_in": 1.5, "rate_out": 2.0}}
