"""Multiaddresses of REST APIs."""

from __future__ import annotations

import socket

import pytest

from pincrew.ctl.hosts import Endpoint, endpoint_of, endpoints_of

PEER = "12D3KooWGRUTB7hXeHFMdkyGmy1kVrQjxhcwxhkuTCfYyQQLaxj9"


@pytest.mark.parametrize(
    ("text", "expected", "authority"),
    [
        ("/ip4/127.0.0.1/tcp/9094", Endpoint("127.0.0.1", 9094, socket.AF_INET), "127.0.0.1:9094"),
        ("/ip6/::1/tcp/9094/http", Endpoint("::1", 9094, socket.AF_INET6), "[::1]:9094"),
        ("/dns/peer.example/tcp/443/tls/http", Endpoint("peer.example", 443), "peer.example:443"),
        ("/dns4/peer/tcp/1", Endpoint("peer", 1, socket.AF_INET), "peer:1"),
        ("/unix/run/api.sock", Endpoint(path="/run/api.sock"), "restapi"),
        ("/unix//run/api.sock", Endpoint(path="/run/api.sock"), "restapi"),
        (f"/ip4/1.2.3.4/tcp/1/p2p/{PEER}", Endpoint(peer=PEER, peer_at="/ip4/1.2.3.4/tcp/1"), PEER),
        (f"/dns4/peer/tcp/1/ws/ipfs/{PEER}", Endpoint(peer=PEER, peer_at="/dns4/peer/tcp/1/ws"), PEER),
        (f"/dnsaddr/peer.example/p2p/{PEER}", Endpoint(peer=PEER, peer_at="/dnsaddr/peer.example"), PEER),
    ],
)
def test_what_is_taken(text: str, expected: Endpoint, authority: str) -> None:
    assert endpoint_of(text) == expected
    assert expected.authority == authority


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("foo", "must begin with /"),
        ("", "must begin with /"),
        ("/unix", "unexpected end"),
        ("/ip4/127.0.0.1/udp/9094", "is not like"),
        ("/ip4/127.0.0.1/tcp/9094/ws", "is not like"),
        ("/ip4/127.0.0.1/tcp/0", "no port"),
        ("/ip4/127.0.0.1/tcp/70000", "no port"),
        ("/ip4/::1/tcp/1", "no ip4 address"),
        ("/ip6/nobody/tcp/1", "no ip6 address"),
        ("/ip4/1.2.3.4/tcp/1/p2p/12D3KooW", "does not end in /p2p/PEER_ID"),
        (f"/ip4/1.2.3.4/tcp/1/p2p/{PEER}/p2p-circuit", "does not end in /p2p/PEER_ID"),
        (f"/ip4/1.2.3.4/udp/1/quic-v1/p2p/{PEER}", "TCP is spoken"),
        (f"/ip4/1.2.3.4/tcp/1/wss/p2p/{PEER}", "TCP is spoken"),
        (f"/ip4/1.2.3/tcp/1/p2p/{PEER}", "is no ip4 address"),
        (f"/p2p/{PEER}", "behind an address"),
        ("/dnsaddr/peer.example", "does not end in /p2p/PEER_ID"),
    ],
)
def test_what_is_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        endpoint_of(text)


def test_several() -> None:
    assert [one.port for one in endpoints_of("/dns/a/tcp/1, /dns/b/tcp/2")] == [1, 2]
    with pytest.raises(ValueError):
        endpoints_of("/dns/a/tcp/1,")
