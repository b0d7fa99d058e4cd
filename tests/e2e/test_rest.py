"""ipfs-cluster's REST API of real daemons: a served curator on TCP, a follower on its socket, fake nodes.

Who asks is `pincrew ctl`, and in long runs ipfs-cluster's own ctl.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from pincrew.cid import parse_cid
from pincrew.rest_listener import REST_DEFAULT
from support.fake_node import FakeKubo, Orders, fake_kubo_in_thread
from support.ipfs_cluster import NO_IPFS_CLUSTER, find_ipfs_cluster
from support.machines import Crew, Machine, made_up_cids, until

pytestmark = pytest.mark.slow
HELD, LOST, LATER, ABSENT = made_up_cids(4, "rest")
NAME = "books"
NODES = ("12D3KooWGq5nsTpFdAY44weeuW6v6x8y2ZY9xUZZ1pRHDPEhczMk", "12D3KooWMmryrP3X2SqSvhnWhBuYMR4v91geXQqaoA7PuPU9zjFa")


@dataclass(frozen=True)
class Ctl:
    """A program with ipfs-cluster-ctl's grammar, and whom it asks."""

    program: tuple[str, ...]
    host: str

    def say(self, *words: str) -> tuple[int, str, str]:
        """Return exit code and both streams."""
        environment = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "LANG": "C.UTF-8"}
        command = [*self.program, "--host", self.host, "--enc=json", *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout, done.stderr

    def ask(self, *words: str) -> list[Any]:
        """Return what is answered, as a list of objects."""
        code, out, err = self.say(*words)
        assert code == 0, (words, out, err)
        decoder, found, at = json.JSONDecoder(), [], 0
        while at < len(out.rstrip()):
            value, at = decoder.raw_decode(out, at + len(out[at:]) - len(out[at:].lstrip()))
            found += value if isinstance(value, list) else [value]
        return found

    def statuses(self, *words: str) -> dict[str, dict[str, str]]:
        """Return words by CID and peer."""
        found = self.ask("status", *words)
        return {one["cid"]: {peer: info["status"] for peer, info in one["peer_map"].items()} for one in found}


@pytest.fixture(params=["ours", pytest.param("theirs", marks=[pytest.mark.long, pytest.mark.ipfs_cluster])])
def program(request: pytest.FixtureRequest) -> tuple[str, ...]:
    if request.param == "ours":
        return (sys.executable, "-P", "-m", "pincrew.ctl")
    service = find_ipfs_cluster()
    if service is None:
        pytest.skip(NO_IPFS_CLUSTER)
    return (str(service.with_name("ipfs-cluster-ctl")),)


@pytest.fixture
def nodes() -> Iterator[tuple[FakeKubo, FakeKubo]]:
    with fake_kubo_in_thread(NODES[0]) as one, fake_kubo_in_thread(NODES[1]) as other:
        yield one, other


def multiaddr(url: str) -> str:
    parts = urlsplit(url)
    return f"/ip4/{parts.hostname}/tcp/{parts.port}"


def socket_of(machine: Machine) -> Path:
    return machine.home.cluster(NAME).api_socket(machine.environment)


def test_a_curator_and_a_follower(crew: Crew, nodes: tuple[FakeKubo, FakeKubo], program: tuple[str, ...]) -> None:
    ana, ben = crew.machine("ana"), crew.machine("ben")
    ana.create(NAME, "--peer-name", "ana", node=f"127.0.0.1:{nodes[0].port}")
    ready = ana.serve(NAME, "--rest", "127.0.0.1:0")
    ana.run("publish", "-o", "books.toml")
    ben.follow(str(ana.folder / "books.toml"), "--peer-name", "ben", node=f"127.0.0.1:{nodes[1].port}")
    curator, follower = Ctl(program, multiaddr(ready["api"])), Ctl(program, f"/unix{socket_of(ben)}")
    ids = ana.client.ready(NAME).peer, ben.client.ready(NAME).peer
    until(lambda: len(curator.ask("peers", "ls")) == 2, "both are there")

    nodes[1].orders[parse_cid(LOST)] = Orders(refuse="nobody has it")
    [pinned] = curator.ask("pin", "add", "--name", "held", "--metadata", "a=b", "--no-status", HELD)
    assert (pinned["cid"], pinned["name"], pinned["metadata"]) == (HELD, "held", {"a": "b"})
    curator.ask("pin", "add", "--no-status", LOST)
    ben.until(NAME, lambda summary: (summary.pins.pinned, summary.pins.error) == (1, 1), "one came, one failed")

    # Both read.
    for ctl, own in ((curator, ids[0]), (follower, ids[1])):
        assert ctl.ask("id")[0]["id"] == own
        assert {one["id"] for one in ctl.ask("peers", "ls")} == set(ids)
        assert {one["peername"] for one in ctl.ask("peers", "ls")} == {"ana", "ben"}
        assert {one["cid"] for one in ctl.ask("pin", "ls")} == {HELD, LOST}
        assert ctl.ask("pin", "ls", HELD)[0]["name"] == "held"
    until(lambda: "pinning" not in str(curator.statuses()), "the curator has them")
    both = {HELD: dict.fromkeys(ids, "pinned"), LOST: dict(zip(ids, ("pinned", "pin_error"), strict=True))}
    assert curator.statuses() == both
    assert curator.statuses("--filter", "error") == {LOST: {ids[1]: "pin_error"}}
    assert follower.statuses() == {cid: {ids[1]: at[ids[1]]} for cid, at in both.items()}, "it asks nobody"
    assert curator.statuses(ABSENT) == {ABSENT: dict.fromkeys(ids, "unpinned")}

    # One writes.
    for words in (("pin", "add", LATER), ("pin", "rm", HELD), ("pin", "update", HELD, LATER)):
        code, out, err = follower.say(*words)
        assert code == 2 and "403" in out + err and "follows" in out + err
    code, out, err = curator.say("pin", "rm", ABSENT)
    assert code == 2 and "pin is not part of the pinset" in out + err

    # What failed comes again, from wherever that is asked.
    del nodes[1].orders[parse_cid(LOST)]
    curator.ask("recover", LOST)
    until(lambda: curator.statuses(LOST)[LOST][ids[1]] == "pinned", "it came")
    nodes[1].orders[parse_cid(LATER)] = Orders(refuse="nobody has it")
    curator.ask("pin", "add", "--no-status", LATER)
    ben.until(NAME, lambda summary: summary.pins.error == 1, "it failed")
    nodes[1].orders.clear()
    assert [one["cid"] for one in follower.ask("recover", "--local")] == [LATER]
    ben.until(NAME, lambda summary: summary.pins.pinned == 3, "it came")

    # A crash, and what is left of it.
    ben.kill()
    assert socket_of(ben).exists() and follower.say("id")[0] != 0
    until(lambda: set(curator.statuses(HELD)[HELD]) == {ids[0]}, "the curator knows that it is gone")
    ben.run_daemon()
    ben.until(NAME, lambda summary: summary.peers.connected == 1, "it is back")
    assert {one["cid"] for one in follower.ask("pin", "ls")} == {HELD, LOST, LATER}
    curator.ask("pin", "rm", "--no-status", HELD)
    until(lambda: HELD not in {one["cid"] for one in follower.ask("pin", "ls")}, "it is off the list everywhere")


def test_two_served_on_one_machine_and_an_address_that_is_taken(crew: Crew) -> None:
    ana, ben = crew.machine("ana"), crew.machine("ben")
    host, _, port = REST_DEFAULT.partition(":")
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):  # somebody else has it: all the better
            taken.bind((host, int(port)))
            taken.listen()
        ana.create(NAME)
        url = ana.serve(NAME)["api"]
        assert url.startswith(f"http://{host}:") and not url.endswith(f":{port}")
    peer = ana.client.ready(NAME).peer
    assert httpx.get(f"{url}/id").json()["id"] == peer
    ben.create(NAME)
    said = ben.run("serve", NAME, "--rest", url.removeprefix("http://"), code=1)
    assert "Nothing can listen on" in said.err and "--rest HOST:PORT" in said.all and said.out == ""
    assert "HOST:PORT" in ben.run("serve", NAME, "--rest", "nonsense", code=2).all
    assert "could change the list" in ben.run("serve", NAME, "--rest", "0.0.0.0:0", code=2).all
    ben.run_daemon()
    assert ben.client.ready(NAME).api.startswith("unix:"), "who runs it unserved has it on its socket alone"
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(socket_of(ben)))) as client:
        assert client.get("http://restapi/version").status_code == 200
    ben.stop()
    assert not socket_of(ben).exists()
