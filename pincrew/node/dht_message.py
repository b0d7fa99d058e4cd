"""The messages of libp2p's Kademlia DHT (specs, kad-dht), as far as a client has to do with them.

request  = {type = 1: GET_PROVIDERS or FIND_NODE, key = 2: a multihash or a peer id}
answer   = {..., closerPeers = 8: peer..., providerPeers = 9: peer...}
peer     = {id = 1, addrs = 2...}
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import IntEnum
from itertools import islice

from pincrew.errors import Malformed
from pincrew.limits import DHT_CLOSEST, ROUTING_PROVIDERS_MAX
from pincrew.node.dialable import peer_text
from pincrew.node.protobuf import BYTES, fields, put_bytes_field, put_varint_field

_TYPE, _KEY, _CLOSER, _PROVIDERS = 1, 2, 8, 9
_ID, _ADDRESSES = 1, 2
# Before those that can be dialled are chosen: some peers name very many addresses.
_ADDRESSES_READ_MAX = 64


class Kind(IntEnum):
    """What is asked for."""

    GET_PROVIDERS = 3
    FIND_NODE = 4


@dataclass(frozen=True, slots=True)
class Named:
    """A peer that an answer names; its addresses are as they came."""

    peer: str
    addresses: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a peer of the DHT says: who is closer to the key, and who has what it names."""

    closer: tuple[Named, ...]
    providers: tuple[Named, ...]


def encode_request(kind: Kind, key: bytes) -> bytes:
    """Return a request."""
    out = bytearray()
    put_varint_field(out, _TYPE, kind)
    put_bytes_field(out, _KEY, key)
    return bytes(out)


def decode_answer(message: bytes) -> Answer:
    """Return what an answer names; peers whose ids are none are left out. Raises Malformed."""
    closer: list[Named] = []
    providers: list[Named] = []
    for number, wire_type, value in fields(message):
        if number not in (_CLOSER, _PROVIDERS):
            continue
        if wire_type != BYTES:
            raise Malformed("an answer of the DHT has a peer of the wrong type")
        found, count_max = (closer, DHT_CLOSEST) if number == _CLOSER else (providers, ROUTING_PROVIDERS_MAX)
        if len(found) < count_max and (named := _named(value)) is not None:
            found.append(named)
    return Answer(tuple(closer), tuple(providers))


def place(key: bytes) -> int:
    """Return where a key, or a peer's id, is in the DHT."""
    return int.from_bytes(hashlib.sha256(key).digest())


def _named(message: bytes) -> Named | None:
    peer: str | None = None
    addresses: list[bytes] = []
    for number, wire_type, value in islice(fields(message), 4 * _ADDRESSES_READ_MAX):
        if number not in (_ID, _ADDRESSES):
            continue
        if wire_type != BYTES:
            raise Malformed("a peer in an answer of the DHT has a field of the wrong type")
        if number == _ADDRESSES:
            if len(addresses) < _ADDRESSES_READ_MAX:
                addresses.append(value)
            continue
        try:
            peer = peer_text(value)
        except Malformed:
            return None
    return Named(peer, tuple(addresses)) if peer is not None else None
