"""Multiaddresses as users type them."""

from __future__ import annotations

import re

import pytest

from pincrew.addresses import announce_addresses, listen_addresses, with_peer
from pincrew.errors import Misuse

GOOD = ["/ip4/203.0.113.7/tcp/4001", "/ip6/2001:db8::1/tcp/4001", "/ip4/127.0.0.1/tcp/4001/ws"]


def test_good_addresses_stay_as_they_are() -> None:
    assert listen_addresses(GOOD) == tuple(GOOD)
    assert announce_addresses([*GOOD, "/dns4/example.org/tcp/443/wss", "/dnsaddr/example.org"])[-1].startswith(
        "/dnsaddr"
    )


@pytest.mark.parametrize("texts", [[], ["/ip4/0.0.0.0/tcp/0"], ["/ip4/0.0.0.0"]])
def test_a_port_is_chosen_where_none_is_given(texts: list[str]) -> None:
    (chosen,) = listen_addresses(texts)
    assert re.fullmatch(r"/ip4/0\.0\.0\.0/tcp/[1-9][0-9]+", chosen)


def test_what_follows_the_port_is_kept() -> None:
    assert listen_addresses(["/ip4/127.0.0.1/tcp/0/ws"])[0].endswith("/ws")


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", "127.0.0.1:4001", "/ip4", "/ip4/1.2.3/tcp/1", "/ip4/::1/tcp/1", "/ip6/1.2.3.4/tcp/1",
     "/ip4/1.2.3.4/udp/1/quic", "/ip4/1.2.3.4/tcp/x", "/ip4/1.2.3.4/tcp/70000", "/ip4/1.2.3.4/tcp", "/onion/x/tcp/1",
     "/ip4/1.2.3.4/tcp/1,/ip4/1.2.3.4/tcp/2", "/ip4/1.2.3.4/tcp/1 ", "/ip4/1.2.3.4/tcp/1/" + "x" * 600],
)  # fmt: skip
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(Misuse):
        listen_addresses([text])
    with pytest.raises(Misuse):
        announce_addresses([text])


def test_a_peer_listens_on_no_name() -> None:
    with pytest.raises(Misuse, match="listens on an IP"):
        listen_addresses(["/dns4/example.org/tcp/1"])


@pytest.mark.parametrize("text", ["/ip4/0.0.0.0/tcp/4001", "/ip6/::/tcp/4001", "/ip4/1.2.3.4/tcp/0"])
def test_what_nobody_can_dial_is_not_announced(text: str) -> None:
    with pytest.raises(Misuse, match="Nobody can dial"):
        announce_addresses([text])


def test_an_address_says_whose_it_is() -> None:
    assert with_peer("/ip4/1.2.3.4/tcp/1/", "P") == "/ip4/1.2.3.4/tcp/1/p2p/P"
    assert with_peer("/ip4/1.2.3.4/tcp/1/p2p/Q", "P") == "/ip4/1.2.3.4/tcp/1/p2p/Q"
