"""An embedded node that meets bad DAGs, bad CARs, a dying disk, a full one, and limits that change while it runs.

PINCREW_MEASURED_S says over how long bandwidth is measured (10 and more by hand).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from random import Random

import httpx
import pytest
import trio

from pincrew.cid import cid_text, parse_cid
from pincrew.errors import BlockCorrupt, Malformed, Misuse, NoRoom, NotFound, StoreFault
from pincrew.node import dag_pb
from pincrew.node.car import header_of, section_of
from pincrew.node.dag_pb import Link
from pincrew.node.importing import FileEntry, FolderEntry
from pincrew.node.links import links_of
from pincrew.node.multihash import DAG_PB, RAW, cid_from, cid_of, multihash_of
from pincrew.node.node import EmbeddedNode
from pincrew.node.protobuf import varint
from pincrew.node.store import BlockStore, Pin
from pincrew.node.store.collecting import Phase
from pincrew.node.unixfs import Data, Kind
from pincrew.node.unixfs import encode as unixfs
from support.attacked_node import NodeProcess, hold, node_process, running_node
from support.bitswap_attacker import made_up_cids
from support.crew import trio_test
from support.dags import LEAF, NODE, Dag, leaf, node, tree
from support.kubo_process import KuboProcess
from support.small_disk import SmallDisk, small_disk
from support.trees import Item, body_of, random_tree

pytestmark = pytest.mark.slow

MIB = 1024 * 1024
PATIENCE_S = 30.0
MEASURED_S = float(os.environ.get("PINCREW_MEASURED_S", "5"))
MEMORY_BYTES_MAX = 300 * MIB


async def keep(one: EmbeddedNode, dag: Dag) -> None:
    """Put the blocks of a DAG into a node's store."""
    with one.lease() as lease:
        await one.put_many(dag.leaves_first(), lease=lease)


async def befriend(one: EmbeddedNode, other: EmbeddedNode) -> None:
    await one.connect(other.identity().addresses[0])


# ---- DAGs -------------------------------------------------------------------------------------------------------


@trio_test
async def test_a_chain_that_is_twenty_thousand_deep(tmp_path: Path) -> None:
    """Pinned, collected around, and none of it in the way of the call stack."""
    async with running_node(tmp_path) as one:
        below, blocks = leaf("the end").root, [leaf("the end").block]
        for number in range(20_000):
            data = dag_pb.encode([Link(below, b"", 0), Link(leaf("beside").root, b"", 0)], b"%d" % number)
            below = cid_of(NODE, data)
            blocks.append((multihash_of(below), data))
        blocks.append(leaf("beside").block)
        with one.lease() as lease:
            await one.put_many(blocks, lease=lease)
        await one.pin(below, offline=True)
        await hold(one, b"garbage")
        gone = []
        async with one.collect() as collection:
            async for some in collection:
                gone += some
        assert len(gone) == 1
        assert await one.count() == 20_002


def test_fan_out_without_bounds_takes_no_memory(tmp_path: Path) -> None:
    """Nodes that each link to as much as fits into a block, of which nobody has anything."""

    def wide(seed: int, *first: bytes) -> bytes:
        return dag_pb.encode([Link(cid, b"", 0) for cid in (*first, *made_up_cids(46_000, seed))], None)

    with node_process(tmp_path / "source") as source, node_process(tmp_path / "victim") as victim:
        victim.ask("swarm/connect", arg=source.address)
        children = [wide(seed) for seed in range(30)]
        cids = [cid_of(NODE, data) for data in children]
        for data in (*children, root := wide(99, *cids)):
            put = source.ask("block/put", data=data, **{"cid-codec": "dag-pb"})
            assert put.status_code == 200, put.text
        said = victim.ask("pin/add", arg=cid_text(cid_of(NODE, root)), progress="true", timeout="10s")
        assert "deadline" in said.text
        # All that there is of it has come.
        assert json.loads(said.text.splitlines()[-2])["Progress"] == 31
        assert victim.peak_bytes < MEMORY_BYTES_MAX, victim.peak_bytes // MIB
        assert source.peak_bytes < MEMORY_BYTES_MAX, source.peak_bytes // MIB
        assert victim.ask("id").status_code == 200


