"""What is damaged on a real node's disk is found, and fetched again from another one. Kubo and the embedded node."""

from __future__ import annotations

import base64
import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
import trio

from pincrew import mending
from pincrew.kubo_process import KuboProcess
from pincrew.kubo_rpc import KuboRpc
from pincrew.node.links import links_of
from pincrew.node.multihash import multihash_of
from pincrew.node_address import parse_address
from pincrew.ownership import Ownership
from pincrew.values import Pin, PinMode, PinState
from pincrew.verifying import Verdict, Verifying
from support.embedded_process import EmbeddedProcess
from support.memory_checks import MemoryChecks
from support.pinner_bench import CLUSTER, Bench, ownership_at, pinner_at_work

pytestmark = [pytest.mark.kubo, pytest.mark.slow]
OTHER = b"\x07" * 32


async def stream(content: bytes) -> AsyncIterator[bytes]:
    yield content


def block_file(kubo: KuboProcess, cid: bytes) -> Path:
    """Return the file in which Kubo keeps a block."""
    key = base64.b32encode(multihash_of(cid)).decode().rstrip("=")
    [found] = (kubo.repository / "blocks").rglob(f"{key}.data")
    return found


def spoil_kubo(kubo: KuboProcess, cid: bytes) -> None:
    path = block_file(kubo, cid)
    size = path.stat().st_size
    path.chmod(0o600)
    path.write_bytes(b"x" * size)


def spoil_embedded(embedded: EmbeddedProcess, cid: bytes) -> None:
    from pincrew.node.store.schema import MULTIHASH

    with closing(sqlite3.connect(embedded.home / "node" / "blocks.db", timeout=10.0)) as database:
        before = database.total_changes
        database.execute(f"UPDATE blocks SET data=zeroblob(length(data)) WHERE {MULTIHASH}=?", (multihash_of(cid),))
        assert database.total_changes == before + 1
        database.commit()


class Scene:
    """A pin of 1 MB on the node under test, which another Kubo has too."""

    def __init__(self, node: KuboRpc, source: KuboRpc, bench: Bench, checks: MemoryChecks, root: bytes) -> None:
        self.node = node
        self.source = source
        self.bench = bench
        self.checks = checks
        self.root = root
        self.verifying = Verifying(bench.pinner.place, checks, lambda _pins: None, hold=bench.pinner.mending)

    async def leaves(self) -> list[bytes]:
        block = await self.source.stored_block(self.root)
        assert block is not None
        return links_of(self.root, block)

    async def verify(self) -> Verdict:
        [verdict] = [verdict async for verdict in self.verifying.these([self.root])]
        return verdict


@asynccontextmanager
async def scene(
    url: str, source: KuboProcess, ownership: Ownership, *, no_progress_timeout_s: float = 10.0
) -> AsyncIterator[Scene]:
    async with (
        KuboRpc(parse_address(url), no_progress_timeout_s=no_progress_timeout_s) as node,
        KuboRpc(parse_address(source.url)) as other,
        pinner_at_work(node, ownership) as bench,
    ):
        root = (await other.add(stream(os.urandom(1_000_000))))[-1].cid
        for address in (await other.id()).addresses:
            if "/ip4/127.0.0.1/tcp/" in address:
                await node.connect(address)
        bench.put(Pin(root, "archive", added_ms=1))
        await bench.until_state(PinState.PINNED, root)
        await bench.until(lambda: root not in bench.pinner.place.keeper.busy)
        yield Scene(node, other, bench, MemoryChecks(bench.book), root)
        await node.unpin(root)


@pytest.fixture(params=["kubo", "embedded"])
def subject(request: pytest.FixtureRequest) -> tuple[str, Callable[[bytes], None]]:
    """The address of a node, and what spoils a block on its disk."""
    if request.param == "kubo":
        kubo: KuboProcess = request.getfixturevalue("kubo")
        return kubo.url, lambda cid: spoil_kubo(kubo, cid)
    embedded: EmbeddedProcess = request.getfixturevalue("embedded")
    return embedded.url, lambda cid: spoil_embedded(embedded, cid)


def test_damage_is_found_and_fetched_again(
    subject: tuple[str, Callable[[bytes], None]], other_kubo: KuboProcess, tmp_path: Path
) -> None:
    url, spoil = subject

    async def test() -> None:
        async with ownership_at(tmp_path / "holdings.db") as ownership, scene(url, other_kubo, ownership) as at:
            sound = await at.verify()
            assert (sound.result, sound.blocks, sound.damaged, sound.text) == ("sound", 5, 0, None)
            assert sound.bytes > 1_000_000 and at.checks.checked == {at.root: at.bench.clock[0]}
            leaves = await at.leaves()
            for leaf in leaves[1:3]:
                spoil(leaf)
            verdict = await at.verify()
            assert (verdict.result, verdict.damaged, verdict.missing) == ("repaired", 2, 0)
            assert [await at.node.stored_block(leaf) for leaf in leaves] == [
                await at.source.stored_block(leaf) for leaf in leaves
            ]
            assert [kind for kind in at.bench.kinds() if kind in ("damage_found", "repaired")] == [
                "damage_found",
                "repaired",
            ]
            pin = await at.node.pin_of(at.root)
            assert pin is not None and pin.name == f"pincrew:{CLUSTER.hex()}"
            assert at.bench.book.state(at.root) is PinState.PINNED
            assert (await at.verify()).result == "sound"
            assert not at.checks.kept.damaged

    trio.run(test)


