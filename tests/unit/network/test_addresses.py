"""What is listened on, told and dialled."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pincrew import limits
from pincrew.errors import Misuse, WorldFault
from pincrew.keys import peer_id
from pincrew.network import addresses
from support.crew import key, trio_test

PEER = peer_id(key(1).public)


@pytest.mark.parametrize(
    "address",
    ["/ip4/1.2.3.4/tcp/4001", "/ip4/1.2.3.4/tcp/4001/ws", "/ip6/2001:db8::1/tcp/4001"],
)
@trio_test
async def test_ip_addresses_are_dialled_as_they_are(address: str) -> None:
    assert await addresses.resolve(address, PEER) == [address]
    assert await addresses.resolve(f"{address}/p2p/{PEER}", PEER) == [address]


@trio_test
async def test_names_are_resolved_by_the_system() -> None:
    assert await addresses.resolve("/dns4/localhost/tcp/4001/ws", PEER) == ["/ip4/127.0.0.1/tcp/4001/ws"]
    assert "/ip4/127.0.0.1/tcp/1" in await addresses.resolve("/dns/localhost/tcp/1", PEER)


@trio_test
async def test_names_of_strangers_lead_to_public_addresses_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for address in ("/dns4/localhost/tcp/1", "/dns/localhost/tcp/1/ws", "/dns6/ip6-localhost/tcp/1"):
        with pytest.raises(WorldFault):
            await addresses.resolve(address, PEER, global_only=True)
    # What is no name was judged where it was heard.
    assert await addresses.resolve("/ip4/10.0.0.1/tcp/1", PEER, global_only=True) == ["/ip4/10.0.0.1/tcp/1"]

    async def records(*_: object, **__: object) -> list[SimpleNamespace]:
        told = ["/ip4/127.0.0.1/tcp/1", "/dns4/localhost/tcp/2", "/ip6/::ffff:10.0.0.1/tcp/3", "/ip4/8.8.8.8/tcp/4"]
        return [SimpleNamespace(strings=[f"dnsaddr={each}/p2p/{PEER}".encode()]) for each in told]

    monkeypatch.setattr(addresses.Resolver, "resolve", records)
    name = f"/dnsaddr/peer.example/p2p/{PEER}"
    assert "/ip4/127.0.0.1/tcp/2" in await addresses.resolve(name, PEER)
    assert await addresses.resolve(name, PEER, global_only=True) == ["/ip4/8.8.8.8/tcp/4"]


@pytest.mark.parametrize(
    "address",
    [
        "",
        "x",
        "/",
        "/tcp/1",
        "/ip4/1.2.3.4",
        "/ip4/1.2.3.4/udp/1/quic-v1",
        "/ip4/1.2.3.4/tcp/1/wss",
        "/ip4/300.2.3.4/tcp/1",
        f"/p2p/{PEER}",
        f"/ip4/1.2.3.4/tcp/1/p2p/{peer_id(key(2).public)}",
        f"/ip4/1.2.3.4/tcp/1/p2p/{PEER}/p2p-circuit",
    ],
)
@trio_test
async def test_what_cannot_be_dialled_is_misuse(address: str) -> None:
    with pytest.raises(Misuse):
        await addresses.resolve(address, PEER)


@trio_test
async def test_an_unknown_name_is_the_worlds_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RESOLVE_TIMEOUT_S", 1.0)
    for address in ("/dns4/nobody.invalid/tcp/1", f"/dnsaddr/nobody.invalid/p2p/{PEER}"):
        with pytest.raises(WorldFault):
            await addresses.resolve(address, PEER)


def test_told_addresses_are_real_and_carry_the_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    hosts = {"ip4": ["10.0.0.7"], "ip6": ["fd00::7"]}
    monkeypatch.setattr(addresses, "interface_hosts", hosts.__getitem__)
    told = addresses.told_addresses(["/ip4/0.0.0.0/tcp/1", "/ip6/::/tcp/2/ws", "/ip4/127.0.0.1/tcp/3"], (), PEER)
    assert told == (
        f"/ip4/10.0.0.7/tcp/1/p2p/{PEER}",
        f"/ip6/fd00::7/tcp/2/ws/p2p/{PEER}",
        f"/ip4/127.0.0.1/tcp/3/p2p/{PEER}",
    )
    configured = addresses.told_addresses(["/ip4/0.0.0.0/tcp/1"], ["/dns4/a.example/tcp/9"], PEER)
    assert configured == (f"/dns4/a.example/tcp/9/p2p/{PEER}",)


_WORDS = st.sampled_from(["ip4", "ip6", "tcp", "udp", "ws", "p2p", "dns4", "dnsaddr", "1.2.3.4", "::1", "1", PEER, ""])


@given(st.one_of(st.text(max_size=60), st.lists(_WORDS, max_size=8).map(lambda words: "/" + "/".join(words))))
def test_any_text_is_an_address_or_misuse(text: str) -> None:
    """Addresses are announced by strangers."""
    try:
        parts = addresses.parts_of(text)
    except Misuse:
        return
    assert addresses.parts_of(addresses.text_of(parts)) == parts
