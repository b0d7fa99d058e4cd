"""The embedded node's host: with itself, and with a real Kubo."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from pincrew.errors import Misuse
from pincrew.keys import SigningKey
from pincrew.network.contract import PeerUnreachable
from pincrew.node.host import NodeHost
from support.kubo_process import KuboProcess

ECHO = "/test/echo/1"
DEADLINE_S = 20.0


@asynccontextmanager
async def running(host: NodeHost) -> AsyncIterator[NodeHost]:
    async with trio.open_nursery() as nursery:
        await nursery.start(host.run)
        yield host
        nursery.cancel_scope.cancel()


def new_host(**options: Any) -> NodeHost:
    return NodeHost(SigningKey.from_seed(os.urandom(32)), ["/ip4/127.0.0.1/tcp/0"], **options)


async def echo(_peer: str, stream: Any) -> None:
    await stream.write(await stream.read(100))
    await stream.close()


async def until(condition: Any) -> None:
    with trio.fail_after(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 (a condition without an event of its own, with a deadline)
            await trio.sleep(0.01)


def test_two_hosts_connect_speak_and_notice_the_end() -> None:
    async def main() -> None:
        one, two = new_host(), new_host()
        seen: list[tuple[str, str]] = []
        one.connected = lambda peer: seen.append(("came", peer))
        one.disconnected = lambda peer: seen.append(("went", peer))
        two.set_stream_handler(ECHO, echo)
        async with running(one):
            async with running(two):
                await one.connect(two.addresses[0])
                await one.connect(two.addresses[0])  # there already: nothing happens
                assert [(each.peer, each.via) for each in one.peers()] == [(two.peer, "out")]
                protocol, stream = await one.new_stream(two.peer, ["/test/other/1", ECHO])
                assert protocol == ECHO
                await stream.write(b"hello")
                assert await stream.read(100) == b"hello"
                with pytest.raises(PeerUnreachable):
                    await one.new_stream(two.peer, ["/test/other/1"])
            await until(lambda: seen == [("came", two.peer), ("went", two.peer)])
            with pytest.raises(PeerUnreachable):
                await one.reach(two.peer)

    trio.run(main)


def test_a_name_that_strangers_gave_leads_to_no_place_in_here(monkeypatch: pytest.MonkeyPatch) -> None:
    async def lookup(name: str, *_: object, **__: object) -> list[Any]:
        if name == "unknown.example.org":
            raise OSError("no such name")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]

    monkeypatch.setattr(trio.socket, "getaddrinfo", lookup)

    async def main() -> None:
        one, two = new_host(), new_host()
        async with running(one), running(two):
            port = two.addresses[0].split("/")[4]
            address = f"/dns4/node.example.org/tcp/{port}"
            with pytest.raises(PeerUnreachable):
                await one.reach(two.peer, [address], by_strangers=True)
            with pytest.raises(PeerUnreachable):
                await one.reach(two.peer, [f"/dns4/unknown.example.org/tcp/{port}"], by_strangers=True)
            # Only somebody of this network can have given these; and what the user says is his to know.
            await one.reach(two.peer, [f"/dns4/node.lan/tcp/{port}"], by_strangers=True)
            await one.disconnect(two.peer)
            await one.connect(f"{address}/p2p/{two.peer}")
            await one.disconnect(two.peer)
            await one.reach(two.peer, [address], by_strangers=True)

    trio.run(main)


def test_what_is_no_address_of_a_peer_is_said() -> None:
    async def main() -> None:
        one = new_host()
        async with running(one):
            for nonsense in ("", "hello", "/ip4/127.0.0.1/tcp/4001", "/ip4/127.0.0.1/tcp/1/p2p/QmNo", one.addresses[0]):
                with pytest.raises(Misuse):
                    await one.connect(nonsense)

    trio.run(main)


def test_inbound_connections_leave_room_for_those_that_we_dial() -> None:
    async def main() -> None:
        one, others = new_host(connections_max=4), [new_host() for _ in range(5)]
        async with running(one), trio.open_nursery() as nursery:
            for other in others:
                await nursery.start(other.run)
            for other in others[:3]:
                await other.connect(one.addresses[0])
            with pytest.raises(PeerUnreachable):
                await others[3].connect(one.addresses[0])
                await others[3].new_stream(one.peer, ["/ipfs/ping/1.0.0"])
            await one.connect(others[4].addresses[0])
            assert one.is_connected(others[4].peer)
            nursery.cancel_scope.cancel()

    trio.run(main)


@pytest.mark.kubo
@pytest.mark.slow
def test_kubo_connects_either_way_and_learns_what_we_speak(kubo: KuboProcess) -> None:
    identity = json.loads(kubo.ipfs("id"))

    async def main() -> None:
        host = new_host()
        host.set_stream_handler(ECHO, echo)
        async with running(host):
            await host.connect(identity["Addresses"][0])
            told: dict[str, Any] = {}

            async def ask() -> None:
                nonlocal told
                told = json.loads(await trio.to_thread.run_sync(lambda: kubo.ipfs("id", host.peer)))

            with trio.fail_after(DEADLINE_S):
                while ECHO not in (told.get("Protocols") or []):
                    await ask()
            assert told["AgentVersion"].startswith("pincrew/")
            assert f"{host.addresses[0]}" in told["Addresses"]

            await host.disconnect(identity["ID"])
            await until(lambda: not host.is_connected(identity["ID"]))
            await trio.to_thread.run_sync(lambda: kubo.ipfs("swarm", "connect", host.addresses[0]))
            await until(lambda: host.is_connected(identity["ID"]))
            assert [each.via for each in host.peers()] == ["in"]
            assert await trio.to_thread.run_sync(lambda: kubo.ipfs("ping", "-n", "2", host.peer))

    trio.run(main)
