from __future__ import annotations

import os
from contextlib import suppress

import base58
import pytest
from hypothesis import given
from hypothesis import strategies as st
from multiaddr import Multiaddr

from pincrew.cid import cid_text
from pincrew.errors import Malformed
from pincrew.keys import SigningKey, peer_id
from pincrew.limits import ROUTING_ADDRESSES_MAX
from pincrew.node.dialable import dialable, may_lead_inside, peer_bytes, peer_text
from pincrew.node.multihash import cid_from

PEER = peer_id(SigningKey.from_seed(bytes(32)).public)
OTHER = peer_id(SigningKey.from_seed(bytes([1]) * 32).public)
RSA = "QmNnooDu7bfjPFoTZYxMNLWUQJyrVwtbZg5gBMjTezGAJN"

DIALLED = {
    "/ip4/1.2.3.4/tcp/4001": "/ip4/1.2.3.4/tcp/4001",
    "/ip4/1.2.3.4/tcp/4001/ws": "/ip4/1.2.3.4/tcp/4001/ws",
    f"/ip6/2606:4700::1/tcp/1/p2p/{PEER}": "/ip6/2606:4700::1/tcp/1",
    f"/dnsaddr/example.org/p2p/{PEER}": "/dnsaddr/example.org",
    "/dns4/node.example.org/tcp/4001": "/dns4/node.example.org/tcp/4001",
}
LOCAL = [
    "/ip4/127.0.0.1/tcp/1",
    "/ip4/192.168.1.7/tcp/1",
    "/ip4/169.254.169.254/tcp/80",
    "/ip6/::1/tcp/1",
    "/ip6/fe80::1/tcp/1",
    "/dns4/localhost/tcp/1",
    "/dns/nas.local/tcp/1",
    "/dns/router/tcp/1",
]
NEVER = [
    "/ip4/1.2.3.4/udp/4001/quic-v1",
    "/ip4/1.2.3.4/tcp/0",
    "/ip4/0.0.0.0/tcp/1",
    "/ip4/224.0.0.1/tcp/1",
    "/ip4/1.2.3.4",
    "/ip4/1.2.3.4/tcp/4001/tls/ws",
    f"/ip4/1.2.3.4/tcp/1/p2p/{OTHER}",
    f"/ip4/1.2.3.4/tcp/1/p2p/{OTHER}/p2p-circuit",
    f"/p2p/{PEER}",
]


def both(text: str) -> list[bytes | str]:
    return [text, Multiaddr(text).to_bytes()]


@pytest.mark.parametrize("text", DIALLED)
def test_addresses_that_we_dial(text: str) -> None:
    for form in both(text):
        assert dialable([form], PEER, local=False) == (DIALLED[text],)


@pytest.mark.parametrize("text", LOCAL)
def test_addresses_of_this_network_are_named_by_those_on_it_alone(text: str) -> None:
    for form in both(text):
        assert dialable([form], PEER, local=False) == ()
        assert dialable([form], PEER, local=True) == (text,)


@pytest.mark.parametrize("text", NEVER)
def test_addresses_that_we_cannot_dial(text: str) -> None:
    for form in both(text):
        assert dialable([form], PEER, local=True) == ()


@pytest.mark.parametrize("text", ["", "/", "ip4/1.2.3.4/tcp/1", "/ip4/1.2.3.4/tcp", "/ip4/a/tcp/1", "/dns/a b/tcp/1"])
def test_text_that_is_no_address(text: str) -> None:
    assert dialable([text], PEER, local=True) == ()


def test_no_more_than_the_most_and_each_once() -> None:
    many = [f"/ip4/1.2.3.{number % 50}/tcp/1" for number in range(200)]
    assert dialable(many, PEER, local=False) == tuple(many[:ROUTING_ADDRESSES_MAX])
    assert dialable([many[0]] * 3, PEER, local=False) == (many[0],)
    assert dialable(["/dns4/" + "a" * 2_000 + ".org/tcp/1"], PEER, local=False) == ()


@pytest.mark.parametrize("peer", [PEER, OTHER, RSA])
def test_peer_ids_in_all_forms(peer: str) -> None:
    raw = base58.b58decode(peer)
    assert peer_bytes(peer) == raw
    assert peer_text(raw) == peer
    assert peer_bytes(cid_text(cid_from(0x72, raw))) == raw


@pytest.mark.parametrize(
    "text", ["", "Qm", "12D3Koo", "1" * 40, "hello", "Q" * 500, "QmNo/", cid_text(cid_from(0x55, peer_bytes(RSA)))]
)
def test_text_that_is_no_peer_id(text: str) -> None:
    with pytest.raises(Malformed):
        peer_bytes(text)


@given(st.one_of(st.binary(max_size=80), st.text(max_size=80)), st.booleans())
def test_any_bytes_and_any_text_are_judged(address: bytes | str, local: bool) -> None:
    dialable([address], PEER, local=local)
    with suppress(Malformed):
        peer_bytes(address) if isinstance(address, str) else peer_text(address)


def test_names_that_only_this_network_can_have_given() -> None:
    local = ["/dns4/localhost/tcp/1", "/dns/nas.local/tcp/1/ws", "/dnsaddr/router"]
    assert [each for each in [*DIALLED.values(), *LOCAL[:2], *local] if may_lead_inside(each)] == local


def test_a_peer_id_in_an_address_may_have_any_form() -> None:
    as_cid = cid_text(cid_from(0x72, peer_bytes(PEER)))
    assert dialable([f"/ip4/1.2.3.4/tcp/1/p2p/{as_cid}"], PEER, local=False)
    assert not dialable([os.urandom(16).hex()], PEER, local=False)
