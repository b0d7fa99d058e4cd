"""One suite for whatever speaks Kubo's RPC: the tests' fake, the embedded node and a real Kubo."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio

from pincrew.cid import cid_text
from pincrew.errors import NodeDown, NodeRefused, NoProgress
from pincrew.kubo_process import KuboProcess
from pincrew.kubo_rpc import KuboRpc
from pincrew.limits import NODE_DIRECT_PINS_LISTED_MAX, NODE_PINS_LISTED_PER_CID_MAX
from pincrew.node_address import NodeAddress, parse_address
from pincrew.node_client import Added, Collected, NodeIdentity, NodePin
from pincrew.values import PinMode
from support.embedded_process import EmbeddedProcess
from support.fake_node import FakeKubo, Orders

RECURSIVE, DIRECT = PinMode.RECURSIVE, PinMode.DIRECT


def ignore(_blocks: int, _bytes: int | None) -> None:
    pass


def absent_cid() -> bytes:
    """A CID that nobody has."""
    return bytes.fromhex("01551220") + os.urandom(32)


async def stream(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


@dataclass
class Subject:
    """Runs a test's coroutine against a node."""

    run: Callable[[Callable[[KuboRpc], Awaitable[None]]], None]


@pytest.fixture(
    params=[
        "fake",
        pytest.param("embedded", marks=pytest.mark.slow),
        pytest.param("kubo", marks=[pytest.mark.kubo, pytest.mark.slow]),
    ]
)
def subject(request: pytest.FixtureRequest) -> Subject:
    if request.param != "fake":
        process: KuboProcess | EmbeddedProcess = request.getfixturevalue(request.param)

        async def against_node(test: Callable[[KuboRpc], Awaitable[None]]) -> None:
            async with KuboRpc(parse_address(process.url), no_progress_timeout_s=1.5) as node:
                await test(node)

        return Subject(lambda test: trio.run(against_node, test))

    async def against_fake(test: Callable[[KuboRpc], Awaitable[None]]) -> None:
        fake = FakeKubo()
        async with fake.served(), KuboRpc(parse_address(fake.url), no_progress_timeout_s=0.2) as node:
            # The fake "finds" whatever it is told to; what nobody has, stalls.
            fake.orders = _NobodyHas(fake)
            await test(node)

    return Subject(lambda test: trio.run(against_fake, test))


class _NobodyHas(dict[bytes, Orders]):
    def __init__(self, fake: FakeKubo) -> None:
        super().__init__()
        self._fake = fake

    def get(self, cid: bytes, default: object = None) -> Orders:  # type: ignore[override]
        block = self._fake.blocks.get(cid)
        return Orders(stall_after=0) if block is None else Orders(bytes=len(block))


def test_it_says_who_it_is(subject: Subject) -> None:
    async def test(node: KuboRpc) -> None:
        identity = await node.id()
        assert identity.peer_id.startswith("12D3Koo")
        assert identity.version.startswith(("kubo/", "pincrew/"))
        assert all(address.endswith(identity.peer_id) for address in identity.addresses)

    subject.run(test)


def test_what_was_added_is_pinned_by_name_found_listed_and_unpinned(subject: Subject) -> None:
    async def test(node: KuboRpc) -> None:
        content = os.urandom(1_000)
        [added] = await node.add(stream(content[:300], content[300:]), pin=False)
        assert await node.pin_of(added.cid) is None

        seen: list[tuple[int, int | None]] = []
        await node.pin(added.cid, RECURSIVE, "pincrew:00", [], lambda *progress: seen.append(progress))

        assert seen[-1] == (1, 1_000)
        expected = NodePin(added.cid, RECURSIVE, "pincrew:00")
        assert await node.pin_of(added.cid) == expected
        async with aclosing(node.pins(RECURSIVE)) as pins:
            assert expected in [pin async for pin in pins]
        async with aclosing(node.cat(added.cid)) as chunks:
            assert b"".join([chunk async for chunk in chunks]) == content
        await node.unpin(added.cid)
        await node.unpin(added.cid)
        assert await node.pin_of(added.cid) is None

    subject.run(test)


