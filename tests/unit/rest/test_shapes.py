"""The shapes of ipfs-cluster's API, as Go writes them."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from pincrew.rest import shapes
from unit.ctl.examples import identity


def written(shape: msgspec.Struct) -> Any:
    return json.loads(msgspec.json.encode(shape))


def test_an_id_has_the_names_and_the_order_of_gos() -> None:
    node = shapes.IpfsId(id="N", addresses=[], error="")
    told = shapes.Id(
        id="P",
        addresses=[],
        cluster_peers=["P"],
        cluster_peers_addresses=[],
        version="1",
        commit="",
        rpc_protocol_version="/x",
        error="",
        ipfs=node,
        peername="me",
    )
    assert list(written(told)) == list(identity())
    assert written(told)["ipfs"] == {"id": "N", "addresses": [], "error": ""}


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (shapes.IpfsId(addresses=[], error="gone"), {"addresses": [], "error": "gone"}),
        (shapes.AddedOutput(name="a", cid=None), {"name": "a", "cid": None}),
        (shapes.AddedOutput(name="a", cid="C", size=1, allocations=["P"]),
         {"name": "a", "cid": "C", "size": 1, "allocations": ["P"]}),
        (shapes.RepoGc(peer="P", peername="", keys=[shapes.GcKey(key=None, error="no"), shapes.GcKey(key="C")]),
         {"peer": "P", "peername": "", "keys": [{"key": None, "error": "no"}, {"key": "C"}]}),
    ],
)  # fmt: skip
def test_what_go_leaves_out(shape: msgspec.Struct, expected: dict[str, Any]) -> None:
    assert written(shape) == expected


def test_an_alert_is_a_metric_and_when() -> None:
    names = [*shapes.Metric.__struct_fields__, "triggered_at"]
    assert list(shapes.Alert.__struct_fields__) == names
    assert names[:-1] == [
        "name", "peer", "value", "expire", "valid", "weight", "partitionable", "received_at"
    ]  # fmt: skip
