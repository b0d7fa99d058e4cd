"""Adding to a cluster of two curators, one on a Kubo, with a follower: whose nodes get the blocks, and what fails."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from pincrew.cid import cid_text, parse_cid
from pincrew.errors import PincrewError
from pincrew.kubo_process import KuboProcess
from pincrew.node.car import header_of, section_of
from pincrew.node.links import links_of
from pincrew.node.multihash import cid_of
from support.machines import Crew, Machine, crew_in, pins_of, read_content, until

pytestmark = [pytest.mark.slow, pytest.mark.kubo]
NAME = "films"


@dataclass
class Added:
    """What a request answered."""

    status: int
    lines: list[dict[str, Any]]

    @property
    def root(self) -> str:
        return str(self.lines[-1]["cid"])


@dataclass
class Two:
    """Two curators and a follower."""

    first: Machine
    second: Machine
    follower: Machine
    kubo: KuboProcess
    api: str

    def add(self, *contents: bytes, query: str = "", kind: str = "application/octet-stream") -> Added:
        """Add files at the first curator."""
        files = [("file", (f"part{number}", content, kind)) for number, content in enumerate(contents)]
        answer = httpx.post(f"{self.api}/add?{query}", files=files, timeout=60)
        return Added(answer.status_code, [json.loads(line) for line in answer.text.splitlines()])


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, kubo: KuboProcess) -> Iterator[Two]:
    with crew_in(tmp_path_factory.mktemp("adding")) as crew:
        yield _met(crew, kubo)


def _met(crew: Crew, kubo: KuboProcess) -> Two:
    first, second, follower = (crew.machine(name) for name in ("first", "second", "follower"))
    first.create(NAME, node="embedded")
    ready = first.serve(NAME, "--rest", "127.0.0.1:0")
    first.run("publish", "-o", "films.toml")
    document = str(first.folder / "films.toml")
    second.follow(document, node=kubo.url)
    first.run("trust", "add", second.client.ready(NAME).peer)
    until(lambda: second.client.trust(NAME).record == 1, "the second curator is named")
    second.serve(NAME, "--rest", "none")
    follower.follow(document, node="embedded")
    for machine in (first, second, follower):
        machine.until(NAME, lambda summary: summary.peers.connected > 1, f"{machine.name} has both neighbours")
    two = Two(first, second, follower, kubo, ready["api"])
    # The second one's network began anew as it became a curator's: what was connected may be gone a moment later.
    until(
        lambda: len(two.add(b"warm", query="no-pin=true").lines[-1]["allocations"]) == 2, "blocks reach both curators"
    )
    return two


def holds(machine: Machine, cid: str) -> bool:
    """Whether its own node has a block; it asks nobody else."""
    try:
        return bool(machine.node.object("block/stat", [("arg", cid), ("offline", "true")]))
    except PincrewError:
        return False


def test_blocks_go_to_every_curators_node_at_once_and_to_no_follower(two: Two) -> None:
    content = os.urandom(700_000)
    added = two.add(content, query="no-pin=true&cid-version=1")
    assert added.status == 200
    [line] = added.lines
    assert set(line["allocations"]) == {two.first.client.ready(NAME).peer, two.second.client.ready(NAME).peer}
    assert two.first.held(added.root) == content
    assert read_content(two.kubo, added.root) == content
    assert not holds(two.follower, added.root)
    assert added.root not in two.first.cids(NAME)


def test_what_was_added_is_pinned_by_all(two: Two) -> None:
    folder = two.add(b"one", b"two", query="wrap-with-directory=true&name=both&meta-kind=test")
    assert [line["name"] for line in folder.lines] == ["part0", "part1", ""]
    listed = httpx.get(f"{two.api}/allocations/{folder.root}").json()
    assert (listed["name"], listed["metadata"]) == ("both", {"kind": "test"})
    for machine in (two.first, two.second, two.follower):
        machine.until(NAME, lambda summary: summary.state == "complete" and summary.pins.pinned, "all has come")
        assert folder.root in machine.cids(NAME)
    several = two.add(b"three", b"four")
    assert {line["cid"] for line in several.lines} <= two.first.cids(NAME), "each of several files is pinned"


def test_content_for_one_peer_alone_goes_to_that_one(two: Two) -> None:
    second = two.second.client.ready(NAME).peer
    added = two.add(os.urandom(2_000), query=f"replication=1&user-allocations={second}&name=for+one")
    assert added.lines[-1]["allocations"] == [second]
    assert not holds(two.first, added.root)
    assert read_content(two.kubo, added.root)
    listed = httpx.get(f"{two.api}/allocations/{added.root}").json()
    assert (listed["allocations"], listed["replication_factor_min"]) == ([second], 1)
    states = httpx.get(f"{two.api}/pins/{added.root}").json()["peer_map"]
    assert states[two.first.client.ready(NAME).peer]["status"] == "remote"
    too_many = two.add(b"x", query="replication=9")
    assert (too_many.status, "Not enough peers" in too_many.lines[0]["message"]) == (409, True)


def test_what_peers_say_of_themselves_is_served_as_metrics(two: Two) -> None:
    assert {"freespace", "ping", "pinqueue"} <= set(httpx.get(f"{two.api}/monitor/metrics").json())
    pings = httpx.get(f"{two.api}/monitor/metrics/ping").json()
    assert {one["peer"] for one in pings} == {m.client.ready(NAME).peer for m in (two.first, two.second, two.follower)}
    assert all(one["valid"] and one["expire"] > one["received_at"] for one in pings)
    assert httpx.get(f"{two.api}/monitor/metrics/nothing").json() == []
    assert httpx.get(f"{two.api}/health/alerts").json() == []


def test_local_content_goes_nowhere_else(two: Two) -> None:
    added = two.add(os.urandom(1_000), query="local=true&no-pin=true")
    assert added.lines[-1]["allocations"] == [two.first.client.ready(NAME).peer]
    assert holds(two.first, added.root)
    offline = httpx.post(f"{two.kubo.url}/api/v0/block/stat?arg={added.root}&offline=true")
    assert offline.status_code == 500


def test_a_car_of_any_codec(two: Two) -> None:
    leaf = b"\x01\x55\x12\x20", b"a leaf"
    leaf_cid = cid_of(b"\x01\x55\x12\x20", leaf[1])
    node = b"\xa1\x61l\xd8\x2a\x58\x25\x00" + leaf_cid  # dag-cbor: {"l": leaf}
    root = cid_of(b"\x01\x71\x12\x20", node)
    car = header_of([root]) + section_of(leaf_cid, leaf[1]) + section_of(root, node)
    added = two.add(car, query="format=car&name=graph")
    assert added.status == 200
    assert added.root == cid_text(root)
    assert holds(two.first, cid_text(leaf_cid))
    assert httpx.post(f"{two.kubo.url}/api/v0/block/stat?arg={cid_text(leaf_cid)}&offline=true").status_code == 200
    no_root, cut = header_of([]) + section_of(leaf_cid, leaf[1]), car[:-3]
    for bad, why in ((no_root, "single root"), (cut, "CAR"), (b"junk", "CAR")):
        refused = two.add(bad, query="format=car")
        assert refused.status == 400, refused
        assert why in refused.lines[0]["message"]


def test_content_in_shards_is_kept_by_several_and_read_as_one(two: Two) -> None:
    """Each node keeps the blocks of its shards and no others: the folder of a file's blocks leads to all of them."""
    peers = {two.first.client.ready(NAME).peer, two.second.client.ready(NAME).peer}
    for _ in range(8):  # who keeps a shard is drawn
        content = os.urandom(3_000_000)
        added = two.add(content, query="shard=true&shard-size=600000&replication=1&name=film")
        assert added.status == 200, added
        *shards, cluster_dag, root = added.lines
        if {peer for one in shards for peer in one["allocations"]} == peers:
            break
    assert [one["name"] for one in shards] == [f"shard-{number}" for number in range(6)]
    assert (cluster_dag["name"], root["name"]) == ("film-clusterDAG", "part0")

    def pinned() -> bool:
        states = [httpx.get(f"{two.api}/pins/{one['cid']}").json()["peer_map"] for one in (*shards, cluster_dag)]
        wanted = [*(one["allocations"] for one in shards), peers]
        return all(
            kept[peer]["status"] == "pinned" for kept, all_of in zip(states, wanted, strict=True) for peer in all_of
        )

    until(pinned, "the shards and the list of them are pinned")
    status = httpx.get(f"{two.api}/pins/{added.root}").json()
    assert {info["status"] for info in status["peer_map"].values()} == {"sharded"} and len(status["peer_map"]) == 3

    def held(cid: str) -> set[str]:
        there = httpx.post(f"{two.kubo.url}/api/v0/block/stat?arg={cid}&offline=true").status_code == 200
        own = two.first.client.ready(NAME).peer
        return {own for _ in range(1) if holds(two.first, cid)} | (peers - {own} if there else set())

    blocks = {}
    for one in shards:
        shard = httpx.post(f"{two.kubo.url}/api/v0/block/get?arg={one['cid']}").content
        blocks.update({cid_text(leaf): set(one["allocations"]) for leaf in links_of(parse_cid(one["cid"]), shard)})
    assert len(blocks) == 13, "twelve of content, and their root"
    assert httpx.post(f"{two.api}/ipfs/gc", timeout=60).status_code == 200
    assert httpx.post(f"{two.kubo.url}/api/v0/repo/gc", timeout=60).status_code == 200
    assert {cid: held(cid) for cid in blocks} == blocks
    assert b"".join(two.follower.node.cat(added.root, offline=False)) == content
    assert httpx.post(f"{two.kubo.url}/api/v0/cat?arg={added.root}", timeout=60).content == content

    listed = [json.loads(line) for line in httpx.get(f"{two.api}/allocations?filter=shard-pin").text.splitlines()]
    ours = [one for one in listed if one["cid"] in {shard["cid"] for shard in shards}]
    assert [one["max_depth"] for one in ours] == [1] * 6
    refused = httpx.delete(f"{two.api}/pins/{shards[0]['cid']}")
    assert (refused.status_code, "Unpin content root" in refused.json()["message"]) == (409, True)
    everything = {one["cid"] for one in added.lines}
    assert everything <= two.first.cids(NAME)
    assert httpx.delete(f"{two.api}/pins/{added.root}").status_code == 200
    for machine in (two.first, two.second, two.follower):
        until(lambda machine=machine: not everything & machine.cids(NAME), "all of it is off the list")
    until(lambda: not everything & pins_of(two.kubo).keys(), "the node lets go of it")


