"""What a setting names, as a client of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pincrew.errors import Misuse
from pincrew.node_keeper import KeptNode
from pincrew.nodes import Nodes
from pincrew.paths import Home
from pincrew.settings import Settings


def test_from_what_a_setting_names_to_a_client(tmp_path: Path) -> None:
    home = Home(tmp_path)
    environment = {"IPFS_PATH": str(tmp_path / "none")}
    nodes = Nodes(home, Settings(), environment)
    own = nodes.client("embedded")
    assert isinstance(own, KeptNode)
    assert own.address == f"unix:{home.node.rpc_socket(environment)}"
    assert nodes.kind("embedded") == "embedded"
    for wanted, address in (("", "5001"), ("auto", "5001"), ("kubo", "5001"), ("127.0.0.1:9", "9")):
        assert nodes.client(wanted).address == f"http://127.0.0.1:{address}"
        assert nodes.kind(wanted) == "kubo"
    with pytest.raises(Misuse):
        nodes.client("x y")


def test_a_cluster_that_names_none_has_the_one_of_all(tmp_path: Path) -> None:
    nodes = Nodes(Home(tmp_path), Settings(ipfs="embedded"), {"PINCREW_IPFS": "embedded"})
    assert isinstance(nodes.client(""), KeptNode)
    assert nodes.kind("") == "embedded"
    assert nodes.client("kubo").address == "http://127.0.0.1:5001", "a word in the environment is no address"