@trio_test
async def test_dags_that_cannot_be_kept_are_refused_in_words(tmp_path: Path) -> None:
    async with running_node(tmp_path) as one:
        [strange] = await hold(one, b"of a codec that nobody knows")
        strange = cid_from(0x9999, multihash_of(strange))
        top = dag_pb.encode([Link(strange, b"", 0)], None)
        [torn] = await hold(one, b"\xff\xff\xff")
        with one.lease() as lease:
            await one.put_many([(multihash_of(cid_of(NODE, top)), top)], lease=lease)
        for cid in (strange, cid_of(NODE, top)):
            with pytest.raises(Misuse, match="codec 0x9999"):
                await one.pin(cid)
        with pytest.raises(Malformed):
            await one.pin(cid_from(DAG_PB, multihash_of(torn)))
        assert await one.pins() == []


@trio_test
async def test_identity_cids_are_here_always(tmp_path: Path) -> None:
    inner = cid_from(RAW, b"\x00\x05inner")
    middle_data = dag_pb.encode([Link(inner, b"", 5)], unixfs(Data(Kind.FILE, None, 5, (5,))))
    middle = cid_from(DAG_PB, b"\x00" + varint(len(middle_data)) + middle_data)
    top = node(Dag(middle, middle_data), says="top")
    async with running_node(tmp_path / "1", 1) as one, running_node(tmp_path / "2", 2) as two:
        await one.pin(middle)
        assert await one.get(inner, offline=True) == b"inner"
        with one.lease() as lease:
            await one.put_many([top.block], lease=lease)
        await befriend(two, one)
        with trio.fail_after(PATIENCE_S):
            await two.pin(top.root)
        assert await two.count() == 1


# ---- UnixFS that lies, and CARs, through the doors --------------------------------------------------------------


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    """A node that knows nobody."""
    with node_process(tmp_path_factory.mktemp("alone")) as process:
        yield process


def put(process: NodeProcess, data: bytes, codec: str = "raw") -> str:
    answer = process.ask("block/put", data=data, **{"cid-codec": codec})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["Key"])


ONE, TWO = b"1" * 300_000, b"2" * 300_000
LIES = {
    "more than there is": ((300_000, 400_000), 700_000),
    "less than there is": ((300_000, 200_000), 500_000),
    "sizes that do not add up": ((300_000, 300_000), 700_000),
    "a first part that is longer": ((200_000, 400_000), 600_000),
    "sizes that run over": ((2**63, 2**63 + 600_000), 600_000),
    "too few sizes": ((300_000,), 300_000),
}


@pytest.mark.parametrize(("sizes", "size"), LIES.values(), ids=LIES)
@pytest.mark.parametrize("door", ["cat", "gateway"])
def test_files_that_lie_about_their_sizes_are_never_taken_for_whole(
    alone: NodeProcess, sizes: tuple[int, ...], size: int, door: str
) -> None:
    links = [Link(parse_cid(put(alone, data)), b"", len(data)) for data in (ONE, TWO)]
    root = put(alone, dag_pb.encode(links, unixfs(Data(Kind.FILE, None, size, sizes))), "dag-pb")
    got = bytearray()
    with pytest.raises((httpx.HTTPError, AssertionError)):
        url = f"{alone.url}/api/v0/cat?arg={root}" if door == "cat" else f"{alone.gateway}/ipfs/{root}"
        with httpx.stream("POST" if door == "cat" else "GET", url, timeout=PATIENCE_S) as answer:
            assert answer.status_code == 200
            for piece in answer.iter_raw():
                got += piece
    assert (ONE + TWO).startswith(got)


