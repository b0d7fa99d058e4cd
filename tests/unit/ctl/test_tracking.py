"""`status` and `recover`."""

from __future__ import annotations

from support.rest_peer import RestPeer
from unit.ctl.conftest import Say
from unit.ctl.examples import CID, OTHER_CID, status


def test_of_all(say: Say, peer: RestPeer) -> None:
    peer.stream("GET", "/pins", status("pinned"), status("pin_error"))
    assert say("status --filter pinned,pin_error --local").out.count(CID) == 2
    assert peer.asked[-1].query == {"local": "true", "filter": "pinned,pin_error", "cids": ""}


def test_of_one(say: Say, peer: RestPeer) -> None:
    peer.on("GET", f"/pins/{CID}", status("pinned"))
    assert "PINNED" in say(f"status {CID}").out
    assert peer.asked[-1].query == {"local": "false"}


def test_of_several(say: Say, peer: RestPeer) -> None:
    """Many at once come in several requests, since a peer takes short request lines only."""
    peer.stream("GET", "/pins", status("pinned"))
    say(f"status {CID} {OTHER_CID}")
    assert peer.asked[-1].query["cids"] == f"{CID},{OTHER_CID}"
    assert say("status " + f"{CID} " * 90).out.count(CID) == 3
    assert [asked.query["cids"].count(CID) for asked in peer.asked[1:]] == [40, 40, 10]


def test_what_is_wrong(say: Say, peer: RestPeer) -> None:
    for words, says in (
        ("status XXX", "error parsing cid: invalid cid: "),
        ("status --filter pinned,foo", "error parsing filter flag: invalid filter name 'foo'"),
        ("recover XXX", "error parsing cid: invalid cid: "),
    ):
        said = say(words)
        assert (said.code, said.out, said.err.startswith(says)) == (1, "", True)
    assert peer.asked == []


def test_recover(say: Say, peer: RestPeer) -> None:
    peer.on("POST", f"/pins/{CID}/recover", status("pinning"))
    assert "PINNING" in say(f"recover --local {CID}").out
    assert peer.asked[-1].query == {"local": "true"}
    peer.stream("POST", "/pins/recover", error="one peer is gone")
    said = say("recover")
    assert (said.code, said.out.splitlines()[-1]) == (2, "  Message: one peer is gone")
