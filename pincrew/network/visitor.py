"""A host that belongs to no cluster and listens nowhere: it opens streams with peers, under a key made for that."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from libp2p.peer.id import ID
from libp2p.protocol_muxer.exceptions import ProtocolNotSupportedError

from pincrew import limits
from pincrew.errors import PincrewError, WorldFault
from pincrew.keys import SigningKey
from pincrew.network import addresses as addressing
from pincrew.network.byte_stream import ByteStream
from pincrew.network.connections import is_over, open_raw, sever
from pincrew.network.contract import PeerUnreachable
from pincrew.network.hardening import GuardedSwarm, serving, settle_library
from pincrew.network.host import build_host


class NotSpoken(WorldFault):
    """The other peer does not speak that protocol."""

    code = "not_spoken"


class Visitor:
    """Made by `visiting`."""

    def __init__(self, swarm: GuardedSwarm) -> None:
        self._swarm = swarm
        self.peer = str(swarm.get_peer_id())

    async def open(self, address: str, peer: str, protocol: str) -> ByteStream:
        """Open a stream with ``peer``, which is at ``address``; over the connection that is there, if any.

        Raises Misuse for no address that can be dialled; PeerUnreachable, HandshakeFailed, or WorldFault for a name
        that is not known, where nobody like that is there; NotSpoken; StreamClosed.
        """
        ident = ID.from_string(peer)
        alive = [each for each in self._swarm.get_connections(ident) if not is_over(each)]
        connection = alive[0] if alive else await self._dial(await addressing.resolve(address, peer), ident)
        try:
            return ByteStream(peer, await open_raw(connection, protocol))
        except ProtocolNotSupportedError as error:
            raise NotSpoken(where=address) from error

    async def _dial(self, addresses: list[str], ident: ID) -> object:
        failure: PincrewError = PeerUnreachable("Its name leads nowhere")
        for address in addresses:
            try:
                return await self._swarm.dial(address, ident)
            except PincrewError as error:
                failure = error
        raise failure


@asynccontextmanager
async def visiting(secret: bytes | None) -> AsyncIterator[Visitor]:
    """Run a host for as long as the block; ``secret`` is the private network key of a closed cluster."""
    settle_library()
    host = build_host(SigningKey.from_seed(secrets.token_bytes(32)), lambda _peer: None, secret=secret)
    swarm: GuardedSwarm = host.get_network()
    async with serving(swarm):
        try:
            yield Visitor(swarm)
        finally:
            with trio.move_on_after(limits.SHUTDOWN_TIMEOUT_S, shield=True):
                async with trio.open_nursery() as nursery:
                    for connection in swarm.get_connections():
                        nursery.start_soon(sever, connection)