WRONG_CARS = {
    "a wrong hash": "does not match",
    "cut short in a block": "cut short|unexpected",
    "cut short in a header": "cut short|unexpected",
    "nothing": "",
    "a header of a gigabyte": "",
    "a header that is none": "",
    "a section of a gigabyte": "",
    "a version that there is not": "",
    "version 2 that begins in itself": "",
    "version 2 that begins behind its end": "",
    "version 2 that is longer than it is": "",
    "version 2 that ends in a block": "",
    "without a block below the root": "not here",
    "without the root": "not here",
}


def wrong_car(kind: str) -> bytes:
    """Return a CAR with content of its own that is wrong in this way."""
    good = [leaf("one " + kind), leaf("two " + kind, 5_000)]
    top = node(*good, says=kind)
    header = header_of([top.root])
    blocks = b"".join(section_of(one.root, one.data) for one in (top, *good))
    wrong = section_of(good[0].root, b"another content")
    whole = header + blocks
    v2 = b"\x0a\xa1\x67version\x02" + bytes(16)

    def offsets(start: int, size: int) -> bytes:
        return v2 + b"".join(value.to_bytes(8, "little") for value in (start, size, 0)) + whole

    return {
        "a wrong hash": header + section_of(top.root, top.data) + wrong,
        "cut short in a block": whole[:-100],
        "cut short in a header": header[: len(header) // 2],
        "nothing": b"",
        "a header of a gigabyte": varint(2**30) + bytes(100),
        "a header that is none": b"\x05\xff\xff\xff\xff\xff" + blocks,
        "a section of a gigabyte": header + varint(2**30) + bytes(100),
        "a version that there is not": b"\x0a\xa1\x67version\x09" + blocks,
        "version 2 that begins in itself": offsets(3, len(whole)),
        "version 2 that begins behind its end": offsets(2**62, len(whole)),
        "version 2 that is longer than it is": offsets(51, len(whole) + 1_000),
        "version 2 that ends in a block": offsets(51, len(whole) - 10),
        "without a block below the root": header + section_of(top.root, top.data),
        "without the root": header + b"".join(section_of(one.root, one.data) for one in good),
    }[kind]


@pytest.mark.parametrize("kind", WRONG_CARS)
def test_cars_that_are_wrong_pin_nothing(alone: NodeProcess, kind: str) -> None:
    answer = alone.ask("dag/import", data=wrong_car(kind))
    lines = [json.loads(line) for line in answer.text.splitlines()]
    said = [line.get("Message") or line.get("Root", {}).get("PinErrorMsg", "") for line in lines]
    assert any(said), answer.text
    assert re.search(WRONG_CARS[kind], " ".join(said)), said
    assert alone.ask("pin/ls").json()["Keys"] == {}
    assert alone.ask("id").status_code == 200


def test_a_block_that_is_too_large_is_refused(alone: NodeProcess) -> None:
    for answer in (
        alone.ask("block/put", data=bytes(2 * MIB + 1)),
        alone.ask("dag/import", data=header_of([]) + section_of(cid_of(LEAF, bytes(2 * MIB + 1)), bytes(2 * MIB + 1))),
    ):
        said = answer.text
        assert "larger" in said or "bytes" in said, said
        assert '"Type":"error"' in said.replace(" ", "")
    assert alone.ask("block/put", data=bytes(2 * MIB)).status_code == 200


# ---- Kubo as the oracle -----------------------------------------------------------------------------------------


@pytest.mark.kubo
@pytest.mark.parametrize("seed", range(3))
def test_random_trees_have_one_root_and_each_fetches_and_lists_the_others(
    tmp_path: Path, kubo: KuboProcess, seed: int
) -> None:
    """Through the doors of both: what the one added, the other one gets, listed alike and byte by byte."""
    address = next(each for each in json.loads(kubo.ipfs("id"))["Addresses"] if each.startswith("/ip4/127.0.0.1/tcp/"))
    with node_process(tmp_path) as one:
        assert one.ask("swarm/connect", arg=address).status_code == 200
        for adder, other in ((one.url, kubo.url), (kubo.url, one.url)):
            items = random_tree(Random(f"{seed} {adder}"), sizes=(0, 1, 4_000, 700_000))
            root = added(adder, items)
            for item in items:
                below = item.path.partition("/")[2]
                path = f"{root}/{below}" if below else root
                if item.kind is FolderEntry:
                    listed = [ask(url, "ls", path).json()["Objects"][0]["Links"] for url in (other, adder)]
                    assert listed[0] == listed[1]
                elif item.kind is FileEntry:
                    assert ask(other, "cat", path).content == item.content
            assert ask(other, "pin/add", root).status_code == 200
            assert added(other, items) == root


def added(url: str, items: list[Item]) -> str:
    """Add a tree; return the CID of its root."""
    answer = httpx.post(
        f"{url}/api/v0/add?cid-version=1&quieter=true&pin=false",
        content=b"".join(body_of(items, "0123456789")),
        headers={"Content-Type": "multipart/form-data; boundary=0123456789"},
        timeout=PATIENCE_S,
    )
    assert answer.status_code == 200, answer.text
    return str(json.loads(answer.text.splitlines()[-1])["Hash"])


def ask(url: str, command: str, path: str) -> httpx.Response:
    return httpx.post(f"{url}/api/v0/{command}", params={"arg": path}, timeout=PATIENCE_S)


# ---- a dying disk -----------------------------------------------------------------------------------------------


def spoil(path: Path, content: bytes) -> None:
    """Flip a bit wherever ``content`` stands in a file: SQLite leaves copies behind when it moves pages."""
    data = path.read_bytes()
    assert content in data
    path.write_bytes(data.replace(content, bytes([content[0] ^ 1]) + content[1:]))


def marked(number: int, size: int = 3_000) -> bytes:
    return Random(f"spoilt {number}").randbytes(size)


@trio_test
async def test_a_spoilt_block_is_never_served_and_comes_back(tmp_path: Path) -> None:
    """Spoilt while the node was down: other nodes get nothing, then the right block once a third one has it."""
    (tmp_path / "1").mkdir()
    contents = [marked(number) for number in range(6)]
    dag = node(*(Dag(cid_of(LEAF, data), data) for data in contents), says="spoilt")
    async with running_node(tmp_path / "1") as one:
        await keep(one, dag)
        await one.pin(dag.root, offline=True)
    for content in contents[:4]:
        spoil(tmp_path / "1" / "blocks.db", content[:64])
    cids = [child.root for child in dag.children]
    async with running_node(tmp_path / "1") as one, running_node(tmp_path / "2", 2) as two:
        await befriend(two, one)
        with trio.move_on_after(2) as waited:
            await two.get(cids[0])
        assert waited.cancelled_caught, "what is spoilt was sent to nobody"
        for cid in cids[1:2]:
            with pytest.raises(BlockCorrupt):
                await one.get(cid, offline=True)
        found: list[bytes] = []
        after: int | None = 0
        while after is not None:
            state = await one.verify(after)
            found += state.damaged
            after = state.last
        assert set(found) == {multihash_of(cid) for cid in cids[2:4]}
        assert await one.pin_of(dag.root), "the pin stands"
        for cid, content in zip(cids[4:], contents[4:], strict=True):
            assert await two.get(cid) == content

        async with running_node(tmp_path / "3", 3) as three:
            await keep(three, dag)
            await befriend(one, three)
            with trio.fail_after(PATIENCE_S):
                assert await one.get(cids[0]) == contents[0]
                assert await one._housekeeping.refetch() == 3
                assert [await one.get(cid, offline=True) for cid in cids] == contents
                assert await one._blocks.lost() == []
                assert await two.get(cids[3]) == contents[3]


@trio_test
async def test_a_block_that_is_spoilt_while_it_is_in_use(tmp_path: Path) -> None:
    contents = [marked(number, 200_000) for number in range(4)]
    async with running_node(tmp_path / "1") as one, running_node(tmp_path / "2", 2) as two:
        cids = await hold(one, *contents)
        await hold(two, *contents[:2])
        one._blocks._store._file.empty_log()
        for content in contents[:3]:
            spoil_in_place(tmp_path / "1" / "blocks.db", content[:64])
        await befriend(one, two)
        with trio.fail_after(PATIENCE_S):
            for cid, content in zip(cids[:2], contents[:2], strict=True):
                assert await one.get(cid) == content, "from the other node"
        # What SQLite still held in memory is written anew; else it is gone. It is never anything else.
        with suppress(BlockCorrupt, NotFound):
            assert await one.get(cids[2], offline=True) == contents[2]
        assert await one.get(cids[3], offline=True) == contents[3]


def spoil_in_place(path: Path, content: bytes) -> None:
    at = path.read_bytes().index(content)
    with path.open("r+b") as file:
        file.seek(at)
        file.write(bytes([content[0] ^ 1]))


@pytest.mark.parametrize("seed", range(40))
def test_bytes_flipped_anywhere_are_an_error_or_nothing(tmp_path: Path, seed: int) -> None:
    """Never another content, whatever the damage; what cannot be opened says so in words."""
    path, random = tmp_path / "blocks.db", Random(seed)
    dag = tree("t", 2, 6, 2_000)
    store = BlockStore(path)
    with store.lease() as lease:
        store.put_many(dag.leaves_first(), lease=lease)
        store.pins.complete([Pin(dag.root, True, "named")])
    store.close()
    data = bytearray(path.read_bytes())
    for _ in range(random.choice([1, 5, 100])):
        data[random.randrange(0 if seed % 5 == 0 else 4_096, len(data))] ^= 1 << random.randrange(8)
    path.write_bytes(data)
    try:
        store = BlockStore(path)
    except StoreFault:
        return
    try:
        for multihash, content in dag.leaves_first():
            try:
                assert store.get(multihash) in (None, content)
                store.put_many([(multihash, content)])
                assert store.get_many([multihash]).get(multihash) in (None, content)
                store.has_many([multihash])
                with store.lease() as lease:
                    store.present([multihash], lease)
            except StoreFault:
                continue
        with suppress(StoreFault):
            after: int | None = 0
            while after is not None:
                after = store.verify(after).last
            store.pins.page()
            store.lost()
        with suppress(StoreFault):
            collection = store.collection(links_of)
            while collection.step().phase is not Phase.DONE:
                pass
    finally:
        with suppress(StoreFault):
            store.close()


@trio_test
async def test_the_repository_says_what_is_spoilt(tmp_path: Path) -> None:
    content = marked(1)
    with node_process(tmp_path) as process:
        cid = put(process, content)
        put(process, marked(2))
    spoil(process.blocks, content[:64])
    with node_process(tmp_path) as process:
        said = process.ask("repo/verify")
        assert cid in said.text and "corrupt" in said.text and '"Type":"error"' in said.text.replace(" ", "")
        assert '"Type":"error"' in process.ask("block/get", arg=cid, offline="true").text.replace(" ", "")
        assert "all blocks validated" in process.ask("repo/verify").text


# ---- no room ----------------------------------------------------------------------------------------------------


def content(name: str, megabytes: int) -> Dag:
    """A DAG of leaves of 1 MiB."""
    leaves = [Random(f"{name} {number}").randbytes(MIB) for number in range(megabytes)]
    return node(*(Dag(cid_of(LEAF, data), data) for data in leaves), says=name)


@trio_test
async def test_at_the_limit_garbage_goes_first_then_pins_are_refused(tmp_path: Path) -> None:
    small, large, larger = content("small", 15), content("large", 15), content("larger", 25)
    async with running_node(tmp_path / "1", storage_limit=64 * MIB) as one, running_node(tmp_path / "2", 2) as two:
        for dag in (small, large, larger):
            await keep(two, dag)
        await befriend(one, two)
        with trio.fail_after(2 * PATIENCE_S):
            await one.pin(small.root)
            # Read, and not pinned: it fills the store, and goes when room is needed.
            for child in larger.children[:12]:
                await one.get(child.root)
            with pytest.raises(NoRoom, match="No room"):
                await one.pin(larger.root)
            assert (await one.room()).files <= 64 * MIB
            assert await one.pin_of(larger.root) is None
            # The failed one does not sit on the room: a smaller one fits.
            for child in small.children:
                assert await one.get(child.root, offline=True) == child.data
            await one.unpin(small.root)
            await one.pin(large.root)
            # Also for who merely reads: what was read before goes.
            for child in larger.children:
                assert await one.get(child.root) == child.data
            assert (await one.room()).files <= 64 * MIB
            assert await one.pin_of(large.root)

            settings = one.settings
            await one.set_limits(replace(settings, storage_limit=256 * MIB))
            await one.pin(larger.root)
            await one.set_limits(replace(settings, storage_limit=64 * MIB))
            with pytest.raises(NoRoom):
                await one.pin(small.root)
            with pytest.raises(Misuse, match="too small"):
                await one.set_limits(replace(settings, storage_limit=1))
            assert one.settings.storage_limit == 64 * MIB
            for dag in (large, larger):
                assert all([await one.get(child.root, offline=True) == child.data for child in dag.children])


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "small", 100 * MIB) as made:
        yield made


