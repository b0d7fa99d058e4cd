"""What Go leaves out or makes null reads as what it means; what is wrong is refused."""

from __future__ import annotations

from typing import Any

import pytest

from pincrew.ctl.answers import shaped
from pincrew.ctl.faults import Stopped
from pincrew.rest.shapes import AddedOutput, ConnectGraph, GlobalPinInfo, GlobalRepoGc, Id, PinObject
from unit.ctl.examples import identity, pin, status


def test_null_is_an_empty_list_or_map() -> None:
    read = shaped(Id, identity(addresses=None, cluster_peers=None, ipfs=None))
    assert (read.addresses, read.cluster_peers, read.ipfs.addresses, read.ipfs.id) == ([], [], [], "")
    assert shaped(PinObject, pin(allocations=None)).origins == []
    assert shaped(PinObject, pin()).metadata is None
    assert shaped(ConnectGraph, {"cluster_id": "x", "ipfs_links": {"a": None}}).ipfs_links == {"a": []}


def test_what_is_left_out() -> None:
    value = status("pinned")
    [of_peer] = value["peer_map"].values()
    del of_peer["ipfs_peer_id"]
    [info] = shaped(GlobalPinInfo, value).peer_map.values()
    assert (info.ipfs_peer_id, info.ipfs_peer_addresses, info.status) == ("", [], "pinned")
    assert shaped(GlobalPinInfo, {"cid": "x"}).peer_map == {}
    assert shaped(AddedOutput, {"name": "x"}) == AddedOutput(name="x", cid=None)
    collected = shaped(GlobalRepoGc, {"peer_map": {"a": {"keys": [{"key": None, "error": "no"}, {"key": "b"}]}}})
    assert [key.error for key in collected.peer_map["a"].keys] == ["no", ""]


def test_what_is_new_is_ignored() -> None:
    assert shaped(Id, identity(mood="fine")).peername == "vm"


@pytest.mark.parametrize("value", [[], "x", 5, {"id": 5}, {"addresses": {}}, {"ipfs": []}, {"ipfs": [1]}])
def test_what_is_wrong(value: Any) -> None:
    with pytest.raises(Stopped, match="not what ipfs-cluster's API says"):
        shaped(Id, value)