def test_the_command_adds_in_shards(two: Two) -> None:
    (two.first.folder / "huge.bin").write_bytes(content := os.urandom(1_000_000))
    (added,) = two.first.json_lines("add", "huge.bin", "--shard", "--shard-size", "600KB")
    listed = httpx.get(f"{two.api}/allocations/{added['cid']}").json()
    assert (listed["type"], listed["name"], listed["max_depth"]) == ("meta-pin", "huge.bin", 0)
    assert b"".join(two.follower.node.cat(added["cid"], offline=False)) == content
    before = two.first.cids(NAME)
    two.first.run("state", "export", "-c", NAME, "-o", "with.json")
    assert "removed" in two.first.run("pin", "rm", added["cid"]).all
    gone = before - two.first.cids(NAME)
    assert len(gone) == 4 and {added["cid"], listed["reference"]} < gone
    two.first.run("state", "export", "-c", NAME, "-o", "without.json")
    # A state file has all of it, as single pins: an import puts each on the list, and takes each off.
    for file, expected in (("with.json", before), ("without.json", before - gone), ("with.json", before)):
        two.first.run("state", "import", file, "-c", NAME, "--replace", "--yes")
        assert two.first.cids(NAME) == expected
        assert "equal" in two.first.run("state", "verify", file, "-c", NAME).all
    assert httpx.delete(f"{two.api}/pins/{added['cid']}").json()["type"] == "meta-pin"
    assert two.first.cids(NAME) == before - gone


