"""What needs no node; the RPC itself is in tests/contract/test_node.py."""

from __future__ import annotations

import pytest

from pincrew.kubo_rpc import _has_names


@pytest.mark.parametrize(
    ("agent", "names"),
    [
        ("kubo/0.43.1", True),
        ("kubo/0.27.0/abc", True),
        ("kubo/0.26.9", False),
        ("go-ipfs/0.12", False),
        ("pincrew-node/1", True),
        ("kubo/1.0", True),
    ],
)
def test_which_nodes_keep_names(agent: str, names: bool) -> None:
    assert _has_names(agent) is names
