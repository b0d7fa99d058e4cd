"""`add`: what is asked for, what is sent, what is printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.rest_peer import RestPeer, Told
from unit.ctl.conftest import Say
from unit.ctl.examples import CID, OTHER_CID, pin, status

FILE = {"name": "d/x", "cid": OTHER_CID, "size": 5}
WHOLE = {"name": "d", "cid": CID, "size": 9, "allocations": None}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, peer: RestPeer) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "x").write_text("x")
    monkeypatch.chdir(tmp_path)
    peer.stream("POST", "/add", FILE, WHOLE)


def test_text(say: Say) -> None:
    assert say("add -r d").out == f"added {OTHER_CID} d/x\nadded {CID} d\n"
    assert say("add -r -q d").out == f"{OTHER_CID}\n{CID}\n"
    assert say("add -r -Q d").out == say("add -r -Q --no-stream d").out == f"{CID}\n"
    assert say("add --no-stream -r d").out == f"added {OTHER_CID} d/x\nadded {CID} d\n"


def test_json(say: Say) -> None:
    assert say("--enc json add -r d").out == "".join(json.dumps(one, indent=4) + "\n" for one in (FILE, WHOLE))
    assert json.loads(say("--enc json add -r -Q d").out) == WHOLE
    assert json.loads(say("--enc json add -r --no-stream d").out) == [FILE, WHOLE]
    assert json.loads(say("--enc json add -r -Q --no-stream d").out) == [WHOLE]


def test_what_is_sent(say: Say, peer: RestPeer) -> None:
    say("add -r d")
    [asked] = peer.asked
    assert asked.query == {
        "chunker": "size-262144",
        "cid-version": "0",
        "format": "unixfs",
        "hash": "sha2-256",
        "hidden": "false",
        "layout": "",
        "local": "false",
        "mode": "recursive",
        "name": "",
        "no-pin": "false",
        "nocopy": "false",
        "progress": "false",
        "raw-leaves": "false",
        "recursive": "true",
        "replication-max": "0",
        "replication-min": "0",
        "shard": "false",
        "shard-size": "104857600",
        "stream-channels": "true",
        "user-allocations": "",
        "wrap-with-directory": "false",
    }
    kind, _, boundary = asked.headers["Content-Type"].partition("; boundary=")
    assert kind == "multipart/form-data" and asked.body.startswith(f"--{boundary}\r\n".encode())
    assert asked.headers["Transfer-Encoding"] == "chunked"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("d/x d/x", {"wrap-with-directory": "true"}),
        ("-w d/x", {"wrap-with-directory": "true"}),
        ("--cid-version 1 d/x", {"cid-version": "1", "raw-leaves": "true"}),
        ("--hash sha3-512 d/x", {"cid-version": "1", "raw-leaves": "true", "hash": "sha3-512"}),
        ("--rmin 1 --rmax 2 -n x --metadata a=b d/x", {"replication-min": "1", "name": "x", "meta-a": "b"}),
        ("--nocopy http://h/x", {"nocopy": "true", "raw-leaves": "true"}),
    ],
)
def test_what_follows_from_what(
    say: Say, peer: RestPeer, monkeypatch: pytest.MonkeyPatch, words: str, expected: dict[str, str]
) -> None:
    monkeypatch.setattr("pincrew.ctl.sources._downloaded", lambda _: iter([b"x"]))
    say(f"add {words}")
    assert expected.items() <= peer.asked[0].query.items()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("", "need at least one path"),
        ("nowhere", "lstat nowhere: no such file or directory"),
        ("d", "d is a directory, but Recursive option is not set"),
        ("-w --format car d/x", "only a single CAR file can be added"),
        ("--format car d/x d/x", "only a single CAR file can be added"),
        ("--nocopy d/x", "nocopy option is only valid for URLs"),
        ("--wait --no-pin d/x", "what is not pinned cannot be waited for"),
    ],
)
def test_what_cannot_be(say: Say, peer: RestPeer, words: str, says: str) -> None:
    said = say(f"add {words}")
    assert (said.code, said.out, peer.asked) == (1, "", [])
    assert said.err.startswith(f"error : {says}")


def test_an_error_behind_it(say: Say, peer: RestPeer) -> None:
    """What came is printed; what would be the whole is not known then."""
    peer.stream("POST", "/add", FILE, error="no peer took it")
    said = say("add -r d")
    assert said.code == 2 and said.out.splitlines()[0] == f"added {OTHER_CID} d/x"
    assert said.out.splitlines()[-1] == "  Message: no peer took it"
    assert OTHER_CID not in say("add -r -Q d").out
    assert OTHER_CID in say("add -r --no-stream d").out


def test_a_refusal(say: Say, peer: RestPeer) -> None:
    peer.on("POST", "/add", Told(400, b'{"code":400,"message":"layout parameter is invalid"}'))
    said = say("add --layout sideways d/x")
    assert (said.code, said.out.splitlines()[-1]) == (2, "  Message: layout parameter is invalid")


def test_wait(say: Say, peer: RestPeer) -> None:
    peer.on("GET", f"/allocations/{CID}", pin(replication_factor_min=1, replication_factor_max=1))
    peer.on("GET", f"/pins/{CID}", status("pinning", "pinning"), status("pinned", "pinning"))
    assert say("add -r --wait d").code == 0
    assert [asked.path for asked in peer.asked] == ["/add", f"/allocations/{CID}", f"/pins/{CID}", f"/pins/{CID}"]
    peer.on("GET", f"/allocations/{CID}", Told(404, b'{"code":404,"message":"no"}'))
    assert say("add -r --wait --rmin 1 d").code == 0
    peer.on("GET", f"/pins/{CID}", status("pinning"))
    assert say("add -r --wait --wait-timeout 5ms d").code == 62
