"""`pin add`, `rm`, `update`, `ls`."""

from __future__ import annotations

import pytest

from support.rest_peer import RestPeer, Told
from unit.ctl.conftest import Say
from unit.ctl.examples import CID, OTHER, OTHER_CID, PEER, pin, status

LINE = f"{CID} |  | PIN | "


def test_add_shows_how_far_it_is(say: Say, peer: RestPeer) -> None:
    peer.on("POST", f"/pins/ipfs/{CID}", pin())
    peer.on("GET", f"/pins/{CID}", status("pinning"))
    said = say(f"pin add {CID}")
    assert said.code == 0 and said.out.startswith(f"{CID}:\n    > vm                   : PINNING | ")
    assert peer.asked[-1].query == {"local": "false"}


def test_add_sends_what_was_said(say: Say, peer: RestPeer) -> None:
    peer.on("POST", f"/pins/ipfs/{CID}", pin())
    words = f"pin add --rmin 1 --rmax 3 --allocs {PEER},{OTHER} -n x --mode direct --expire-in 1h --metadata a=b=c"
    assert say(f"{words} --ns {CID}").out.startswith(LINE)
    query = peer.asked[-1].query
    assert query.pop("expire-at").endswith("Z")
    assert query == {
        "replication-min": "1",
        "replication-max": "3",
        "user-allocations": f"{PEER},{OTHER}",
        "name": "x",
        "mode": "direct",
        "shard-size": "0",
        "meta-a": "b=c",
    }
    say(f"pin add -r 2 --rmin 1 --ns {CID}")
    assert (peer.asked[-1].query["replication-min"], peer.asked[-1].query["replication-max"]) == ("2", "2")


@pytest.mark.parametrize(
    ("argument", "path"),
    [
        (f"/ipfs/{CID}/a//b/", f"/pins/ipfs/{CID}/a/b"),
        (f"{CID}/a/../b", f"/pins/ipfs/{CID}/b"),
        ("/ipns/example.org/x", "/pins/ipns/example.org/x"),
        (f"/ipld/{CID}/0", f"/pins/ipld/{CID}/0"),
        (f"{CID}/what?.txt#1%20", f"/pins/ipfs/{CID}/what?.txt#1%20"),
    ],
)
def test_paths(say: Say, peer: RestPeer, argument: str, path: str) -> None:
    peer.on("POST", path, pin())
    assert say("pin add --ns", argument).code == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("pin add", 'error : invalid path "/ipfs/": path does not have enough components'),
        ("pin add XXX", 'error : invalid path "/ipfs/XXX": invalid cid: '),
        ("pin rm /foo/bar", 'error : invalid path "/foo/bar": unknown namespace'),
        ("pin update", "error parsing from Cid: invalid cid: "),
        (f"pin update {CID}", 'error : invalid path "/ipfs/": path does not have enough components'),
        ("pin ls XXX", "error parsing cid: invalid cid: "),
        ("pin ls --filter pins", "error parsing filter flag: 'pins' is no type of pins"),
        (f"pin add --mode sideways {CID}", "error parsing mode: "),
    ],
)
def test_what_is_wrong(say: Say, peer: RestPeer, words: str, says: str) -> None:
    said = say(words)
    assert (said.code, said.out, said.err.startswith(says)) == (1, "", True), said
    assert peer.asked == []


def test_rm(say: Say, peer: RestPeer) -> None:
    peer.on("DELETE", f"/pins/ipfs/{CID}", pin())
    peer.on("GET", f"/pins/{CID}", status("unpinned"))
    assert "UNPINNED" in say(f"pin rm {CID}").out
    peer.on("DELETE", f"/pins/ipfs/{CID}", Told(404, b'{"code":404,"message":"pin is not part of the pinset"}'))
    said = say(f"pin rm {CID}")
    assert (said.code, said.out.splitlines()[2]) == (2, "  Message: pin is not part of the pinset")


def test_update(say: Say, peer: RestPeer) -> None:
    peer.on("POST", f"/pins/ipfs/{OTHER_CID}", pin(cid=OTHER_CID))
    assert say(f"pin update --ns -n x {CID} {OTHER_CID}").code == 0
    query = peer.asked[-1].query
    assert (query["pin-update"], query["name"]) == (CID, "x")


def test_ls(say: Say, peer: RestPeer) -> None:
    peer.stream("GET", "/allocations", pin(), pin(cid=OTHER_CID))
    assert len(say("pin ls").out.splitlines()) == 2
    assert peer.asked[-1].query == {"filter": "all"}
    say("pin ls --filter pin,meta-pin")
    assert peer.asked[-1].query == {"filter": "pin,meta-pin"}
    peer.on("GET", f"/allocations/{CID}", pin())
    assert say(f"pin ls {CID}").out.startswith(LINE)


def test_wait(say: Say, peer: RestPeer) -> None:
    peer.on("POST", f"/pins/ipfs/{CID}", pin(replication_factor_min=1, replication_factor_max=2))
    peer.on("GET", f"/pins/{CID}", status("pinning", "pin_queued"), status("pinned", "pinning"))
    said = say(f"pin add --wait {CID}")
    assert said.code == 0 and ": PINNED |" in said.out
    assert len(peer.asked) == 3  # the status that is printed is the one that ended it


def test_a_wait_of_its_own_limit(say: Say, peer: RestPeer) -> None:
    peer.on("POST", f"/pins/ipfs/{CID}", pin(replication_factor_min=1, replication_factor_max=2))
    peer.on("GET", f"/pins/{CID}", status("pinned", "pinning"), status("pinned", "pinned"))
    assert say(f"pin add --wait --wait-limit 2 --ns {CID}").out.startswith(LINE)
    assert len(peer.asked) == 3


def test_a_wait_that_runs_out_of_time(say: Say, peer: RestPeer) -> None:
    """Also a short one: ipfs-cluster-ctl waits for ever where it is told a second or less."""
    peer.on("POST", f"/pins/ipfs/{CID}", pin())
    peer.on("GET", f"/pins/{CID}", status("pinning"))
    said = say(f"pin add --wait --wait-timeout 20ms {CID}")
    assert (said.code, said.out) == (62, "")
    assert said.err == "error waiting for pin status: context deadline exceeded\n"


def test_a_wait_for_what_fails(say: Say, peer: RestPeer) -> None:
    peer.on("POST", f"/pins/ipfs/{CID}", pin())
    peer.on("GET", f"/pins/{CID}", status("pinned", "pin_error"))
    said = say(f"pin add --wait {CID}")
    assert said.code == 1 and "error has occurred while attempting to reach status: pinned" in said.err


def test_a_peer_that_accepts_and_says_no_more(say: Say, peer: RestPeer) -> None:
    peer.on("POST", f"/pins/ipfs/{CID}", Told(204))
    assert (say(f"pin add --wait {CID}").code, len(peer.asked)) == (0, 1)
