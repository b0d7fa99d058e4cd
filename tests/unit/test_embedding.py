"""A peer inside of a program: a real cluster with a fake node, in a home that nobody else uses meanwhile."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
import trio
from pincrew.trusted.creation import create

import pincrew
from pincrew.api.shapes import PinRequest
from pincrew.cid import parse_cid
from pincrew.embedding import Peer
from pincrew.errors import Conflict, Misuse, NotAllowed, NotFound, StoreFault
from pincrew.home_lock import Lock
from pincrew.kubo_rpc import KuboRpc
from pincrew.node.car import CarReader, header_of, section_of
from pincrew.node.multihash import cid_of
from pincrew.paths import Home
from pincrew.settings import Role
from pincrew.settings_files import load_cluster, save
from pincrew.trust_role import role_here
from support.fake_node import FakeKubo
from support.machines import NOBODY, made_up_cids
from unit.test_roster import home, trio_test

__all__ = ["home"]
CIDS = made_up_cids(5, "embedding")
RAW = b"\x01\x55\x12\x20"
ANOTHER = "12D3KooWMmryrP3X2SqSvhnWhBuYMR4v91geXQqaoA7PuPU9zjFa"
QUIET = {"PINCREW_MDNS": "false"}


def made(home: Home, node: str = NOBODY) -> None:
    create(home, "books", now_s=0, listen=["/ip4/127.0.0.1/tcp/0"], ipfs=node, peer_name="ana")


@asynccontextmanager
async def embedded(home: Home) -> AsyncIterator[tuple[Peer, FakeKubo]]:
    """A curator's peer; what is added goes into the fake node's memory."""
    kubo = FakeKubo()

    async def import_car(_: object, pieces: AsyncIterator[bytes]) -> None:
        reader = CarReader()
        async for piece in pieces:
            kubo.blocks.update(reader.feed(piece))
        reader.finish()

    async with kubo.served():
        made(home, f"127.0.0.1:{kubo.port}")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(KuboRpc, "import_car", import_car)
            async with Peer.open(home.root, "books", QUIET) as peer:
                yield peer, kubo


def test_importing_pincrew_imports_nothing_of_it() -> None:
    """Only whoever asks for `Peer` pays for libp2p and pycrdt."""
    program = (
        "import sys, pincrew\n"
        "heavy = {'libp2p', 'pycrdt', 'trio', 'pincrew.peer', 'pincrew.embedding'}\n"
        "assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()\n"
        "from pincrew import Peer\n"
        "assert 'pincrew.embedding' in sys.modules and Peer.__name__ == 'Peer'\n"
    )
    told = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr


def test_it_is_the_package_s_own_name() -> None:
    assert pincrew.Peer is Peer
    with pytest.raises(AttributeError, match="Another"):
        pincrew.Another  # noqa: B018


@trio_test
async def test_pins_are_put_on_the_list_waited_for_and_taken_off(home: Home) -> None:
    async with embedded(home) as (peer, kubo):
        pinned = await peer.pin(CIDS[0], "one", {"replication": "-1", "meta-by": "hand"})
        assert (pinned.cid, pinned.name, pinned.metadata) == (CIDS[0], "one", {"by": "hand"})
        assert (await peer.wait_pinned(CIDS[0])).state == "pinned"
        assert parse_cid(CIDS[0]) in kubo.pins
        status = await peer.pin_status(CIDS[0], local=True)
        assert [one.status for one in status.peer_map.values()] == ["pinned"]
        assert await peer.unpin(CIDS[0]) == pinned
        with pytest.raises(NotFound):
            await peer.unpin(CIDS[0])
        with pytest.raises(NotFound):
            await peer.wait_pinned(CIDS[0])


@trio_test
async def test_many_are_written_at_once_and_read_page_by_page(home: Home) -> None:
    made(home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pincrew.limits.EMBEDDED_PINS_AT_ONCE", 2)
        patch.setattr("pincrew.limits.EMBEDDED_REQUESTS_AT_ONCE", 3)
        await write_and_read(home)


async def write_and_read(home: Home) -> None:
    async with Peer.open(home.root, "books", QUIET) as peer:
        written = await peer.write(PinRequest(cid=cid, name=str(at)) for at, cid in enumerate(CIDS))
        assert (written.added, written.removed, written.absent) == (5, 0, [])
        assert {pin.cid async for pin in peer.pins()} == set(CIDS)
        assert [pin.name async for pin in peer.pins(sort="name")] == list("01234")
        assert [pin.cid async for pin in peer.pins(f"cid:{CIDS[3]}")] == [CIDS[3]]
        async with aclosing(peer.pins()) as pins:
            async for _ in pins:
                break
        absent = made_up_cids(1, "absent")[0]
        gone = await peer.write(PinRequest(cid=cid, remove=True) for cid in (CIDS[0], absent))
        assert (gone.added, gone.removed, gone.absent) == (0, 1, [absent])
        assert peer.status().pins.total == 4


@trio_test
async def test_status_and_peers_are_the_daemon_s_own(home: Home) -> None:
    made(home)
    async with Peer.open(home.root, "books", QUIET) as peer:
        assert (peer.name, peer.status().name, peer.status().role) == ("books", "books", "curator")
        assert await peer.peers() == [], "nobody else is there"


@trio_test
async def test_bytes_files_and_folders_are_added_and_pinned(home: Home) -> None:
    folder = home.root.parent / "folder"
    (folder / "inner").mkdir(parents=True)
    (folder / "a.txt").write_bytes(b"a")
    (folder / "inner" / "b.txt").write_bytes(b"b" * 600_000)
    (folder / ".hidden").write_bytes(b"h")
    (folder / "link").symlink_to("a.txt")
    async with embedded(home) as (peer, kubo):
        some = await peer.add(b"hello", "greeting")
        assert kubo.blocks[parse_cid(str(some.cid))] == b"hello"
        file = await peer.add(folder / "a.txt")
        whole = await peer.add(folder, options={"name": "all", "raw-leaves": "false"})
        names = {pin.cid: pin.name async for pin in peer.pins()}
        assert names == {some.cid: "greeting", file.cid: "a.txt", whole.cid: "all"}
        assert file.size == 1 and whole.allocations == some.allocations and len(some.allocations) == 1
        with_hidden = await peer.add(folder, options={"hidden": "true", "no-pin": "true", "raw-leaves": "false"})
        assert with_hidden.cid not in {whole.cid, None} and with_hidden.cid not in names


@trio_test
async def test_a_car_is_added(home: Home) -> None:
    block = b"a raw block"
    cid = cid_of(RAW, block)
    car = home.root.parent / "one.car"
    car.parent.mkdir(exist_ok=True)
    car.write_bytes(header_of([cid]) + section_of(cid, block))
    async with embedded(home) as (peer, kubo):
        added = await peer.add_car(car, "a car")
        assert parse_cid(str(added.cid)) == cid and kubo.blocks[cid] == block
        assert [pin.name async for pin in peer.pins()] == ["a car"]


@trio_test
async def test_what_cannot_be_added_is_said_and_nothing_is_pinned(home: Home) -> None:
    async with embedded(home) as (peer, _):
        with pytest.raises(NotFound, match="no such file"):
            await peer.add(Path("/nowhere/at/all"))
        with pytest.raises(StoreFault, match="Cannot read it"):
            await peer.add_car(Path("/nowhere/at/all.car"))
        with pytest.raises(Misuse, match="cid-version"):
            await peer.add(b"x", options={"cid-version": "7"})
        with pytest.raises(Misuse, match="not a CID"):
            await peer.pin("nonsense")
        assert [pin async for pin in peer.pins()] == []


@trio_test
async def test_what_others_are_to_keep_is_not_waited_for(home: Home) -> None:
    made(home)
    async with Peer.open(home.root, "books", QUIET) as peer:
        await peer.write([PinRequest(cid=CIDS[0], allocations=[ANOTHER])])
        with pytest.raises(Conflict, match="allocated to other peers"):
            await peer.wait_pinned(CIDS[0])


@trio_test
async def test_a_follower_s_peer_only_reads(home: Home) -> None:
    made(home)
    path = home.cluster("books").settings
    save(path, replace(load_cluster(path), role=Role.FOLLOWER))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pincrew.roster.appoint", role_here)  # as if trust named somebody else
        async with Peer.open(home.root, "books", QUIET) as peer:
            assert peer.status().role == "follower"
            assert [pin async for pin in peer.pins()] == []
            for refused in (peer.pin(CIDS[0]), peer.unpin(CIDS[0]), peer.write([]), peer.add(b"x"), peer.add_car(path)):
                with pytest.raises(NotAllowed, match="only its curators"):
                    await refused


@trio_test
async def test_a_home_has_one_user_at_a_time(home: Home) -> None:
    made(home)
    async with Peer.open(home.root, "books", QUIET):
        with pytest.raises(Conflict, match="embedded peer"):
            Lock(home.daemon_lock)
        with pytest.raises(Conflict, match="embedded peer") as caught:
            async with Peer.open(home.root, "books", QUIET):
                raise AssertionError
        assert "pincrew.api.client" in caught.value.next_step
    Lock(home.daemon_lock).release()


@trio_test
async def test_what_is_not_there_is_not_made(home: Home) -> None:
    with pytest.raises(NotFound, match="no cluster 'books'"):
        async with Peer.open(home.root, "books", QUIET):
            raise AssertionError
    assert not home.root.exists()
    made(home)
    with pytest.raises(Misuse, match="not the name of a cluster"):
        async with Peer.open(home.root, "../books", QUIET):
            raise AssertionError
    Lock(home.daemon_lock).release()


@trio_test
async def test_what_keeps_the_cluster_from_running_is_raised(home: Home) -> None:
    made(home)
    home.cluster("books").state.write_bytes(b"this is no database, however long it goes on " * 100)
    with pytest.raises(StoreFault):
        async with Peer.open(home.root, "books", QUIET):
            raise AssertionError
    Lock(home.daemon_lock).release()


@trio_test
async def test_what_the_block_raises_comes_out_as_it_was(home: Home) -> None:
    made(home)
    cause = ValueError("cause")
    with pytest.raises(KeyError, match="mine") as caught:
        async with Peer.open(home.root, "books", QUIET):
            raise KeyError("mine") from cause
    assert caught.value.__cause__ is cause
    with pytest.raises(ExceptionGroup, match="two") as grouped:
        async with Peer.open(home.root, "books", QUIET):
            raise ExceptionGroup("two", [KeyError(1), KeyError(2)])
    assert [type(one) for one in grouped.value.exceptions] == [KeyError, KeyError]
    with trio.move_on_after(0) as scope:
        async with Peer.open(home.root, "books", QUIET):
            await trio.sleep_forever()
    assert scope.cancelled_caught
    with trio.CancelScope() as scope:
        async with Peer.open(home.root, "books", QUIET):
            scope.cancel()
            await trio.sleep_forever()
    assert scope.cancelled_caught
    Lock(home.daemon_lock).release()


@trio_test
async def test_what_was_written_is_there_the_next_time(home: Home) -> None:
    made(home)
    async with Peer.open(home.root, "books", QUIET) as peer:
        await peer.pin(CIDS[0])
    with pytest.raises(Misuse, match="closed"):
        peer.status()
    async with Peer.open(home.root, "books", QUIET) as again:
        assert [pin.cid async for pin in again.pins()] == [CIDS[0]]


def test_on_asyncio_it_says_what_to_do(tmp_path: Path) -> None:
    async def enter() -> None:
        async with Peer.open(tmp_path, "books"):
            raise AssertionError

    with pytest.raises(Misuse, match="runs on trio") as caught:
        anyio.run(enter, backend="asyncio")
    assert "AsyncClient" in caught.value.next_step