def test_direct_pins_are_told_apart_and_a_recursive_one_serves_for_both(subject: Subject) -> None:
    async def test(node: KuboRpc) -> None:
        [added] = await node.add(stream(os.urandom(100)), pin=False)
        await node.pin(added.cid, DIRECT, "mine", [], ignore)
        assert await node.pin_of(added.cid) == NodePin(added.cid, DIRECT, "mine")
        await node.unpin(added.cid)

        await node.pin(added.cid, RECURSIVE, "mine", [], ignore)
        await node.pin(added.cid, DIRECT, "other", [], ignore)
        assert await node.pin_of(added.cid) == NodePin(added.cid, RECURSIVE, "mine")

    subject.run(test)


def test_one_listing_says_what_has_no_pin_of_any_kind(subject: Subject) -> None:
    async def test(node: KuboRpc) -> None:
        recursive, direct, unpinned = [(await node.add(stream(os.urandom(100)), pin=False))[0].cid for _ in range(3)]
        await node.pin(recursive, RECURSIVE, "mine", [], ignore)
        await node.pin(direct, DIRECT, "", [], ignore)
        absent = await node.absent([recursive, direct, unpinned, nobodys := absent_cid()])
        assert absent is not None
        assert absent.cids == {unpinned, nobodys}
        assert absent.is_same_node()
        await node.aclose()
        assert not absent.is_same_node()

    subject.run(test)


def test_an_unnamed_pin_has_an_empty_name(subject: Subject) -> None:
    async def test(node: KuboRpc) -> None:
        [added] = await node.add(stream(os.urandom(100)), pin=False)
        await node.pin(added.cid, RECURSIVE, "", [], ignore)
        assert await node.pin_of(added.cid) == NodePin(added.cid, RECURSIVE, "")

    subject.run(test)


def test_a_folder_is_added_with_what_it_holds(subject: Subject, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "ä b.txt").write_bytes(b"one")

    async def test(node: KuboRpc) -> None:
        added: list[Added] = await node.add(tmp_path / "data" / "ä b.txt")
        assert [one.name for one in added] == ["ä b.txt"]

    subject.run(test)


def test_content_that_nobody_has_is_no_progress(subject: Subject) -> None:
    async def test(node: KuboRpc) -> None:
        cid = absent_cid()
        with pytest.raises(NoProgress):
            await node.pin(cid, RECURSIVE, "x", [], ignore)
        assert await node.pin_of(cid) is None

    subject.run(test)


def test_origins_out_of_reach_do_not_hinder_a_pin(subject: Subject) -> None:
    async def test(node: KuboRpc) -> None:
        [added] = await node.add(stream(os.urandom(100)), pin=False)
        nobody = "/ip4/127.0.0.1/tcp/1/p2p/12D3KooWMmryrP3X2SqSvhnWhBuYMR4v91geXQqaoA7PuPU9zjFa"
        await node.pin(added.cid, RECURSIVE, "x", [nobody, "no multiaddr"], ignore)
        assert await node.pin_of(added.cid) is not None

    subject.run(test)


def test_block_and_size_claims(subject: Subject) -> None:
    async def test(node: KuboRpc) -> None:
        content = os.urandom(500)
        [added] = await node.add(stream(content), pin=False)
        assert await node.block_get(added.cid, bytes_max=500, timeout_s=5) == content
        assert await node.claimed_size(added.cid) == 500
        with pytest.raises(NodeRefused):
            await node.block_get(added.cid, bytes_max=499, timeout_s=5)
        with pytest.raises(NodeRefused):
            await node.block_get(absent_cid(), bytes_max=500, timeout_s=0.2)
        assert await node.claimed_size(bytes.fromhex("01711220") + bytes(32)) is None  # dag-cbor says nothing

    subject.run(test)


def test_paths_end_at_cids(subject: Subject) -> None:
    async def test(node: KuboRpc) -> None:
        [added] = await node.add(stream(os.urandom(100)), pin=False)
        assert await node.resolve(f"/ipfs/{cid_text(added.cid)}") == added.cid
        with pytest.raises(NodeRefused):
            await node.resolve(f"/ipfs/{cid_text(added.cid)}/no%20/ such?file=#")

    subject.run(test)


