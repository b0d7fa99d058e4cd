"""A configuration of ipfs-cluster is told from whatever else is no config document."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pincrew.follow.go_template import refuse

from pincrew.errors import Misuse

WHERE = "https://example.org/service.json"
TEMPLATE: dict[str, Any] = {
    "cluster": {"peername": "x", "secret": "", "leave_on_shutdown": False},
    "consensus": {"crdt": {"cluster_name": "my-archive", "trusted_peers": ["*"]}},
    "ipfs_connector": {"ipfshttp": {"node_multiaddress": "/ip4/127.0.0.1/tcp/5001"}},
}


def test_it_is_refused_and_the_cluster_is_named() -> None:
    with pytest.raises(Misuse) as caught:
        refuse(json.dumps(TEMPLATE).encode(), WHERE)
    assert caught.value.what == (
        "This is a configuration of ipfs-cluster for its cluster 'my-archive', not a config document of pincrew"
    )
    assert caught.value.where == WHERE
    assert "Nothing was written" in caught.value.means
    assert "does not speak with them" in caught.value.means
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "template",
    [
        {"source": "https://example.org/other.json"},
        {"cluster": {}},
        {"cluster": {}, "consensus": {"crdt": []}},
        {"consensus": {"crdt": {"cluster_name": 7}}},
    ],
)
def test_one_without_a_name_is_refused_as_well(template: dict[str, Any]) -> None:
    with pytest.raises(Misuse, match="a configuration of ipfs-cluster, not of pincrew"):
        refuse(json.dumps(template).encode(), WHERE)


def test_a_name_by_a_stranger_cannot_steer_a_terminal() -> None:
    template = {"consensus": {"crdt": {"cluster_name": "\x1b[2J" + "a" * 10_000}}}
    with pytest.raises(Misuse) as caught:
        refuse(json.dumps(template).encode(), WHERE)
    assert "\x1b" not in caught.value.sentence
    assert len(caught.value.sentence) < 1_000


@pytest.mark.parametrize(
    "raw", [b"", b"format = 1\n", b"{", b"[]", b'{"a": 1}', b"\xff{", b"<html>", b'{"cluster": 3}', b"[" * 100_000]
)
def test_what_else_it_is_others_say(raw: bytes) -> None:
    refuse(raw, WHERE)
