"""What commands stand on: targets as Go writes them, and CIDs in their usual form."""

from __future__ import annotations

import pytest

from pincrew.ctl.call import canonical_cid, target, with_query
from pincrew.ctl.faults import Stopped
from unit.ctl.conftest import Say
from unit.ctl.examples import CID, OTHER_CID


def test_targets() -> None:
    assert target("/pins", local=False, filter="a,b", cids="") == "/pins?cids=&filter=a%2Cb&local=false"
    assert target("/monitor/metrics/tag:a b") == "/monitor/metrics/tag:a%20b"
    assert with_query("/pins/ipfs/x/a?b#c", {"name": "a b&c"}) == "/pins/ipfs/x/a%3Fb%23c?name=a+b%26c"
    assert with_query("/x", {}) == "/x"


def test_cids() -> None:
    assert canonical_cid(OTHER_CID.upper().replace("BAFK", "BAFK")) == OTHER_CID
    assert canonical_cid(f"/ipfs/{CID}") == CID
    with pytest.raises(Stopped, match="error parsing from Cid: invalid cid: "):
        canonical_cid("x", "parsing from Cid")


def test_a_peer_that_has_nothing_to_say(say: Say, peer: object) -> None:
    from support.rest_peer import RestPeer, Told

    assert isinstance(peer, RestPeer)
    peer.on("GET", "/id", Told(204))
    for form in ("text", "json"):
        assert (say(f"--enc {form} id").code, say(f"--enc {form} id").out) == (0, "")