def test_garbage_goes_and_is_named_and_what_is_pinned_stays(subject: Subject) -> None:
    async def test(node: KuboRpc) -> None:
        [gone] = await node.add(stream(os.urandom(100)), pin=False)
        [kept] = await node.add(stream(os.urandom(100)), pin=False)
        await node.pin(kept.cid, RECURSIVE, "mine", [], ignore)
        async with aclosing(node.collect()) as collected:
            found = [one async for one in collected]
        assert Collected(gone.cid) in found and Collected(kept.cid) not in found
        async with aclosing(node.cat(kept.cid)) as chunks:
            assert [chunk async for chunk in chunks]

    subject.run(test)


def test_traffic(subject: Subject) -> None:
    async def test(node: KuboRpc) -> None:
        found = await node.traffic()
        assert found.received >= 0
        assert found.sent >= 0

    subject.run(test)


@pytest.mark.kubo
@pytest.mark.slow
def test_where_a_kubo_of_this_machine_stores_is_found_without_counting_its_blocks(kubo: KuboProcess) -> None:
    async def main() -> str | None:
        async with KuboRpc(parse_address(kubo.url)) as node:
            return (await node.repo_stat()).path

    path = trio.run(main)
    assert path is not None and (Path(path).name, Path(path).is_dir()) == ("blocks", True)


def test_repo_stat_and_swarm_peers(subject: Subject) -> None:
    async def test(node: KuboRpc) -> None:
        stat = await node.repo_stat()
        assert stat.size >= 0 and stat.storage_max == 10**10 and stat.objects is None
        assert (await node.repo_stat(count=True)).objects is not None
        assert isinstance(await node.swarm_peers(), list)

    subject.run(test)


# ---- what only a fake can be told to do -----------------------------------------------------------------------------
def with_fake(test: Callable[[FakeKubo, KuboRpc], Awaitable[None]], **options: object) -> None:
    async def main() -> None:
        fake = FakeKubo()
        async with fake.served(), KuboRpc(parse_address(fake.url), **options) as node:  # type: ignore[arg-type]
            await test(fake, node)

    trio.run(main)


@pytest.mark.parametrize(
    ("orders", "sentence"),
    [
        (Orders(blocks=5, error_after=2), "no space left on device"),
        (Orders(blocks=5, end_early=True), "stopped answering"),
        (Orders(refuse="pin: block too large"), "block too large"),
    ],
)
def test_a_pin_that_fails_in_whatever_way_is_no_success(orders: Orders, sentence: str) -> None:
    async def test(fake: FakeKubo, node: KuboRpc) -> None:
        cid = absent_cid()
        fake.orders[cid] = orders
        with pytest.raises(NodeRefused, match=sentence):
            await node.pin(cid, RECURSIVE, "x", [], ignore)
        assert (await node.id()).peer_id == fake.peer_id  # the connection and the client go on

    with_fake(test)


@pytest.mark.slow
def test_a_slow_pin_that_moves_is_not_cut_off() -> None:
    """It takes twice the time-out in all, and a sixth of that between two blocks."""

    async def test(fake: FakeKubo, node: KuboRpc) -> None:
        cid = absent_cid()
        fake.orders[cid] = Orders(blocks=6, block_delay_s=0.3)
        await node.pin(cid, RECURSIVE, "x", [], ignore)
        assert cid in fake.pins

    with_fake(test, no_progress_timeout_s=0.9)


def test_a_stall_after_some_blocks_is_no_progress() -> None:
    async def test(fake: FakeKubo, node: KuboRpc) -> None:
        cid = absent_cid()
        fake.orders[cid] = Orders(blocks=5, stall_after=3)
        seen: list[int] = []
        with pytest.raises(NoProgress):
            await node.pin(cid, RECURSIVE, "x", [], lambda blocks, _: seen.append(blocks))
        assert seen[-1] == 3
        await fake.until(lambda: fake.pinning == 0)  # the request was given up, not left running

    with_fake(test, no_progress_timeout_s=0.2)


