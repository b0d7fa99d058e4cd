from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from pincrew import limits
from pincrew.cid import cid_text, parse_cid
from pincrew.errors import Malformed
from pincrew.keys import SigningKey, peer_id
from pincrew.node import delegated
from pincrew.node.delegated import Router, provider_of, record_of, records_of_object
from pincrew.node.dialable import peer_bytes
from pincrew.node.multihash import cid_from
from support.web_server import Exchange, Script, WebServer, web_server

CID = parse_cid("bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy")
PEERS = [peer_id(SigningKey.from_seed(bytes([number]) * 32).public) for number in range(40)]
ADDRESS = "/ip4/1.2.3.4/tcp/4001"
NDJSON, JSON = "application/x-ndjson", "application/json"
DEADLINE_S = 10.0


def record(peer: str, **changed: Any) -> dict[str, Any]:
    return {"Schema": "peer", "ID": peer, "Addrs": [ADDRESS], "Protocols": ["transport-bitswap"], **changed}


def line(peer: str) -> bytes:
    return json.dumps(record(peer)).encode() + b"\n"


def find(script: Script, *, times: int = 1) -> tuple[dict[str, tuple[str, ...]], WebServer]:
    async def main() -> tuple[dict[str, tuple[str, ...]], WebServer]:
        with trio.fail_after(DEADLINE_S):
            async with web_server(script) as served:
                router = Router(served.url)
                for _ in range(times):
                    found = await router.find(CID)
                return found, served

    return trio.run(main)


def answering(status: int, content_type: str, body: bytes, **headers: str) -> Script:
    async def script(exchange: Exchange) -> None:
        await exchange.answer(status, content_type, body, **headers)

    return script


def test_an_answer_that_is_one_object() -> None:
    body = json.dumps({"Providers": [record(PEERS[0]), record(PEERS[1])]}).encode()
    found, served = find(answering(200, JSON, body))
    assert found == {PEERS[0]: (ADDRESS,), PEERS[1]: (ADDRESS,)}
    assert served.paths[0].startswith(f"/routing/v1/providers/{cid_text(CID)}?filter-addrs=tcp")
    assert NDJSON in served.asked[0].headers["accept"]


def test_an_answer_that_is_a_stream() -> None:
    found, _ = find(answering(200, NDJSON, line(PEERS[0]) + b"\n" + line(PEERS[1]).rstrip()))
    assert list(found) == PEERS[:2]


@pytest.mark.parametrize("cut", [1, 17, 100])
def test_a_stream_in_pieces(cut: int) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.begin(200, NDJSON)
        data = line(PEERS[0]) + line(PEERS[1])
        for start in range(0, len(data), cut):
            await exchange.chunk(data[start : start + cut])
        await exchange.chunk(b"")

    assert list(find(script)[0]) == PEERS[:2]


def test_a_stream_that_goes_on_and_on_is_left_when_enough_are_named() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.begin(200, NDJSON)
        for peer in PEERS[: limits.ROUTING_PROVIDERS_ENOUGH]:
            await exchange.chunk(line(peer))
        await trio.sleep_forever()

    assert len(find(script)[0]) == limits.ROUTING_PROVIDERS_ENOUGH


def test_a_stream_is_left_a_moment_after_the_first_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delegated, "ROUTER_SETTLE_S", 0.05)

    async def script(exchange: Exchange) -> None:
        await exchange.begin(200, NDJSON)
        await exchange.chunk(line(PEERS[0]))
        await trio.sleep_forever()

    found, served = find(script, times=2)
    assert list(found) == PEERS[:1]
    assert len(served.asked) == 2


def test_a_router_that_stalls_is_left_alone_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delegated, "ROUTER_TIMEOUT_S", 0.05)

    async def script(exchange: Exchange) -> None:
        await exchange.begin(200, NDJSON)
        await trio.sleep_forever()

    found, served = find(script, times=2)
    assert not found
    assert len(served.asked) == 1


@pytest.mark.parametrize(
    ("status", "content_type", "body"),
    [
        (500, "text/plain", b"broken"),
        (200, "text/html", b"<html>"),
        (200, JSON, b"not json"),
        (200, JSON, b"[]"),
        (200, JSON, b'{"Providers": {}}'),
        (200, JSON, b" " * (limits.ROUTER_ANSWER_BYTES_MAX + 1)),
        (200, NDJSON, b"[" * 10_000 + b"\n"),
        (200, NDJSON, b"x" * (limits.ROUTER_LINE_BYTES_MAX + 1)),
        (200, NDJSON, b"{}\n" * (limits.ROUTER_RECORDS_MAX + 1)),
        (429, "text/plain", b""),
        (503, "text/plain", b""),
    ],
)
def test_a_router_that_fails_is_left_alone_for_a_while(status: int, content_type: str, body: bytes) -> None:
    found, served = find(answering(status, content_type, body), times=2)
    assert not found
    assert len(served.asked) == 1


@pytest.mark.parametrize(("status", "body"), [(404, b""), (200, b'{"Providers": null}'), (200, b'{"Providers": []}')])
def test_nobody_has_it(status: int, body: bytes) -> None:
    found, served = find(answering(status, JSON, body), times=2)
    assert not found
    assert len(served.asked) == 2


def test_a_router_says_for_how_long_it_is_left_alone() -> None:
    _, served = find(answering(503, "text/plain", b"", Retry_After="0"), times=2)
    assert len(served.asked) == 2


def test_what_counts_as_a_provider() -> None:
    named = (PEERS[0], (ADDRESS,))
    as_cid = cid_text(cid_from(0x72, peer_bytes(PEERS[0])))
    assert provider_of(record(PEERS[0]), local=False) == named
    assert provider_of(record(as_cid), local=False) == named
    assert provider_of(record(PEERS[0], Protocols=[]), local=False) == named
    assert provider_of(record(PEERS[0], Addrs=None), local=False) == (PEERS[0], ())
    older = {"Schema": "bitswap", "Protocol": "transport-bitswap", "ID": PEERS[0], "Addrs": [ADDRESS]}
    assert provider_of(older, local=False) == named
    home = record(PEERS[0], Addrs=["/ip4/127.0.0.1/tcp/1", 7, None])
    assert provider_of(home, local=True) == (PEERS[0], ("/ip4/127.0.0.1/tcp/1",))
    for useless in (
        home,
        record(PEERS[0], Schema="unknown"),
        record(PEERS[0], Protocols=["transport-ipfs-gateway-http"]),
        record(PEERS[0], Protocols=7),
        record(PEERS[0], Addrs=["/ip4/1.2.3.4/udp/1/quic-v1"]),
        record(PEERS[0], Addrs="text"),
        record("nonsense"),
        record(PEERS[0], ID=["list"]),
        {},
    ):
        assert provider_of(useless, local=False) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys(("ID", "Addrs", "Protocols", "Protocol", "Schema"), json_values))
)
def test_any_record(value: dict[str, Any]) -> None:
    provider_of({"Schema": "peer", **value}, local=True)


@given(st.binary(max_size=200) | json_values.map(lambda value: json.dumps({"Providers": value}).encode()))
def test_any_answer(raw: bytes) -> None:
    with suppress(Malformed):
        record_of(raw)
        list(records_of_object(raw))
