"""ipfs-cluster's npm client against a served cluster: every method that it has, as a web service calls them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pincrew.cid import cid_text
from pincrew.node.car import header_of, section_of
from pincrew.node.multihash import cid_of
from support.machines import Machine, crew_in, made_up_cids, until
from support.npm_client import NO_NPM_CLIENT, NpmClient, Rejected, blob, file, find_npm_client, moment, npm_client

pytestmark = pytest.mark.slow
NAME = "uploads"
(LOST,) = made_up_cids(1, "npm")


@pytest.fixture(scope="module")
def package() -> Path:
    found = find_npm_client()
    if found is None:
        pytest.skip(NO_NPM_CLIENT)
    return found


@dataclass
class Served:
    """A curator with pincrew's own node, and a client that asks it."""

    machine: Machine
    api: str
    client: NpmClient

    @property
    def peer(self) -> str:
        return self.machine.client.ready(NAME).peer

    def held(self, cid: str) -> bytes:
        return self.machine.held(cid)

    def pinned(self, cid: str) -> bool:
        """Whether the peer says so, as the client reads it."""
        return self.client.call("status", cid)["peerMap"][self.peer]["status"] == "pinned"  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def served(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with crew_in(tmp_path_factory.mktemp("npm")) as crew:
        machine = crew.machine("ana")
        machine.create(NAME, "--peer-name", "ana", node="embedded")
        api = machine.serve(NAME, "--rest", "127.0.0.1:0")["api"]
        machine.until(NAME, lambda summary: summary.node.state == "up", "the node is there")
        with npm_client(package, api) as client:
            until(lambda: "freespace" in client.call("metricNames"), "it is known how much the peer can keep")
            yield Served(machine, api, client)


def test_who_is_there(served: Served) -> None:
    info = served.client.call("info")
    assert (info["id"], info["peerName"]) == (served.peer, "ana")
    assert info["ipfs"]["id"] == served.machine.json("node", "status")["peer_id"]
    assert served.client.call("version") == info["version"]
    assert [peer["id"] for peer in served.client.call("peerList")] == [served.peer]
    assert {"ping", "freespace"} <= set(served.client.call("metricNames"))


def test_a_file_is_added_pinned_found_and_taken_off(served: Served) -> None:
    options = {"name": "greeting", "metadata": {"kind": "test"}, "expireAt": moment("2100-01-01T00:00:00Z")}
    added = served.client.call("add", file("hello", "hello.txt", "text/plain"), options)
    assert added["name"] == "hello.txt" and added["cid"].startswith("bafkrei"), "version 1 and raw leaves"
    assert served.held(added["cid"]) == b"hello"
    until(lambda: served.pinned(added["cid"]), "it is pinned")
    allocation = served.client.call("allocation", added["cid"])
    assert (allocation["name"], allocation["metadata"]) == ("greeting", {"kind": "test"})
    assert allocation["expireAt"] == "2100-01-01T00:00:00.000Z"
    assert (allocation["replicationFactorMin"], allocation["type"]) == (-1, "pin")

    assert served.client.call("unpin", added["cid"])["name"] == "greeting"
    with pytest.raises(Rejected) as rejected:
        served.client.call("allocation", added["cid"])
    assert rejected.value.status == 404
    until(lambda: served.client.call("status", added["cid"])["peerMap"][served.peer]["status"] == "unpinned", "gone")


def test_options_of_adding_hold(served: Served) -> None:
    content = file("x" * 3_000, "x.bin")
    usual = served.client.call("add", content, {"cidVersion": 0, "rawLeaves": False})
    assert usual["cid"].startswith("Qm")
    other = {"chunker": "size-1024", "layout": "trickle", "hashFun": "sha3-512", "local": True, "noPin": True}
    assert served.client.call("add", content, other)["cid"] not in (usual["cid"], LOST)
    streamed = served.client.call("add", content, {"streamChannels": True})
    assert served.held(streamed["cid"]) == b"x" * 3_000
    unnamed = served.client.call("add", blob(b"has no name"))
    assert served.held(unnamed["cid"]) == b"has no name"


def test_a_folder_is_added(served: Served) -> None:
    files = [file("one", "one.txt"), file("{}", "inside/two.json", "application/json"), file("drei", "inside/ü %.txt")]
    added = served.client.call("addDirectory", files, {"name": "folder"})
    assert {one["name"] for one in added} >= {"one.txt", "inside/two.json", "inside/ü %.txt", "inside", ""}
    root = added[-1]["cid"]
    assert served.held(f"{root}/inside/two.json") == b"{}" and served.held(f"{root}/inside/ü %.txt") == b"drei"
    assert served.client.call("allocation", root)["name"] == "folder"


def test_a_car_is_added(served: Served) -> None:
    leaf = cid_of(b"\x01\x55\x12\x20", data := b"out of a CAR")
    added = served.client.call("addCAR", blob(header_of([leaf]) + section_of(leaf, data)), {"name": "car"})
    assert added["cid"] == cid_text(leaf) and added["bytes"] == len(data)
    assert served.held(added["cid"]) == data
    with pytest.raises(Rejected) as rejected:
        served.client.call("addCAR", blob(b"no CAR"))
    assert rejected.value.status == 400


def test_pins_are_made_listed_and_tried_again(served: Served) -> None:
    pinned = served.client.call("pin", LOST, {"name": "lost", "replicationFactorMin": 1, "replicationFactorMax": 1})
    assert (pinned["cid"], pinned["name"], pinned["replicationFactorMax"]) == (LOST, "lost", 1)
    assert pinned["allocations"] == [served.peer]
    waiting = ["pinning", "pin_queued"]
    until(lambda: served.client.call("statusAll", {"filter": waiting})[0]["cid"] == LOST, "it is tried")
    [one] = served.client.call("statusAll", {"cids": [LOST], "local": True})
    assert one["name"] == "lost" and one["peerMap"][served.peer]["status"] in waiting
    assert served.client.call("recover", LOST, {"local": True})["cid"] == LOST
    everything = {one["cid"] for one in served.client.call("statusAll")}
    assert LOST in everything
    known = served.client.call("add", file("by its path", "path.txt"))["cid"]
    assert served.client.call("pin", f"/ipfs/{known}", {"name": "by path"})["cid"] == known
    assert served.client.call("unpin", f"/ipfs/{known}")["cid"] == known
    served.client.call("unpin", LOST)
    with pytest.raises(Rejected) as rejected:
        served.client.call("pin", "no-cid")
    assert rejected.value.status == 400


def test_a_token_is_shown_in_a_header(served: Served, package: Path) -> None:
    token = served.machine.run("token", "new", "--scope", "read").out.strip()
    with pytest.raises(Rejected) as rejected:
        served.client.call("info")
    assert rejected.value.status == 401
    with npm_client(package, served.api, {"authorization": f"Bearer {token}"}) as reader:
        assert reader.call("info")["id"] == served.peer
        with pytest.raises(Rejected) as rejected:
            reader.call("add", file("x", "x"))
        assert rejected.value.status == 403