def test_a_path_that_ends_within_a_block_has_no_cid() -> None:
    async def main() -> None:
        fake = FakeKubo()
        cid = cid_text(absent_cid())
        fake.paths = {f"/ipfs/{cid}/a": f"/ipfs/{cid}/a", "/ipns/x.org": "/ipns/y.org", "/ipld/x": f"/ipld/{cid}"}
        async with fake.served(), KuboRpc(parse_address(fake.url)) as node:
            for path in (f"/ipfs/{cid}/a", "/ipns/x.org"):
                with pytest.raises(NodeRefused, match="leads to no CID of its own"):
                    await node.resolve(path)
            assert cid_text(await node.resolve("/ipld/x")) == cid

    trio.run(main)


def test_an_old_kubo_counts_no_bytes_and_has_no_names() -> None:
    async def test(fake: FakeKubo, node: KuboRpc) -> None:
        fake.agent, fake.counts_bytes = "kubo/0.22.0/abc", False
        await node.id()
        cid = absent_cid()
        seen: list[int | None] = []
        await node.pin(cid, RECURSIVE, "x", [], lambda _, size: seen.append(size))
        assert seen == [None]
        assert "name" not in dict(fake.requests)["pin/add"]
        assert await node.pin_of(cid) == NodePin(cid, RECURSIVE, None)

    with_fake(test)


def test_a_listing_ends_where_asking_for_each_costs_less_and_is_not_tried_again() -> None:
    async def test(fake: FakeKubo, node: KuboRpc) -> None:
        two, four = [absent_cid(), absent_cid()], [absent_cid() for _ in range(4)]
        fake.pins = {absent_cid(): ("recursive", "") for _ in range(2 * NODE_PINS_LISTED_PER_CID_MAX + 1)}
        assert await node.absent(two) is None
        assert await node.absent(two) is None
        assert fake.asked("pin/ls") == 2  # the direct ones and the others, once
        absent = await node.absent(four)
        assert absent is not None and absent.cids == set(four)

        fake.pins |= {absent_cid(): ("direct", "") for _ in range(NODE_DIRECT_PINS_LISTED_MAX + 1)}
        assert await node.absent(four) is None

    with_fake(test)


def test_a_listing_is_of_no_use_once_another_node_may_be_there() -> None:
    async def main() -> None:
        fake = FakeKubo()
        async with trio.open_nursery():
            async with fake.served():
                node = KuboRpc(parse_address(fake.url))
                absent = await node.absent([absent_cid()])
                assert absent is not None and absent.is_same_node()
                [connection] = node._connections._idle
            await trio.lowlevel.wait_readable(connection._socket)  # the goodbye, which arrives on its own
            async with fake.served():
                assert not absent.is_same_node()
                await node.id()
                assert not absent.is_same_node()
        await node.aclose()

    trio.run(main)


def test_nothing_there_silence_and_the_wrong_door_are_told_apart() -> None:
    async def test(fake: FakeKubo, node: KuboRpc) -> None:
        fake.silent = True
        with pytest.raises(NodeDown, match="did not answer"):
            await node.id()
        async with KuboRpc(NodeAddress("http://127.0.0.1:1")) as nobody:
            with pytest.raises(NodeDown, match="does not answer"):
                await nobody.id()
        fake.silent = False
        async with KuboRpc(NodeAddress(fake.url + "/elsewhere")) as gateway:
            with pytest.raises(NodeRefused, match="no IPFS RPC answers there"):
                await gateway.id()

    with_fake(test, request_timeout_s=0.2)


def test_credentials_are_sent_and_their_absence_is_said() -> None:
    async def test(fake: FakeKubo, node: KuboRpc) -> None:
        fake.authorization = "Bearer secret"
        with pytest.raises(NodeRefused, match="access denied") as refusal:
            await node.id()
        assert "PINCREW_IPFS_AUTH" in refusal.value.sentence
        async with KuboRpc(parse_address(fake.url), authorization="Bearer secret") as allowed:
            await allowed.id()

    with_fake(test)


