from __future__ import annotations

import hashlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from libp2p.kad_dht.pb.kademlia_pb2 import Message

from pincrew.errors import Malformed
from pincrew.keys import SigningKey, peer_id
from pincrew.limits import DHT_CLOSEST, ROUTING_PROVIDERS_MAX
from pincrew.node.dht_message import Answer, Kind, Named, decode_answer, encode_request, place
from pincrew.node.dialable import peer_bytes

PEERS = [peer_id(SigningKey.from_seed(bytes([number]) * 32).public) for number in range(120)]


def message_of(closer: list[str], providers: list[str], addresses: tuple[bytes, ...] = (b"one", b"two")) -> Message:
    message = Message(type=Message.MessageType.GET_PROVIDERS)
    for where, peers in ((message.closerPeers, closer), (message.providerPeers, providers)):
        for peer in peers:
            where.append(Message.Peer(id=peer_bytes(peer), addrs=addresses))
    return message


@pytest.mark.parametrize("kind", Kind)
def test_a_request_is_what_others_understand(kind: Kind) -> None:
    message = Message.FromString(encode_request(kind, b"key"))
    assert Message.MessageType.Name(message.type) == kind.name
    assert message.key == b"key"


def test_an_answer_is_understood() -> None:
    raw = message_of(PEERS[:2], PEERS[2:3]).SerializeToString()
    named = [Named(peer, (b"one", b"two")) for peer in PEERS[:3]]
    assert decode_answer(raw) == Answer(tuple(named[:2]), tuple(named[2:]))


def test_an_answer_names_no_more_than_it_may() -> None:
    answer = decode_answer(message_of(PEERS, PEERS, (b"one",) * 1_000).SerializeToString())
    assert len(answer.closer) == DHT_CLOSEST
    assert len(answer.providers) == ROUTING_PROVIDERS_MAX
    assert all(len(named.addresses) < 100 for named in answer.providers)


def test_who_has_no_peer_id_is_left_out() -> None:
    message = message_of(PEERS[:1], [])
    message.closerPeers.append(Message.Peer(id=b"nonsense"))
    message.closerPeers.append(Message.Peer(addrs=[b"one"]))
    assert [named.peer for named in decode_answer(message.SerializeToString()).closer] == PEERS[:1]


@pytest.mark.parametrize("raw", [b"\x40\x01", b"\x42\x02\x08\x01", b"\x42\x05\x00", b"\x42\x02\x12\x01"])
def test_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed):
        decode_answer(raw)


@given(st.binary(max_size=200))
def test_any_bytes(raw: bytes) -> None:
    with suppress(Malformed):
        decode_answer(raw)


def test_a_place_is_the_hash_of_the_key() -> None:
    assert place(b"key") == int(hashlib.sha256(b"key").hexdigest(), 16)
