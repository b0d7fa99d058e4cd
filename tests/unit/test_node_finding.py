"""What needs no node; the RPC itself is in tests/contract/test_node.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from pincrew.errors import Misuse
from pincrew.node_finding import authorization, find_node, folder_of


def test_finding_it_reads_the_repository_and_asks_nobody(tmp_path: Path) -> None:
    assert str(find_node(environment={})) == "http://127.0.0.1:5001"
    assert str(find_node(environment={"HOME": str(tmp_path)})) == "http://127.0.0.1:5001"
    (tmp_path / ".ipfs").mkdir()
    (tmp_path / ".ipfs" / "api").write_text("/ip4/127.0.0.1/tcp/7001\n")
    assert str(find_node(environment={"HOME": str(tmp_path)})) == "http://127.0.0.1:7001"
    (tmp_path / "api").write_text("/unix/run/x")
    with_path = {"HOME": str(tmp_path), "IPFS_PATH": str(tmp_path)}
    assert str(find_node(environment=with_path)) == "unix:/run/x"
    assert str(find_node(environment={**with_path, "PINCREW_IPFS": "h:1"})) == "http://h:1"
    assert str(find_node("unix:/y", {**with_path, "PINCREW_IPFS": "h:1"})) == "unix:/y"
    (tmp_path / "api").write_bytes(b"\xff\xfe")
    assert str(find_node(environment=with_path)) == "http://127.0.0.1:5001"


def test_the_folder_of_a_kubo_is_known_by_its_identity(tmp_path: Path) -> None:
    named, own = tmp_path / "named", tmp_path / ".ipfs"
    environment = {"HOME": str(tmp_path)}
    assert folder_of("me", None, environment) is None
    for folder, peer in ((named, "me"), (own, "another")):
        folder.mkdir()
        (folder / "config").write_text(f'{{"Identity": {{"PeerID": "{peer}"}}}}')
    assert folder_of("me", str(named), environment) == str(named)
    assert folder_of("another", str(named), environment) == str(own)
    assert folder_of("third", str(named), environment) is None, "a container may name the same folder"
    (named / "blocks").mkdir()
    assert folder_of("me", str(named), environment) == str(named / "blocks"), "it may be another volume"
    for nonsense in ("[]", "{", '{"Identity": 7}', "[" * 100_000):
        (named / "config").write_text(nonsense)
        assert folder_of("me", str(named), environment) is None
    assert folder_of("me", 7, {}) is None


def test_credentials() -> None:
    assert authorization(None) is authorization("") is None
    assert authorization("basic:me:pass:word") == "Basic bWU6cGFzczp3b3Jk"
    assert authorization("bearer:abc") == "Bearer abc"
    for wrong in ("secret", "basic:secret", "bearer:", "digest:a:secret", "bearer:secret\r\nX: y"):
        with pytest.raises(Misuse) as refusal:
            authorization(wrong)
        assert "secret" not in refusal.value.sentence