def test_a_node_that_went_away_mid_pin_is_down_and_found_again() -> None:
    async def main() -> None:
        fake = FakeKubo()
        cid = absent_cid()
        async with trio.open_nursery() as nursery, KuboRpc(NodeAddress("http://127.0.0.1:1")) as lost:
            assert isinstance(lost, KuboRpc)
            async with fake.served():
                address = parse_address(fake.url)
                fake.orders[cid] = Orders(blocks=3, stall_after=1)
                node = KuboRpc(address)

                async def pin() -> None:
                    with pytest.raises(NodeDown):
                        await node.pin(cid, RECURSIVE, "x", [], ignore)

                nursery.start_soon(pin)
                await fake.until(lambda: fake.pinning == 1)
        with pytest.raises(NodeDown):
            await node.id()
        async with fake.served():
            assert (await node.id()).peer_id == fake.peer_id
        await node.aclose()

    trio.run(main)


def test_a_node_that_moved_is_looked_for() -> None:
    async def main() -> None:
        fake = FakeKubo()
        async with fake.served():
            moved = NodeAddress("http://127.0.0.1:1")
            async with KuboRpc(moved, find_again=lambda: parse_address(fake.url)) as node:
                assert isinstance(await node.id(), NodeIdentity)
                assert node.address == fake.url

    trio.run(main)


def test_a_unix_socket(tmp_path: Path) -> None:
    async def main() -> None:
        fake = FakeKubo()
        path = tmp_path / "s"
        async with fake.served(path), KuboRpc(parse_address(f"unix:{path}")) as node:
            assert (await node.id()).peer_id == fake.peer_id

    trio.run(main)


# ---- what only a real one can show ----------------------------------------------------------------------------------
@pytest.mark.kubo
@pytest.mark.slow
@pytest.mark.parametrize(("there", "here"), [("kubo", "other_kubo"), ("kubo", "embedded"), ("embedded", "kubo")])
def test_content_moves_from_one_node_to_another(there: str, here: str, request: pytest.FixtureRequest) -> None:
    nodes: list[KuboProcess | EmbeddedProcess] = [request.getfixturevalue(there), request.getfixturevalue(here)]

    async def main() -> None:
        source_at, target_at = (parse_address(node.url) for node in nodes)
        async with KuboRpc(source_at) as source, KuboRpc(target_at) as target:
            content = os.urandom(3_000_000)
            [added] = await source.add(stream(content))
            origins = (await source.id()).addresses
            seen: list[tuple[int, int | None]] = []
            await target.pin(added.cid, RECURSIVE, "pincrew:00", origins, lambda *progress: seen.append(progress))
            assert seen[-1][1] == await target.claimed_size(added.cid) == added.bytes > 3_000_000
            async with aclosing(target.cat(added.cid)) as chunks:
                assert b"".join([chunk async for chunk in chunks]) == content
            assert (await source.id()).peer_id in await target.swarm_peers()

    trio.run(main)


@pytest.mark.parametrize("which", ["embedded", pytest.param("kubo", marks=pytest.mark.kubo)])
@pytest.mark.slow
def test_folders_are_added_as_one_tree(which: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    process: KuboProcess | EmbeddedProcess = request.getfixturevalue(which)
    (tmp_path / "data" / "inner").mkdir(parents=True)
    (tmp_path / "data" / "inner" / "ä b.txt").write_bytes(b"one")
    (tmp_path / "data" / "two.txt").write_bytes(b"two")

    async def main() -> None:
        async with KuboRpc(parse_address(process.url)) as node:
            added = await node.add(tmp_path / "data")
            # Kubo tells the folders after all files, the embedded node each as it ends; the root is last in both.
            assert {one.name for one in added} == {"data/inner/ä b.txt", "data/two.txt", "data/inner", "data"}
            assert added[-1].name == "data" and len(added) == 4
            assert await node.pin_of(added[-1].cid) is not None
            assert await node.claimed_size(added[-1].cid) == added[-1].bytes

    trio.run(main)
