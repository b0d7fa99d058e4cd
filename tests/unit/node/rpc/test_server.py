"""What all commands have in common: who may call, and what becomes of failures."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
import trio

from pincrew.node.rpc import build_rpc
from support.http_door import Rpc, served, with_rpc
from support.memory_node import MemoryNode


def test_only_post_and_no_browser() -> None:
    async def test(rpc: Rpc) -> None:
        url = "/api/v0/version"
        for method in ("GET", "PUT", "DELETE", "OPTIONS"):
            assert (await rpc.client.request(method, url)).status_code == 405
        for name, value in (("Origin", "http://x"), ("Referer", "http://x/"), ("User-Agent", "Mozilla/5.0")):
            refused = await rpc.client.post(url, headers={name: value})
            assert (refused.status_code, refused.text) == (403, "403 - Forbidden\n")
        assert (await rpc.client.post(url)).status_code == 200

    with_rpc(test)


def test_unknown_commands() -> None:
    async def test(rpc: Rpc) -> None:
        for command in ("nix", "", "pin/nix", "id/x"):
            answer = await rpc.post(command)
            assert (answer.status_code, answer.text) == (404, "404 page not found\n")
        assert (await rpc.client.post("/elsewhere")).status_code == 404
        assert (await rpc.post("id/")).status_code == 200

    with_rpc(test)


def test_names_that_others_chose_are_refused_on_tcp() -> None:
    async def main() -> None:
        app = build_rpc(MemoryNode(), hosts=frozenset({"127.0.0.1", "localhost"}))
        with tempfile.TemporaryDirectory() as folder:
            async with served(app, Path(folder) / "s", "127.0.0.1:5001") as client:
                assert (await client.post("/api/v0/id")).status_code == 200
                evil = await client.post("/api/v0/id", headers={"Host": "evil.example:5001"})
                assert evil.status_code == 403

    trio.run(main)


def test_a_bug_is_told_as_one_and_the_node_lives(caplog: pytest.LogCaptureFixture) -> None:
    async def test(rpc: Rpc) -> None:
        rpc.node.connections = None  # type: ignore[assignment]
        assert await rpc.refusal("swarm/peers") == "internal error: see the node's log"
        assert (await rpc.post("id")).status_code == 200

    with_rpc(test)
    assert "a command failed" in caplog.text