def test_a_full_disk_refuses_pins_and_loses_nothing(disk: SmallDisk, tmp_path: Path) -> None:
    home = disk.folder / "home"
    kept, large, small = content("kept", 5), content("too large", 60), content("little", 3)
    with node_process(tmp_path / "source") as source, node_process(home, within=disk.within) as one:
        for dag in (kept, large, small):
            for _, data in dag.leaves_first()[:-1]:
                put(source, data)
            put(source, dag.data, "dag-pb")
        one.ask("swarm/connect", arg=source.address)
        assert one.ask("pin/add", arg=cid_text(kept.root)).status_code == 200
        refused = one.ask("pin/add", arg=cid_text(large.root))
        assert refused.status_code == 500 and "no room" in refused.json()["Message"].lower()
        # To the last byte, by somebody else.
        disk.fill(0)
        for command in ("id", "repo/stat", "pin/ls", "swarm/peers"):
            assert one.ask(command).status_code == 200, command
        refused = one.ask("pin/add", arg=cid_text(small.root))
        assert refused.status_code == 500 and "no room" in refused.json()["Message"].lower()
        assert (
            one.ask("block/get", arg=cid_text(kept.children[0].root), offline="true").content == kept.children[0].data
        )
        one.process.kill()
        one.process.wait()
        disk.make_room()
    with node_process(tmp_path / "source") as source, node_process(home, within=disk.within) as one:
        assert set(one.ask("pin/ls", type="recursive").json()["Keys"]) == {cid_text(kept.root)}
        for child in kept.children:
            assert one.ask("block/get", arg=cid_text(child.root), offline="true").content == child.data
        one.ask("swarm/connect", arg=source.address)
        assert one.ask("repo/gc").status_code == 200
        assert one.ask("pin/add", arg=cid_text(small.root)).status_code == 200
        assert "all blocks validated" in one.ask("repo/verify").text


