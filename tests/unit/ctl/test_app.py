"""From a command line to an exit code, and what is told where."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from pincrew import __version__
from pincrew.ctl import app
from support.rest_peer import RestPeer, Told, running_peer
from unit.ctl.conftest import Say
from unit.ctl.examples import identity

NOBODY = "/ip4/127.0.0.1/tcp/1"


@pytest.mark.parametrize("words", ["--help", "-h", "help", "h", ""])
def test_help_needs_no_peer(say: Say, peer: RestPeer, words: str) -> None:
    said = say(words, host="not even an address")
    assert (said.code, said.err, peer.asked) == (0, "", [])
    assert "USAGE:" in said.out and max(map(len, said.out.splitlines())) <= 80


def test_version_and_commands(say: Say) -> None:
    assert say("--version").out == f"ipfs-cluster-ctl version {__version__} (pincrew)\n"
    lines = say("commands").out.splitlines()
    assert {"ipfs-cluster-ctl id", "ipfs-cluster-ctl pin add", "ipfs-cluster-ctl commands"} <= set(lines)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ("foo", 3, "No help topic for 'foo'"),
        ("--bogus", 1, "Incorrect Usage: flag provided but not defined: -bogus\nSee `ipfs-cluster-ctl --help`."),
        ("--enc xml id", 1, "error : unsupported encoding"),
        ("--host foo id", 1, 'error parsing host multiaddress: failed to parse multiaddr "foo": must begin with /'),
        ("--secret xx id", 1, "error parsing secret: "),
    ],
)
def test_what_is_wrong_is_told_on_stderr(say: Say, words: str, code: int, says: str) -> None:
    said = say(words)
    assert (said.code, said.out) == (code, "")
    assert said.err.startswith(says)


def test_errors_of_peers_are_told_on_stdout(say: Say, peer: RestPeer) -> None:
    peer.on("GET", "/id", Told(500, b'{"code":500,"message":"broken"}'))
    said = say("id")
    assert (said.code, said.out, said.err) == (2, "An error occurred:\n  Code: 500\n  Message: broken\n", "")
    assert say("--enc json id").out == '{\n    "code": 500,\n    "message": "broken"\n}\n'
    said = say("id", host=NOBODY)
    assert (said.code, said.out.splitlines()[1], said.err) == (1, "  Code: 0", "")


def test_credentials_speak_tls_unless_forced(say: Say, peer: RestPeer) -> None:
    peer.on("GET", "/id", identity())
    assert say("--basic-auth me:x --force-http id").code == 0
    assert peer.asked[-1].headers["Authorization"] == "Basic bWU6eA=="
    environment = {"CLUSTER_CREDENTIALS": "me:y"}
    assert say("-f id", environment=environment).code == 0
    assert peer.asked[-1].headers["Authorization"] == "Basic bWU6eQ=="
    said = say("id", environment=environment)
    assert said.code == 1 and "https://" in said.out and "me:y" not in said.out
    say("id")
    assert "Authorization" not in peer.asked[-1].headers


def test_the_certificate_is_checked_unless_told_otherwise() -> None:
    assert app._tls(is_checked=True).check_hostname
    assert not app._tls(is_checked=False).check_hostname


def test_a_time_limit(say: Say) -> None:
    with running_peer() as silent:
        silent.takes = lambda handler: bool(handler.rfile.read(1)) or True  # nothing comes: it waits for ever
        said = say("--timeout 1 id", host=silent.host)
    assert said.code == 1 and "took too long" in said.out


def test_a_fault_of_ours_is_told_without_a_traceback(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(app, "_carried_out", failing)
    said = say("id")
    assert (said.code, said.out) == (1, "")
    assert said.err == "error : something went wrong inside pincrew: ZeroDivisionError: a bug\n"
    with pytest.raises(ZeroDivisionError):
        say("--debug id")


def test_ctrl_c(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(app, "_carried_out", interrupted)
    assert say("id").code == 130


@pytest.mark.slow
def test_a_reader_that_has_seen_enough(peer: RestPeer) -> None:
    peer.stream("GET", "/peers", *[identity()] * 2_000)
    words = [sys.executable, "-P", "-m", "pincrew.ctl", "--host", peer.host, "peers", "ls"]
    reading, writing = os.pipe()
    with subprocess.Popen(words, stdout=writing, stderr=subprocess.PIPE, text=True) as process:
        os.close(writing)
        os.read(reading, 100)
        os.close(reading)
        assert process.communicate(timeout=60)[1] == ""
        assert process.returncode == 1
