"""Our Bitswap with a real Kubo, in both directions, over connections that either side dialled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
import trio

from pincrew.cid import cid_text, parse_cid
from pincrew.errors import WorldFault
from pincrew.node.multihash import matches, multihash_of
from support.bitswap_nodes import BitswapNode, running_node, walk
from support.kubo_process import KuboProcess

pytestmark = [pytest.mark.kubo, pytest.mark.slow]

TIMEOUT_S = 90.0
MIB = 1024 * 1024


def address_of(kubo: KuboProcess) -> str:
    """Where a Kubo listens, with its peer id."""
    addresses = json.loads(kubo.ipfs("id"))["Addresses"]
    return next(str(each) for each in addresses if each.startswith("/ip4/127.0.0.1/tcp/"))


async def ipfs(kubo: KuboProcess, *arguments: str, stdin: bytes = b"") -> str:
    """Run a command of Kubo's without stopping our node, which may have to answer it."""
    run: Callable[[], bytes] = lambda: kubo.ipfs(*arguments, stdin=stdin)  # noqa: E731
    return (await trio.to_thread.run_sync(run, abandon_on_cancel=True)).decode().strip()


async def connected(node: BitswapNode, *kubos: KuboProcess) -> None:
    """Dial Kubos, and wait until each is known to speak Bitswap."""
    for kubo in kubos:
        await node.host.connect(await trio.to_thread.run_sync(address_of, kubo))
    await until(lambda: len(node.exchange.partners) == len(kubos))


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 (what is waited for has no event of its own)
        await trio.sleep(0.01)


async def fetched(node: BitswapNode, root: str) -> dict[bytes, int]:
    """Walk a DAG; every block in the store is what its name says."""
    async with node.exchange.session() as session:
        sizes = await walk(session, [parse_cid(root)])
    assert all(matches(multihash, node.store.blocks[multihash]) for multihash in sizes)
    return sizes


def seeded(size: int, seed: int) -> bytes:
    return Random(seed).randbytes(size)


