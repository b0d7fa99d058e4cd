"""Objects as ipfs-cluster-service 1.1.6 answers them."""

from __future__ import annotations

from typing import Any

PEER = "12D3KooWLDBe64NSozJef8aTFDyVWJka1RR5RvsZLsvEsgU5Gcfi"
OTHER = "12D3KooWGRUTB7hXeHFMdkyGmy1kVrQjxhcwxhkuTCfYyQQLaxj9"
NODE = "12D3KooWBdj6Avwg2zv7KB9JwkjZi13omxZP2WAoKPcUmG5gb4e8"
CID = "QmZULkCELmmk5XNfCgTnCyFgAVxBRBXyDHGGMVoLFLiXEN"
OTHER_CID = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"


def identity(**changed: Any) -> dict[str, Any]:
    return {
        "id": PEER,
        "addresses": [f"/ip4/127.0.0.1/tcp/9096/p2p/{PEER}"],
        "cluster_peers": [PEER],
        "cluster_peers_addresses": [],
        "version": "1.1.6",
        "commit": "",
        "rpc_protocol_version": "/ipfscluster/1.0/rpc",
        "error": "",
        "ipfs": {"id": NODE, "addresses": [f"/ip4/127.0.0.1/tcp/4001/p2p/{NODE}"], "error": ""},
        "peername": "vm",
        **changed,
    }


def pin(**changed: Any) -> dict[str, Any]:
    return {
        "replication_factor_min": -1,
        "replication_factor_max": -1,
        "name": "",
        "mode": "recursive",
        "shard_size": 0,
        "user_allocations": None,
        "expire_at": "0001-01-01T00:00:00Z",
        "metadata": None,
        "pin_update": None,
        "origins": None,
        "cid": CID,
        "type": "pin",
        "allocations": [],
        "max_depth": -1,
        "reference": None,
        "timestamp": "2026-11-22T08:32:37Z",
        **changed,
    }


def at_peer(status: str, **changed: Any) -> dict[str, Any]:
    return {
        "peername": "vm",
        "ipfs_peer_id": NODE,
        "status": status,
        "timestamp": "2026-11-22T08:32:38.385395061Z",
        "error": "",
        "attempt_count": 0,
        "priority_pin": False,
        **changed,
    }


def status(*words: str, **changed: Any) -> dict[str, Any]:
    return {
        "cid": CID,
        "name": "",
        "allocations": [],
        "origins": None,
        "created": "2026-11-22T08:32:36Z",
        "metadata": None,
        "peer_map": {f"{PEER[:-1]}{number}": at_peer(word) for number, word in enumerate(words)},
        **changed,
    }
