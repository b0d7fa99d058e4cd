"""What needs no node; the rest is in tests/contract/test_node.py."""

from __future__ import annotations

from pincrew.node_connection import STREAM_ERROR


def test_only_a_true_trailer_is_one() -> None:
    true = b"{}\n\r\n0\r\nX-Stream-Error: no space left\r\n\r\n"
    found = STREAM_ERROR.search(true)
    assert found is not None and found[1] == b"no space left"
    assert STREAM_ERROR.search(true + b"more") is None
    assert STREAM_ERROR.search(b"x\r\n0\r\n\r\n") is None
    assert STREAM_ERROR.search(b"X-Stream-Error: y\r\n0\r\n\r\n") is None
