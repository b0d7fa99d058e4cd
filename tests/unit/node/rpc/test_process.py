"""What the node says of itself."""

from __future__ import annotations

import base64

from pincrew import __version__
from support.http_door import Rpc, with_rpc
from support.memory_node import PEER


def test_identity_version_settings_and_end() -> None:
    async def test(rpc: Rpc) -> None:
        identity = await rpc.one("id")
        assert list(identity) == ["ID", "PublicKey", "Addresses", "AgentVersion", "Protocols"]
        assert identity["ID"] == PEER and identity["Protocols"] == ["/a", "/b"]
        assert base64.b64decode(identity["PublicKey"]) == b"\x08\x01\x12\x20" + bytes(32)
        assert await rpc.one(f"id?arg={PEER}") == identity
        assert "only of itself" in await rpc.refusal("id?arg=12D3KooWother")
        version = await rpc.one("version")
        assert version["Version"] == __version__
        assert set(version) == {"Version", "Commit", "Repo", "System", "Golang"}
        assert await rpc.one("config/show") == {"Addresses": {"Swarm": []}}
        assert await rpc.lines("shutdown") == []
        assert rpc.node.stopped

    with_rpc(test)


def test_bandwidth() -> None:
    async def test(rpc: Rpc) -> None:
        assert await rpc.one("stats/bw") == {"TotalIn": 1, "TotalOut": 2, "RateIn": 0.5, "RateOut": 0.25}
        polled = await rpc.lines("stats/bw?poll=true&interval=100ms&timeout=250ms")
        assert len(polled) >= 3 and polled[-1]["Message"] == "context deadline exceeded"

    with_rpc(test)
