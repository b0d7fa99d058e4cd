"""`id`, `peers`, `version`."""

from __future__ import annotations

import json

from support.rest_peer import RestPeer, Told
from unit.ctl.conftest import Say
from unit.ctl.examples import OTHER, PEER, identity


def test_id(say: Say, peer: RestPeer) -> None:
    peer.on("GET", "/id", identity())
    assert say("id").out.splitlines()[0] == f"{PEER} | vm | Sees 0 other peers"
    said = say("--enc=json id")
    assert (said.code, said.out) == (0, json.dumps(identity(), indent=4) + "\n")


def test_peers_ls(say: Say, peer: RestPeer) -> None:
    peer.stream("GET", "/peers", identity(), {"id": OTHER, "error": "gone"})
    assert say("peers ls").out.splitlines()[-1] == f"{OTHER} | ERROR: gone"
    assert say("--enc json peers ls").out.count("\n}\n") == 2


def test_peers_rm(say: Say, peer: RestPeer) -> None:
    peer.on("DELETE", f"/peers/{PEER}", Told(204))
    assert (say(f"peers rm {PEER}").code, say(f"peers rm {PEER}").out) == (0, "")
    for words in ("peers rm", "peers rm XXX"):
        said = say(words)
        assert (said.code, said.out) == (1, "")
        assert said.err.startswith("error parsing peer ID: failed to parse peer ID")


def test_version(say: Say, peer: RestPeer) -> None:
    peer.on("GET", "/version", {"version": "1.1.6"})
    assert say("version").out == "1.1.6\n"