# ---- limits that change while it runs ---------------------------------------------------------------------------


def test_limits_are_shown_set_and_kept(tmp_path: Path) -> None:
    with node_process(tmp_path, 'storage_limit = "10GB"  # mine\n') as one:
        before = one.ask("pincrew/limits").json()
        assert before == {"Storage": 10_000_000_000, "Upload": None, "Download": None, "Connections": 256}
        said = one.ask("pincrew/limits", storage="200GB", upload="3MB", connections="7").json()
        assert said == {"Storage": 200_000_000_000, "Upload": 3_000_000, "Download": None, "Connections": 7}
        assert one.ask("repo/stat").json()["StorageMax"] == 200_000_000_000
        for wrong in ({"storage": "1B"}, {"upload": "fast"}, {"connections": "0"}, {"download": "0"}):
            refused = one.ask("pincrew/limits", **wrong)
            assert refused.status_code == 500 and refused.json()["Message"], wrong
        assert one.ask("pincrew/limits").json() == said
    assert "# mine" in (tmp_path / "node" / "node.toml").read_text()
    with node_process(tmp_path) as one:
        assert one.ask("pincrew/limits").json() == said
        assert one.ask("pincrew/limits", upload="none", storage="none").json()["Upload"] is None


@trio_test
async def test_fewer_connections_take_effect_at_once(tmp_path: Path) -> None:
    async with (
        running_node(tmp_path / "0", connections=8) as one,
        running_node(tmp_path / "1", 11) as dialled,
        running_node(tmp_path / "2", 12) as two,
        running_node(tmp_path / "3", 13) as three,
    ):
        await befriend(one, dialled)
        for other in (two, three):
            await befriend(other, one)
        await one.set_limits(replace(one.settings, connections=1))
        with trio.fail_after(PATIENCE_S):
            while len(one.peers()) > 1:  # noqa: ASYNC110 (connections end with others)
                await trio.sleep(0.01)
        assert one.peers()[0].peer == dialled.identity().peer, "the one that it dialled itself"


