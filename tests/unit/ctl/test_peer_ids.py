"""Peer ids in both of their forms."""

from __future__ import annotations

import base64

import base58
import pytest

from pincrew.ctl.peer_ids import canonical_peer
from unit.ctl.examples import CID, OTHER_CID, PEER


def test_base58_stays() -> None:
    for peer in (PEER, CID):  # an id of an RSA key looks as a CID of version 0 does
        assert canonical_peer(peer) == peer


def test_a_cid_of_a_key() -> None:
    for peer in (PEER, CID):
        binary = b"\x01\x72" + base58.b58decode(peer)
        assert canonical_peer("b" + base64.b32encode(binary).decode().lower().rstrip("=")) == peer


@pytest.mark.parametrize("text", ["", "XXX", "xx", "12D3KooW", "1", "Qm0", OTHER_CID, PEER + "x", "1" * 1000, "/x"])
def test_what_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="failed to parse peer ID"):
        canonical_peer(text)
