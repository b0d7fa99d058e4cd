"""A peer that holds a valid connection and then does what it likes with it."""

from __future__ import annotations

import itertools
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import base58
import nacl.signing
import trio
from libp2p.peer.id import ID
from libp2p.protocol_muxer.multiselect_client import MultiselectClient
from libp2p.protocol_muxer.multiselect_communicator import MultiselectCommunicator
from libp2p.pubsub.pb import rpc_pb2
from libp2p.stream_muxer.yamux.yamux import YAMUX_HEADER_FORMAT

from pincrew.keys import SigningKey, peer_id
from pincrew.network.hardening import serving, settle_library
from pincrew.network.host import build_host
from pincrew.network.streams import length_prefix
from support.crew import CLUSTER, Member, key

TOPIC = f"pincrew/{CLUSTER.hex()}"
SYNC = f"/pincrew/{CLUSTER.hex()}/sync/1"
REQUEST = f"/pincrew/{CLUSTER.hex()}/request/1"
MESHSUB = "/meshsub/1.1.0"
PING = "/ipfs/ping/1.0.0"

_counter = itertools.count(1)


class Attacker:
    """One hostile identity, connected to a victim."""

    def __init__(self, identity: SigningKey, connection: Any) -> None:
        self.key = identity
        self.peer = peer_id(identity.public)
        self.connection = connection

    @property
    def is_connected(self) -> bool:
        return not self.connection.muxed_conn.event_shutting_down.is_set()

    async def open(self, protocol: str) -> Any:
        """Open a stream and agree on a protocol."""
        stream = await self.connection.new_stream()
        client, communicator = MultiselectClient(), MultiselectCommunicator(stream)
        await client.handshake(communicator)
        await client.try_select(communicator, protocol)
        return stream

    async def raw_stream(self) -> Any:
        """Open a stream and agree on nothing."""
        return await self.connection.new_stream()

    async def frame(self, kind: int, flags: int, stream: int, length: int, body: bytes = b"", version: int = 0) -> None:
        """Send one yamux frame, whatever it says."""
        header = struct.pack(YAMUX_HEADER_FORMAT, version, kind, flags, stream, length)
        await self.connection.muxed_conn._write_frame(header + body)

    async def gossip(self, *rpcs: Any) -> Any:
        """Send pubsub messages on a stream of their own; bytes are sent as they are."""
        stream = await self.open(MESHSUB)
        for rpc in rpcs:
            data = rpc if isinstance(rpc, bytes) else rpc.SerializeToString()
            await stream.write(length_prefix(len(data)) + data)
        return stream

    def message(self, data: bytes = b"hostile", *, topic: str = TOPIC, sign: bool = True) -> Any:
        """Return a pubsub message of this identity, signed as it must be."""
        author = base58.b58decode(self.peer)
        seqno = next(_counter).to_bytes(8, "big")
        message = rpc_pb2.Message(data=data, topicIDs=[topic], from_id=author, seqno=seqno)
        if sign:
            signed = b"libp2p-pubsub:" + message.SerializeToString()
            message.signature = nacl.signing.SigningKey(self.key.seed).sign(signed).signature
        return message


@asynccontextmanager
async def connected(identity: SigningKey, peer: str, address: str) -> AsyncIterator[Attacker]:
    """Connect an identity to the peer at an address."""
    settle_library()
    host = build_host(identity, lambda peer: None)
    async with serving(host.get_network()):
        connection = await host.get_network().dial(address, ID.from_string(peer))
        try:
            yield Attacker(identity, connection)
        finally:
            await connection.muxed_conn.sever()


@asynccontextmanager
async def attacking(victim: Member, number: int = 666) -> AsyncIterator[Attacker]:
    """Connect an attacker to ``victim``."""
    address = victim.network.addresses[0].rpartition("/p2p/")[0]
    async with connected(key(number), victim.peer, address) as attacker:
        yield attacker


async def tcp(victim: Member) -> trio.SocketStream:
    """Open a bare TCP connection to ``victim``."""
    return await trio.open_tcp_stream("127.0.0.1", victim.port)