def test_a_spoilt_first_block_is_mended_too(
    subject: tuple[str, Callable[[bytes], None]], other_kubo: KuboProcess, tmp_path: Path
) -> None:
    url, spoil = subject

    async def test() -> None:
        async with ownership_at(tmp_path / "holdings.db") as ownership, scene(url, other_kubo, ownership) as at:
            spoil(at.root)
            verdict = await at.verify()
            assert (verdict.result, verdict.blocks, verdict.damaged) == ("repaired", 1, 1)
            assert (await at.verify()).result == "sound"

    trio.run(test)


def test_a_kubo_that_waits_for_another_pin_is_mended_all_the_same(
    kubo: KuboProcess, other_kubo: KuboProcess, tmp_path: Path
) -> None:
    """Kubo removes no block while it pins something, and that may take for ever."""

    async def test() -> None:
        async with (
            ownership_at(tmp_path / "holdings.db") as ownership,
            scene(kubo.url, other_kubo, ownership, no_progress_timeout_s=120.0) as at,
        ):
            holed = (await at.source.add(stream(os.urandom(1_000_000)), pin=False))[-1].cid
            block = await at.source.stored_block(holed)
            assert block is not None
            hole = links_of(holed, block)[0]
            assert not await at.source.remove_block(hole)
            at.bench.put(Pin(holed, "holed", added_ms=2))
            busy = at.bench.pinner.place.keeper.busy
            await at.bench.until(lambda: holed in busy and bool(busy[holed].blocks))
            [leaf, *_] = await at.leaves()
            spoil_kubo(kubo, leaf)
            assert (await at.verify()).result == "repaired"
            assert at.bench.book.state(at.root) is PinState.PINNED
            await at.bench.until(lambda: holed in busy)

    trio.run(test)


def test_what_nobody_has_is_said_and_kept_safe_until_somebody_has_it(
    kubo: KuboProcess, other_kubo: KuboProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kubo's collector of garbage takes nothing of a pin that is being mended."""
    monkeypatch.setattr(mending, "VERIFY_FETCH_TIMEOUT_S", 1.0)

    async def test() -> None:
        async with ownership_at(tmp_path / "holdings.db") as ownership, scene(kubo.url, other_kubo, ownership) as at:
            leaf, *others = await at.leaves()
            await trio.to_thread.run_sync(other_kubo.stop)
            spoil_kubo(kubo, leaf)
            verdict = await at.verify()
            assert (verdict.result, verdict.damaged) == ("damaged", 1)
            assert "no node that is reached" in str(verdict.text)
            assert await at.node.pin_of(at.root) is None
            assert at.checks.kept.damaged[at.root].is_aside
            kubo.ipfs("repo", "gc")
            assert all([await at.node.stored_block(other) for other in others])
            await trio.to_thread.run_sync(other_kubo.start)
            async with KuboRpc(parse_address(other_kubo.url)) as source:
                for address in (await source.id()).addresses:
                    if "/ip4/127.0.0.1/tcp/" in address:
                        await at.node.connect(address)
            await at.bench.pinner.retry(at.root)
            await at.bench.until_state(PinState.PINNED, at.root)
            await at.bench.until(lambda: at.root not in at.bench.pinner.place.keeper.busy)
            assert (await at.verify()).result == "sound"
            assert not at.checks.kept.damaged and "repaired" in at.bench.kinds()
            assert kubo.ipfs("files", "ls", "/").strip() == b""

    trio.run(test)


@pytest.mark.parametrize("whose", ["the user's", "another cluster's", "a pin above"])
def test_what_somebody_else_pins_is_never_unpinned_to_be_mended(
    whose: str, kubo: KuboProcess, other_kubo: KuboProcess, tmp_path: Path
) -> None:
    async def test() -> None:
        async with ownership_at(tmp_path / "holdings.db") as ownership, scene(kubo.url, other_kubo, ownership) as at:
            leaf = (await at.leaves())[0]
            node_id = (await at.node.id()).peer_id
            above: bytes | None = None
            if whose == "the user's":
                await at.node.pin(at.root, PinMode.RECURSIVE, "mine", [], lambda _blocks, _bytes: None)
            elif whose == "another cluster's":
                await ownership.take(at.node, node_id, OTHER, at.root, PinMode.RECURSIVE)
            else:
                await at.node.pin(leaf, PinMode.RECURSIVE, "mine", [], lambda _blocks, _bytes: None)
                above = leaf
            spoil_kubo(kubo, leaf)
            verdict = await at.verify()
            assert (verdict.result, verdict.damaged) == ("damaged", 1)
            assert "ipfs repo verify --heal" in str(verdict.text)
            assert await at.node.pin_of(at.root) is not None
            assert at.bench.book.state(at.root) is PinState.PINNED
            if above is not None:
                assert await at.node.pin_of(above) is not None
                await at.node.unpin(above)
                assert (await at.verify()).result == "repaired", "alone again, it is mended"
                assert kubo.ipfs("files", "ls", "/").strip() == b""

    trio.run(test)