def run(main: Callable[[], object]) -> None:
    async def bounded() -> None:
        with trio.fail_after(TIMEOUT_S):
            await main()  # type: ignore[misc]

    trio.run(bounded)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of 2,000 small files, which Kubo adds as a plain directory."""
    home = tmp_path / "folder"
    home.mkdir()
    for number in range(2_000):
        (home / f"{number}.txt").write_bytes(seeded(100 + number % 200, number))
    return home


def test_files_folders_and_versions_come_from_kubo(kubo: KuboProcess, folder: Path) -> None:
    async def main() -> None:
        adds = [
            (("--cid-version=1",), seeded(MIB, 1), 5),
            (("--cid-version=0",), seeded(MIB, 2), 5),
            (("--cid-version=1", "--hash=sha3-256"), seeded(600_000, 3), 4),
            (("--cid-version=1", "--hash=blake2b-256"), seeded(600_000, 4), 4),
            (("--cid-version=1", "--hash=blake3"), seeded(600_000, 5), 4),
            (("--cid-version=1", "--chunker=size-1048576"), seeded(3 * MIB, 6), 4),
        ]
        async with running_node(1) as node:
            await connected(node, kubo)
            for options, data, blocks in adds:
                root = await ipfs(kubo, "add", "-Q", *options, stdin=data)
                assert len(await fetched(node, root)) == blocks, options
            root = await ipfs(kubo, "add", "-Q", "-r", "--cid-version=1", str(folder))
            assert len(await fetched(node, root)) == 2_001
            big = await ipfs(kubo, "block", "put", "--allow-big-block", stdin=seeded(2 * MIB, 7))
            assert list((await fetched(node, big)).values()) == [2 * MIB]
            assert node.exchange.counts.duplicate_blocks_received == 0

    run(main)


def test_a_hundred_megabytes_come_from_kubo_and_go_to_another(kubo: KuboProcess, other_kubo: KuboProcess) -> None:
    async def main() -> None:
        root = await ipfs(kubo, "add", "-Q", "--cid-version=1", stdin=seeded(100 * MIB, 10))
        async with running_node(2) as node:
            await connected(node, kubo)
            assert len(await fetched(node, root)) == 404
            await connected(node, kubo, other_kubo)
            await ipfs(other_kubo, "pin", "add", root)
            # A want that times out on a busy machine is asked again: that is no fault, sending everything twice is.
            assert 404 <= node.exchange.counts.blocks_sent <= 404 * 1.02

    run(main)


@pytest.mark.parametrize("dialler", ["kubo", "we"])
def test_kubo_gets_what_we_have_whoever_dialled(kubo: KuboProcess, dialler: str) -> None:
    async def main() -> None:
        async with running_node(3) as node:
            cids = [node.store.hold(seeded(size, 20 + size + len(dialler))) for size in (1, 1_000, 300_000, 2 * MIB)]
            if dialler == "we":
                await connected(node, kubo)
            else:
                await ipfs(kubo, "swarm", "connect", node.address)
            for cid in cids:
                assert (await ipfs(kubo, "block", "stat", cid_text(cid))).startswith("Key")
            # A CIDv0 and other codecs of blocks that it does not have yet.
            data = seeded(5_000, 40 + len(dialler))
            node.store.hold(data)
            v0 = b"\x12\x20" + hashlib.sha256(data).digest()
            assert "5000" in await ipfs(kubo, "block", "stat", cid_text(v0))

    run(main)


def test_the_windows_of_kubos_yamux_never_close_for_good(kubo: KuboProcess) -> None:
    """Blocks of more than 1 MiB on one stream: its windows double, and each doubling loses some of them."""

    async def main() -> None:
        async with running_node(10) as node:
            await connected(node, kubo)
            for number in range(30):
                cid = node.store.hold(seeded(1_040_000 + 33_333 * number, 400 + number))
                assert (await ipfs(kubo, "block", "stat", cid_text(cid))).startswith("Key")

    run(main)


def test_kubo_gets_other_hashes_too(kubo: KuboProcess, other_kubo: KuboProcess) -> None:
    async def main() -> None:
        async with running_node(4) as node:
            await connected(node, kubo)
            roots = []
            for seed, name in enumerate(("sha3-256", "blake2b-256", "blake3", "sha2-512")):
                data = seeded(600_000, 50 + seed)
                roots.append(await ipfs(kubo, "add", "-Q", "--cid-version=1", f"--hash={name}", stdin=data))
                await fetched(node, roots[-1])
            await connected(node, kubo, other_kubo)
            for root in roots:
                await ipfs(other_kubo, "pin", "add", root)

    run(main)


def test_kubo_gets_a_block_that_we_get_later(kubo: KuboProcess) -> None:
    async def main() -> None:
        data = seeded(9_000, 60)
        cid = b"\x01\x55\x12\x20" + hashlib.sha256(data).digest()
        async with running_node(5) as node:
            await connected(node, kubo)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ipfs, kubo, "pin", "add", cid_text(cid))
                (peer,) = node.exchange.partners
                await until(lambda: cid in node.exchange.wantlist_of(peer))
                node.store.hold(data)
                node.exchange.have_now(multihash_of(cid), len(data))

    run(main)


def test_a_cancel_clears_our_wantlist_at_kubo(kubo: KuboProcess) -> None:
    async def main() -> None:
        async with running_node(6) as node:
            await connected(node, kubo)
            absent = [b"\x01\x55\x12\x20" + seeded(32, 70 + number) for number in range(30)]
            async with node.exchange.session() as session:
                session.want(absent)
                await wants_at(kubo, node.peer, 30)
            await wants_at(kubo, node.peer, 0)
            assert node.exchange.wantlist() == []

    run(main)


async def wants_at(kubo: KuboProcess, peer: str, count: int) -> None:
    """Wait until Kubo's list of a peer's wants has ``count`` entries."""
    while len((await ipfs(kubo, "bitswap", "wantlist", "--peer", peer)).split()) != count:  # noqa: ASYNC110 (as above)
        await trio.sleep(0.05)


def test_a_kubo_that_dies_is_replaced_by_another(kubo: KuboProcess, other_kubo: KuboProcess) -> None:
    async def main() -> None:
        data = seeded(40 * MIB, 80)
        root = await ipfs(kubo, "add", "-Q", "--cid-version=1", stdin=data)
        assert await ipfs(other_kubo, "add", "-Q", "--cid-version=1", stdin=data) == root
        async with running_node(7) as node:
            await connected(node, kubo, other_kubo)

            async def kill() -> None:
                await until(lambda: node.exchange.counts.blocks_received > 40)
                await trio.to_thread.run_sync(other_kubo.kill)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(kill)
                sizes = await fetched(node, root)
            assert sum(sizes.values()) > 40 * MIB
            assert len(node.exchange.partners) == 1

    run(main)


@pytest.mark.parametrize("idle_s", [pytest.param(3.0, id="short"), pytest.param(90.0, marks=pytest.mark.long)])
def test_after_a_rest_both_directions_still_work(kubo: KuboProcess, idle_s: float) -> None:
    async def main() -> None:
        async with running_node(8) as node:
            await connected(node, kubo)
            streams = []
            for number in range(2):
                ours = node.store.hold(seeded(5_000, int(90 + idle_s + number)))
                theirs = await ipfs(
                    kubo, "add", "-Q", "--cid-version=1", stdin=seeded(5_001, int(190 + idle_s + number))
                )
                await ipfs(kubo, "block", "stat", cid_text(ours))
                await fetched(node, theirs)
                streams.append(set(node.exchange.partners))
                if not number:
                    await trio.sleep(idle_s)  # the rest is what is tested
            assert streams[0] == streams[1]

    with_rest = TIMEOUT_S + idle_s

    async def bounded() -> None:
        with trio.fail_after(with_rest):
            await main()

    trio.run(bounded)


def test_kubo_is_not_asked_again_after_a_restart_of_ours(kubo: KuboProcess) -> None:
    """A second life of the same peer id, with what the first one stored, fetches only the rest."""

    async def main() -> None:
        root = await ipfs(kubo, "add", "-Q", "--cid-version=1", stdin=seeded(4 * MIB, 300))
        async with running_node(9) as first:
            await connected(first, kubo)
            await fetched(first, root)
            kept = dict(list(first.store.blocks.items())[:10])
        async with running_node(9) as second:
            second.store.blocks.update(kept)
            await connected(second, kubo)
            sizes = await fetched(second, root)
            assert second.exchange.counts.blocks_received == len(sizes) - len(kept)

    run(main)


def test_the_commands_used_here_exist(kubo: KuboProcess) -> None:
    """`ipfs bitswap wantlist` is what the cancel test looks at: were it gone, that test would wait in vain."""
    with pytest.raises(WorldFault):
        kubo.ipfs("bitswap", "no-such-command")
    kubo.ipfs("bitswap", "wantlist")
