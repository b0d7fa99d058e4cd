from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pincrew.errors import Misuse
from pincrew.node_address import FoundBy, choose_address, parse_address


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://127.0.0.1:5001", "http://127.0.0.1:5001"),
        ("http://node.example:5001/api/v0", "http://node.example:5001"),
        ("https://node.example", "https://node.example:443"),
        ("localhost:5002", "http://localhost:5002"),
        ("http://[::1]:5001", "http://[::1]:5001"),
        ("/ip4/127.0.0.1/tcp/5001\n", "http://127.0.0.1:5001"),
        ("/ip4/0.0.0.0/tcp/5001/http", "http://127.0.0.1:5001"),
        ("/ip6/::/tcp/5001", "http://[::1]:5001"),
        ("/dns4/node.example/tcp/443/https", "https://node.example:443"),
        ("/dns/node.example/tcp/443/tls/http", "https://node.example:443"),
        ("unix:/run/ipfs.sock", "unix:/run/ipfs.sock"),
        ("unix:///run/ipfs.sock", "unix:/run/ipfs.sock"),
        ("/unix/run/ipfs.sock", "unix:/run/ipfs.sock"),
    ],
)
def test_forms(text: str, shown: str) -> None:
    assert str(parse_address(text)) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "/ip4/127.0.0.1",
        "/ip4/127.0.0.1/udp/5001",
        "/ip4/127.0.0.1/tcp/99999",
        "/ip4/127.0.0.1/tcp/5001/ws",
        "/unix/",
        "unix:relative",
        "ftp://x",
        "http://",
        "http://host:port",
        "http://user:secret@host:5001",
        "http://host:5001/other",
        "http://host:5001?x=1",
        "http://[::1",
    ],
)
def test_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(Misuse) as refusal:
        parse_address(text)
    assert refusal.value.next_step
    assert "secret" not in refusal.value.sentence


@given(st.text())
def test_anything_is_an_address_or_misuse(text: str) -> None:
    with contextlib.suppress(Misuse):
        parse_address(text)


def test_the_order_of_looking() -> None:
    flag, environment, file = "/ip4/127.0.0.1/tcp/1", "/ip4/127.0.0.1/tcp/2", "/ip4/127.0.0.1/tcp/3\n"
    assert choose_address(flag, environment, file).url.endswith(":1")
    assert choose_address(None, environment, file).url.endswith(":2")
    found = choose_address(None, "", file)
    assert found.url.endswith(":3") and found.found_by is FoundBy.API_FILE
    assert choose_address(None, None, " \n").found_by is FoundBy.DEFAULT
