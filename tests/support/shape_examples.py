"""Shapes of the API filled with something, for tests that need one."""

from __future__ import annotations

import os
from typing import Any

import msgspec

from pincrew.api import shapes

CID = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"
CID_2 = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi"
PEER = "12D3KooWGq5nsTpFdAY44weeuW6v6x8y2ZY9xUZZ1pRHDPEhczMk"


def summary(name: str = "books", **changes: Any) -> shapes.Summary:
    """A cluster that follows along."""
    pins = {"total": 100, "pinned": 86, "pinning": 4, "queued": 10, "error": 0, "skipped": 0, "remote": 0}
    fields: dict[str, Any] = {
        "name": name,
        "id": "ab" * 32,
        "role": "follower",
        "consensus": "crdt",
        "state": "following",
        "reasons": [],
        "list": shapes.ListProgress(have=100, expected=100),
        "pins": shapes.PinCounts(**{**pins, "unpinning": 0, **changes.pop("pins", {})}),
        "bytes": shapes.ByteCounts(pinned=1_310_000_000, total=1_520_000_000, size_known_pins=100, limit=None),
        "peers": shapes.PeerCounts(connected=41, known=50),
        "curators": shapes.CuratorCounts(connected=3, total=3, last_seen="2026-01-01T00:00:00Z"),
        "last_change": "2026-01-01T00:00:00Z",
        "paused_until": None,
        "node": shapes.NodeInfo("kubo", "http://127.0.0.1:5001", "up", "kubo/0.43.1", PEER),
    }
    return shapes.Summary(**{**fields, **changes})


def daemon_info(pid: int | None = None) -> shapes.DaemonInfo:
    """A daemon, by default this process."""
    return shapes.DaemonInfo(1, "0.1.0", pid or os.getpid(), "/home/of/it", ["books"])


def offer(**changes: Any) -> shapes.Offer:
    """What a source offers."""
    fields: dict[str, Any] = {
        "offer": "cd" * 32,
        "cluster_id": "ab" * 32,
        "name": "books",
        "title": "Books",
        "description": "Project Gutenberg, Spanish books",
        "source": "https://example.org/books.toml",
        "revision": 12,
        "issued": "2026-01-01T00:00:00Z",
        "curators": [PEER],
        "peers": 3,
        "pins_hint": 1_204_311,
        "bytes_hint": 1_520_000_000_000,
        "is_closed": False,
        "needs_secret": False,
        "joined_as": None,
        "warnings": ["The source was given without a cluster id: this first fetch is trusted."],
    }
    return shapes.Offer(**{**fields, **changes})


def prospect(**changes: Any) -> shapes.Prospect:
    """What joining would meet."""
    fields: dict[str, Any] = {
        "node_kind": "kubo",
        "node_version": "kubo/0.43.1",
        "volume_total": 4_000_000_000_000,
        "volume_free": 3_400_000_000_000,
        "limit": 3_050_000_000_000,
        "folder": "/home/of/it",
        "folder_trouble": None,
        "curators": 1,
        "curators_reached": 1,
        "others": 2,
        "others_reached": 1,
    }
    return shapes.Prospect(**{**fields, **changes})


def followed(**changes: Any) -> shapes.Followed:
    """A cluster just joined."""
    fields = {"cluster": "books", "id": "ab" * 32, "peer_id": PEER, "home": "/home/of/books", "was_joined": False}
    return shapes.Followed(**{**fields, **changes})


def pin_line(cid: str = CID, **changes: Any) -> shapes.PinLine:
    """A pin that is here."""
    fields: dict[str, Any] = {
        "cluster": "books",
        "cid": cid,
        "name": "quijote.zip",
        "state": "pinned",
        "cause": None,
        "error": None,
        "tries": 1,
        "next_try": None,
        "size": 3_600_000,
        "bytes_done": 3_600_000,
        "blocks_done": 14,
        "updated": "2026-01-01T00:00:00Z",
    }
    return shapes.PinLine(**{**fields, **changes})


def pin_detail(cid: str = CID, **changes: Any) -> shapes.PinDetail:
    """All that is known of a pin that is here."""
    fields = msgspec.structs.asdict(pin_line(cid)) | {
        "mode": "recursive",
        "added": "2026-01-01T00:00:00Z",
        "added_by": PEER,
        "added_by_name": "Ana",
        "expires": None,
        "metadata": {"by": "ana"},
        "allocations": [],
        "choice": None,
        "copies": 38.0,
        "next_step": None,
        "last_block": None,
        "serving": None,
        "rate": None,
    }
    return shapes.PinDetail(**{**fields, **changes})


def pin_object(cid: str = CID, **changes: Any) -> shapes.PinObject:
    """An entry of the pinset."""
    fields: dict[str, Any] = {
        "replication_factor_min": -1,
        "replication_factor_max": -1,
        "name": "quijote.zip",
        "mode": "recursive",
        "shard_size": 0,
        "user_allocations": None,
        "expire_at": "0001-01-01T00:00:00Z",
        "metadata": {"by": "ana"},
        "pin_update": None,
        "origins": [],
        "cid": cid,
        "type": "pin",
        "allocations": [],
        "max_depth": -1,
        "reference": None,
        "timestamp": "2026-01-01T00:00:00Z",
    }
    return shapes.PinObject(**{**fields, **changes})


def pin_status(cid: str = CID, statuses: tuple[str, ...] = ("pinned",)) -> shapes.GlobalPinInfo:
    """A pin at some peers."""
    infos = {
        f"peer-{number}": shapes.PinInfo(
            peername=f"name-{number}",
            status=status,
            timestamp="2026-01-01T00:00:00Z",
            error="",
            attempt_count=0,
            priority_pin=False,
        )
        for number, status in enumerate(statuses)
    }
    return shapes.GlobalPinInfo(cid, "quijote.zip", [], [], "2026-01-01T00:00:00Z", None, infos)


def trust_info(**changes: Any) -> shapes.TrustInfo:
    """One owner, one curator who is the keeper."""
    fields: dict[str, Any] = {
        "cluster": "books",
        "id": "ab" * 32,
        "record": 1,
        "owners": [PEER],
        "threshold": 1,
        "curators": [shapes.TrustedPeer(PEER, "Ana", True)],
        "keeper": PEER,
        "former": [],
        "conflict": None,
        "waiting": None,
    }
    return shapes.TrustInfo(**{**fields, **changes})