@pytest.mark.kubo
@pytest.mark.parametrize("direction", ["up", "down"])
def test_bandwidth_is_what_was_allowed(tmp_path: Path, kubo: KuboProcess, direction: str) -> None:
    """A real Kubo pulls, or is pulled from: within a tenth, over some seconds, and after a change too."""
    data = os.urandom(130 * MIB)
    address = next(each for each in json.loads(kubo.ipfs("id"))["Addresses"] if each.startswith("/ip4/127.0.0.1/tcp/"))
    with node_process(tmp_path) as one:
        one.ask("swarm/connect", arg=address)
        if direction == "up":
            root = one.ask("add", data=data, **{"cid-version": "1", "quieter": "true"}).json()["Hash"]
            command = [str(kubo.program), "pin", "add", root]
            work = subprocess.Popen(command, env=kubo._environment, stdout=subprocess.DEVNULL)
        else:
            root = kubo.ipfs("add", "-Q", "--cid-version=1", stdin=data).decode().strip()
            code = "import httpx, sys; httpx.post(sys.argv[1], timeout=None)"
            work = subprocess.Popen([sys.executable, "-c", code, f"{one.url}/api/v0/pin/add?arg={root}"])
        name = "upload" if direction == "up" else "download"
        try:
            for rate in (2_000_000, 6_000_000):
                one.ask("pincrew/limits", **{name: str(rate)})
                measured = measure(one, direction, rate)
                print(f"{direction} at {rate / 1e6:g} MB/s: {measured / rate:.3f} of it")
                assert 0.9 <= measured / rate <= 1.1
        finally:
            work.kill()
            work.wait()


def measure(one: NodeProcess, direction: str, rate: int) -> float:
    """Return bytes per second over MEASURED_S, from when what was before the limit has passed."""

    def total() -> int:
        answer = one.ask("stats/bw").json()
        return int(answer["TotalOut" if direction == "up" else "TotalIn"])

    begun = total()
    deadline = time.monotonic() + PATIENCE_S
    while total() < begun + rate and time.monotonic() < deadline:
        time.sleep(0.1)  # whoever pulls is a process that starts
    time.sleep(3)  # the measurement is of time itself
    began, before = time.monotonic(), total()
    time.sleep(MEASURED_S)
    return (total() - before) / (time.monotonic() - began)
