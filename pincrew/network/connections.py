"""Connections as py-libp2p hands them out, and the few things that are done with one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import trio
from libp2p.protocol_muxer.exceptions import ProtocolNotSupportedError
from libp2p.protocol_muxer.multiselect_client import MultiselectClient
from libp2p.protocol_muxer.multiselect_communicator import MultiselectCommunicator
from libp2p.rcmgr import Direction

from pincrew import limits
from pincrew.network.streams import FrameStream, StreamClosed
from pincrew.network.traffic import Traffic


def peer_of(connection: Any) -> str:
    """Return the peer id at the other end."""
    return str(connection.muxed_conn.peer_id)


def is_over(connection: Any) -> bool:
    """Tell whether a connection has ended, or is about to."""
    return bool(connection.is_closed or connection.muxed_conn.event_shutting_down.is_set())


def via(connection: Any) -> str:
    """Return "in" or "out": who dialled."""
    return "in" if connection.direction == Direction.INBOUND else "out"


def address_of(connection: Any) -> str:
    """Return the address that was dialled, or from which the other side came; "" where it is unknown."""
    dialled = getattr(connection, "pincrew_address", "")
    if dialled:
        return str(dialled)
    remote = connection.muxed_conn.get_remote_address()
    return "" if remote is None else tcp_address(remote)


def tcp_address(remote: tuple[str, int]) -> str:
    """Return the multiaddr of a socket's other end."""
    return f"/ip{6 if ':' in remote[0] else 4}/{remote[0]}/tcp/{remote[1]}"


async def sever(connection: Any) -> None:
    """End it at once."""
    await connection.muxed_conn.sever()


async def open_stream(connection: Any, protocol: str) -> FrameStream:
    """Open a stream on this very connection. Raises ProtocolNotSupportedError or StreamClosed."""
    return FrameStream(peer_of(connection), await open_raw(connection, protocol))


async def open_raw(connection: Any, protocol: str) -> Any:
    """Return the library's own stream; raises as `open_stream`."""
    peer = peer_of(connection)
    raw = None
    try:
        with trio.fail_after(limits.NEGOTIATION_TIMEOUT_S):
            raw = await connection.new_stream()
            client, communicator = MultiselectClient(), MultiselectCommunicator(raw)
            await client.handshake(communicator)
            await client.try_select(communicator, protocol)
    # The connection may end at any point of this, each with an exception of its own, and so may our patience
    # (Cancelled). Nothing is swallowed: only what was half-opened goes, and foreign exceptions become ours.
    except BaseException as error:
        if raw is not None:
            await FrameStream(peer, raw).reset()
        if isinstance(error, Exception) and not isinstance(error, ProtocolNotSupportedError):
            raise StreamClosed(where=peer) from error
        raise
    metered(raw, protocol)
    return raw


def metered(raw: Any, protocol: str) -> None:
    """Count what a stream carries from now on, where its host counts."""
    traffic: Traffic | None = raw.swarm_conn.swarm.traffic
    if traffic is not None:
        raw.muxed_stream.meter = traffic.meter(protocol)


async def first_of(*conditions: Callable[[], Awaitable[None]]) -> None:
    """Wait for whichever comes first."""
    async with trio.open_nursery() as nursery:

        async def wait(condition: Callable[[], Awaitable[None]]) -> None:
            await condition()
            nursery.cancel_scope.cancel()

        for condition in conditions:
            nursery.start_soon(wait, condition)


@asynccontextmanager
async def cancelled_at_end() -> AsyncIterator[trio.Nursery]:
    """A nursery whose tasks end with the block."""
    async with trio.open_nursery() as nursery:
        try:
            yield nursery
        finally:
            nursery.cancel_scope.cancel()