@pytest.mark.parametrize(
    "query",
    [
        "chunker=size-0",
        "cid-version=7",
        "raw-leaves=maybe",
        "format=zip",
        "layout=flat",
        "hash=md5",
        "nocopy=true",
        "shard=true&no-pin=true",
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_read(two: Two, query: str) -> None:
    before = two.first.cids(NAME)
    assert two.add(b"x", query=query).status == 400
    assert two.first.cids(NAME) == before


ADDED = {
    "--cid-version 0": ("--cid-version=0",),
    "--chunker size-1000 --layout trickle": ("--cid-version=1", "--chunker=size-1000", "--trickle"),
    "--chunker rabin-1024-2048-4096 --no-raw-leaves": (
        "--cid-version=1",
        "--chunker=rabin-1024-2048-4096",
        "--raw-leaves=false",
    ),
    "--hash sha3-512": ("--cid-version=1", "--hash=sha3-512"),
    "--wrap": ("--cid-version=1", "--wrap-with-directory"),
    "": ("--cid-version=1",),
}


@pytest.mark.parametrize("words", ADDED)
def test_the_command_gives_what_kubo_gives(two: Two, words: str) -> None:
    folder = two.first.folder / "things"
    (folder / "inside").mkdir(parents=True, exist_ok=True)
    (folder / "inside" / "a b.txt").write_bytes(bytes(range(256)) * 40)
    (folder / "ü.txt").write_bytes(b"short")
    (added,) = two.first.json_lines("add", "things", *words.split(), "--no-pin")
    expected = two.kubo.ipfs("add", "-Q", "-r", "--pin=false", *ADDED[words], str(folder)).decode().strip()
    assert (added["cid"], added["bytes"]) == (expected, 10_245)
    assert added["blocks"] and len(added["allocations"]) == 2
    assert expected not in two.first.cids(NAME)


def test_the_command_s_options_of_a_pin(two: Two) -> None:
    """One of the two keeps it, the one that was preferred: it is at once in that one's node, and not in the other's."""
    own, other = two.first.client.ready(NAME).peer, two.second.client.ready(NAME).peer
    (two.first.folder / "chosen.bin").write_bytes(content := os.urandom(300_000))
    words = ("--replication-min", "1", "--user-allocations", other, "--metadata", "kind=test", "--expire-in", "1d")
    (added,) = two.first.json_lines("add", "chosen.bin", *words)
    assert (added["allocations"], added["failed"], added["blocks"]) == ([other], {}, None)
    assert read_content(two.kubo, added["cid"]) == content
    listed = httpx.get(f"{two.api}/allocations/{added['cid']}").json()
    assert (listed["allocations"], listed["replication_factor_max"]) == ([other], 1)
    assert (listed["metadata"], listed["expire_at"][:4] > "2000") == ({"kind": "test"}, True)
    assert not holds(two.first, added["cid"])

    (two.first.folder / "near.bin").write_bytes(b"near")
    (local,) = two.first.json_lines("add", "near.bin", "--local")
    assert (local["allocations"], local["blocks"]) == ([own], 1)
    leaf = cid_of(b"\x01\x55\x12\x20", b"in a CAR")
    (two.first.folder / "some.car").write_bytes(header_of([leaf]) + section_of(leaf, b"in a CAR"))
    (car,) = two.first.json_lines("add", "some.car", "--format", "car", "--name", "packed")
    assert (car["cid"], car["name"]) == (cid_text(leaf), "packed")
    assert {local["cid"], car["cid"]} <= two.first.cids(NAME)


def test_what_the_command_cannot_add_is_told_and_nothing_is_listed(two: Two) -> None:
    before = two.first.cids(NAME)
    (two.first.folder / "fine.bin").write_bytes(os.urandom(10))
    (two.first.folder / "junk.car").write_bytes(b"junk")
    for words, why in (
        (("fine.bin", "--chunker", "size-0"), "A chunk has"),
        (("fine.bin", "--hash", "md5"), "md5"),
        (("fine.bin", "--replication-min", "9"), "9"),
        (("junk.car", "--format", "car"), "CAR"),
    ):
        said = two.first.run("add", *words, code=None)
        assert said.code in (1, 2) and said.out == "" and why in said.all, said
        assert "Nothing was put on the list" in said.all
    assert two.first.cids(NAME) == before


def test_a_follower_takes_nothing(two: Two) -> None:
    socket = two.follower.home.cluster(NAME).api_socket(two.follower.environment)
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(socket)), base_url="http://restapi") as client:
        answer = client.post("/add", files={"file": b"x"})
    assert answer.status_code == 403


def test_a_curator_that_dies_is_left_behind(two: Two) -> None:
    """The last test here: the second curator does not come back."""
    before = two.add(b"before it dies")
    assert len(before.lines[-1]["allocations"]) == 2
    sent = iter([os.urandom(300_000)] * 40)

    def body() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="big"\r\n\r\n'
        for number, piece in enumerate(sent):
            if number == 10:
                two.second.kill()
            yield piece
        yield b"\r\n--x--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = httpx.post(f"{two.api}/add?name=big", content=body(), headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text
    line = json.loads(answer.text.splitlines()[-1])
    root = line["cid"]
    assert line["allocations"] == [two.first.client.ready(NAME).peer]
    assert len(line["failed"]) == 1
    assert {root, before.root} <= two.first.cids(NAME)
    two.first.until_state(NAME, "complete")
    assert len(two.first.held(root)) == 12_000_000
