"""`health` and `ipfs gc`."""

from __future__ import annotations

import time
from pathlib import Path

from support.rest_peer import RestPeer
from unit.ctl.conftest import Say
from unit.ctl.examples import CID, NODE, PEER

GRAPH = {
    "cluster_id": PEER,
    "id_to_peername": {PEER: "vm"},
    "ipfs_links": {NODE: []},
    "cluster_links": {PEER: None},
    "cluster_trust_links": {PEER: True},
    "cluster_to_ipfs": {PEER: NODE},
}


def test_graph(say: Say, peer: RestPeer, tmp_path: Path) -> None:
    peer.on("GET", "/health/graph", GRAPH)
    assert "C0 -> I0" in say("--enc json health graph").out.splitlines()
    said = say(f"health graph --file {tmp_path}/x.dot")
    assert (said.code, said.out) == (0, "")
    assert "C0 -> I0" in (tmp_path / "x.dot").read_text().splitlines()
    said = say(f"health graph -f {tmp_path}/no/x.dot")
    assert said.code == 1 and said.err.startswith("error creating output file: ")


def test_metrics(say: Say, peer: RestPeer) -> None:
    peer.on("GET", "/monitor/metrics", ["ping", "tag:group"])
    assert say("health metrics").out == "ping\ntag:group\n"
    metric = {"name": "tag:group", "peer": PEER, "value": "a", "expire": int((time.time() + 30.9) * 1e9)}
    peer.on("GET", "/monitor/metrics/tag:group", [metric])
    assert say("health metrics tag:group").out == f"{PEER} | tag:group: a | Expires in: 30 seconds from now\n"
    peer.on("GET", "/monitor/metrics", None)
    assert (say("health metrics").out, say("--enc json health metrics").out) == ("", "[]\n")


def test_alerts(say: Say, peer: RestPeer) -> None:
    peer.on("GET", "/health/alerts", [{"name": "ping", "peer": PEER, "triggered_at": "2026-01-01T00:00:00Z"}])
    assert say("health alerts").out.startswith(f"{PEER}: ping. Expired at: a long while ago. Triggered at: ")
    peer.on("GET", "/health/alerts", [])
    assert (say("health alerts").out, say("--enc json health alerts").out) == ("", "[]\n")


def test_bandwidth(say: Say, peer: RestPeer) -> None:
    peer.on("GET", "/health/bandwidth", {"/b": {"total_in": 5}, "/a": {"rate_in": 1.5}})
    assert [line.split(":")[0].strip() for line in say("health bandwidth").out.splitlines()] == ["/a", "/b"]


def test_gc(say: Say, peer: RestPeer) -> None:
    peer.on("POST", "/ipfs/gc", {"peer_map": {PEER: {"peer": PEER, "peername": "vm", "keys": [{"key": CID}]}}})
    assert say("ipfs gc --local").out.splitlines()[-1] == f"    - {CID}"
    assert peer.asked[-1].query == {"local": "true"}


def test_answers_that_are_something_else(say: Say, peer: RestPeer) -> None:
    for path, words in (
        ("/health/alerts", "health alerts"),
        ("/health/bandwidth", "health bandwidth"),
        ("/health/graph", "health graph"),
        ("/monitor/metrics", "health metrics"),
    ):
        peer.on("GET", path, "something else")
        said = say(words)
        assert said.code == 1 and "not what ipfs-cluster's API says" in said.err
