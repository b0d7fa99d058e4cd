"""The half of ipfs-cluster's REST API that writes: a real curator, its store and its fake node."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
import trio
import trio.testing
from pincrew.trusted.curator import Curator

from pincrew import limits
from pincrew.api.shapes import PinRequest
from pincrew.cid import cid_text, parse_cid
from pincrew.errors import Conflict, Misuse, NodeStarting, NotFound, PincrewError
from pincrew.node.car import CarReader
from pincrew.node.importing import Entry, FileEntry, FolderEntry
from pincrew.node.links import links_of
from pincrew.node_client import NodeIdentity
from pincrew.paths import Home
from pincrew.record import decode_record
from pincrew.rest.add_options import read_add_wish
from pincrew.rest.contract import WritingRestDoor
from pincrew.rest.pin_options import PinOptions
from pincrew.rest.shapes import AddedOutput
from pincrew.rest_desk import NOT_LISTED, RestDesk
from pincrew.values import Pin, PinMode, PinType
from support.crew_of_answers import curating
from support.machines import made_up_cids
from unit.test_roster import calling, home, trio_test, until

__all__ = ["home"]
CIDS = made_up_cids(4, "rest writing")
BINARY = [parse_cid(cid) for cid in CIDS]
SOON_MS = int(time.time() + 86_400) * 1_000
PAST_MS = 1_600_000_000_000


async def count(curator: Curator) -> int:
    return len(list(curator.peer.listing.all()))


async def refused(curator: Curator, cid: bytes, kind: type[PincrewError], **options: Any) -> str:
    """Return why a pin was refused; nothing was written."""
    before = list(curator.peer.listing.all())
    with pytest.raises(kind) as caught:
        await writing(curator).pin(cid, PinOptions(**options))
    assert [(row.cid, row.record) for row in curator.peer.listing.all()] == [(row.cid, row.record) for row in before]
    return caught.value.what


def writing(curator: Curator) -> WritingRestDoor:
    assert isinstance(curator.rest, WritingRestDoor)
    return curator.rest


@trio_test
async def test_a_pin_is_on_the_list_as_it_was_answered(home: Home) -> None:
    async with curating(home) as (curator, _, _others):
        wanted = PinOptions(
            name="one",
            mode=PinMode.DIRECT,
            metadata={"b": "1", "a": "2"},
            origins=("/ip4/1.2.3.4/tcp/5/p2p/Qm",),
            expire_ms=SOON_MS,
        )
        found = await writing(curator).pin(BINARY[0], wanted)
        assert (found.cid, found.name, found.mode, found.max_depth) == (CIDS[0], "one", "direct", 0)
        assert (found.metadata, found.origins) == ({"a": "2", "b": "1"}, ["/ip4/1.2.3.4/tcp/5/p2p/Qm"])
        assert (found.replication_factor_min, found.replication_factor_max) == (-1, -1)
        assert found.expire_at.startswith("20") and found.user_allocations is None
        assert await curator.rest.allocation(BINARY[0]) == found


@trio_test
async def test_again_changes_it_and_unpin_takes_it_off(home: Home) -> None:
    async with curating(home) as (curator, _, _others):
        desk = writing(curator)
        await desk.pin(BINARY[0], PinOptions(name="one"))
        changed = await desk.pin(BINARY[0], PinOptions(name="two"))
        assert changed.name == "two" and await count(curator) == 1
        assert await desk.unpin(BINARY[0]) == changed, "as it was"
        assert await count(curator) == 0
        with pytest.raises(NotFound) as caught:
            await desk.unpin(BINARY[0])
        assert caught.value.what == NOT_LISTED


@trio_test
async def test_recursive_is_not_made_direct_but_direct_recursive(home: Home) -> None:
    async with curating(home) as (curator, _, _others):
        desk = writing(curator)
        await desk.pin(BINARY[0], PinOptions(name="whole"))
        assert "already pinned in recursive mode" in await refused(curator, BINARY[0], Conflict, mode=PinMode.DIRECT)
        await desk.pin(BINARY[1], PinOptions(mode=PinMode.DIRECT))
        assert (await desk.pin(BINARY[1], PinOptions(mode=PinMode.DIRECT, name="x"))).mode == "direct"
        assert (await desk.pin(BINARY[1], PinOptions())).mode == "recursive"


@trio_test
async def test_what_makes_no_sense_is_refused_and_nothing_written(home: Home) -> None:
    async with curating(home) as (curator, _, _others):
        await writing(curator).pin(BINARY[1], PinOptions(name="there"))
        for cid in BINARY[:2]:
            for low, high in ((-2, -2), (3, 2), (-1, 2), (2, -1)):
                await refused(curator, cid, Misuse, replication_min=low, replication_max=high)
            assert "past" in await refused(curator, cid, Misuse, expire_ms=PAST_MS)
            assert await refused(curator, cid, Misuse, name="x" * 100_000)
            assert await refused(curator, cid, Misuse, metadata={str(n): "x" * 1_000 for n in range(1_000)})


@trio_test
async def test_an_update_takes_over_all_but_name_and_expiry(home: Home) -> None:
    async with curating(home) as (curator, _, _others):
        desk = writing(curator)
        old = await desk.pin(
            BINARY[0], PinOptions(name="old", metadata={"a": "1"}, origins=("/ip4/1.2.3.4/tcp/5/p2p/Qm",))
        )
        ignored: dict[str, Any] = {"mode": PinMode.DIRECT, "metadata": {"b": "2"}, "replication_min": -9}
        new = await desk.pin(BINARY[1], PinOptions(update_of=BINARY[0], **ignored))
        assert (new.cid, new.pin_update, new.name, new.mode) == (CIDS[1], CIDS[0], "old", "recursive")
        assert (new.metadata, new.origins, new.expire_at) == (old.metadata, old.origins, old.expire_at)
        assert await curator.rest.allocation(BINARY[0]) == old, "the old pin stays"
        named = await desk.pin(BINARY[2], PinOptions(update_of=BINARY[1], name="new", expire_ms=SOON_MS))
        assert (named.name, named.pin_update) == ("new", CIDS[1]) and named.expire_at.startswith("20")
        assert "past" in await refused(curator, BINARY[3], Misuse, update_of=BINARY[0], expire_ms=PAST_MS)


@trio_test
async def test_an_update_of_what_is_not_there_or_of_itself(home: Home) -> None:
    async with curating(home) as (curator, _, _others):
        assert await refused(curator, BINARY[1], NotFound, update_of=BINARY[0]) == NOT_LISTED
        itself = await writing(curator).pin(BINARY[0], PinOptions(update_of=BINARY[0], name="x"))
        assert (itself.pin_update, itself.name) == (None, "x"), "it is a pin like any other"


@trio_test
async def test_no_more_are_added_at_once_than_others_take(home: Home) -> None:
    """Each has a connection to the node: pins need some, too."""
    begun = 0
    go_on = trio.Event()

    async def files() -> AsyncGenerator[Entry, None]:
        nonlocal begun
        begun += 1
        await go_on.wait()
        raise Misuse("nothing comes")
        yield FolderEntry("never")  # what makes it a generator

    async def add(curator: Curator) -> None:
        async def silent(_: Any) -> None:
            """Nobody listens."""

        wish = read_add_wish({})
        with pytest.raises(Misuse, match="nothing comes"):
            async with aclosing(files()) as entries:
                await writing(curator).add(entries, wish, PinOptions(), silent)

    async with curating(home) as (curator, _, _others):
        async with trio.open_nursery() as nursery:
            for _ in range(limits.ADDS_AT_ONCE_MAX + 3):
                nursery.start_soon(add, curator)
            await until(lambda: begun == limits.ADDS_AT_ONCE_MAX)
            await trio.testing.wait_all_tasks_blocked(0.05)
            assert begun == limits.ADDS_AT_ONCE_MAX
            go_on.set()
        assert begun == limits.ADDS_AT_ONCE_MAX + 3 and await count(curator) == 0


@trio_test
async def test_adding_waits_for_a_node_that_is_just_starting(home: Home) -> None:
    was_asked: list[int] = []
    async with curating(home) as (curator, _, _others):
        with pytest.MonkeyPatch.context() as patch:
            stored = Stored(curator, patch)

            async def identity() -> NodeIdentity:
                was_asked.append(len(stored.blocks))
                if len(was_asked) < 3:
                    raise NodeStarting("pincrew's own IPFS node is starting")
                return NodeIdentity("12D3KooWMemory", (), "kubo/0.43.1")

            patch.setattr(curator.peer.node, "id", identity)
            told = await added(curator, b"hello")
            assert len(was_asked) >= 3 and was_asked[:3] == [0, 0, 0]
            assert parse_cid(told[-1].cid) in stored.blocks


@trio_test
async def test_a_follower_s_desk_does_not_write(home: Home) -> None:
    async with curating(home) as (curator, _, _others):
        following = RestDesk(curator.peer, curator.statuses, asks_others=False)
        assert not isinstance(following, WritingRestDoor)


CONTENT = random.Random(7).randbytes(1_024_000)


class Stored:
    """What the node of a curator was given."""

    def __init__(self, curator: Curator, patch: pytest.MonkeyPatch) -> None:
        self.blocks: dict[bytes, bytes] = {}
        patch.setattr(curator.peer.node, "import_car", self._import)

    async def _import(self, pieces: AsyncIterator[bytes]) -> None:
        reader = CarReader()
        async for piece in pieces:
            self.blocks.update(reader.feed(piece))
        reader.finish()


async def added(curator: Curator, content: bytes, **options: Any) -> list[AddedOutput]:
    told: list[AddedOutput] = []

    async def pieces() -> AsyncGenerator[bytes, None]:
        yield content

    async def entries() -> AsyncGenerator[Entry, None]:
        yield FileEntry("film", pieces())

    async def emit(one: AddedOutput) -> None:
        told.append(one)

    async with aclosing(entries()) as files:
        await writing(curator).add(files, read_add_wish({"shard": "true"}), PinOptions(**options), emit)
    return told


def types(curator: Curator) -> dict[str, Pin]:
    pins = [decode_record(row.cid, row.record) for row in curator.peer.listing.all()]
    return {pin.name: pin for pin in pins}


@trio_test
async def test_content_in_shards_is_listed_as_ipfs_cluster_lists_it_and_goes_as_a_whole(home: Home) -> None:
    async with curating(home) as (curator, _, _others):
        with pytest.MonkeyPatch.context() as patch:
            stored = Stored(curator, patch)
            told = await added(curator, CONTENT, name="film", shard_size=530_000, metadata={"a": "b"})
            assert [one.name for one in told] == ["shard-0", "shard-1", "film-clusterDAG", "film"]
            pins = types(curator)
            assert set(pins) == {"film", "film-clusterDAG", "film-shard-0", "film-shard-1"}
            root, dag, last = pins["film"], pins["film-clusterDAG"], pins["film-shard-1"]
            assert [one.cid for one in told[-2:]] == [cid_text(dag.cid), cid_text(root.cid)]
            assert links_of(dag.cid, stored.blocks[dag.cid]) == [pins[f"film-shard-{n}"].cid for n in range(2)]
            assert (root.type, root.reference, dag.reference) == (PinType.META, dag.cid, root.cid)
            assert (dict(root.metadata), last.reference) == ({"a": "b"}, pins["film-shard-0"].cid)

            desk = writing(curator)
            for part in (dag, last):
                with pytest.raises(Conflict, match="directly"):
                    await desk.unpin(part.cid)
            with pytest.raises(Conflict, match="meta-pin"):
                await desk.pin(root.cid, PinOptions())
            with pytest.raises(Conflict, match="cannot be updated"):
                await desk.pin(BINARY[0], PinOptions(update_of=root.cid))
            assert types(curator) == pins

            again = await added(curator, CONTENT, name="film", shard_size=700_000)
            assert again[-1].cid == cid_text(root.cid) and len(types(curator)) == 4, "the shards of before are gone"
            assert types(curator)["film-shard-1"].cid not in {pin.cid for pin in pins.values()}
            assert (await desk.unpin(root.cid)).type == "meta-pin"
            assert await count(curator) == 0


@trio_test
async def test_content_in_shards_is_known_after_a_restart(home: Home) -> None:
    """Pinned without shards, it would be fetched whole by everybody. Lists without such content cost no look."""
    async with curating(home) as (curator, _, _others):
        await until(lambda: not curator.repinner.may_have_shards())
        meta = PinRequest(CIDS[0], type="meta-pin", reference=CIDS[1], mode="direct", replication_factor_min=-1)
        await curator.write([meta, PinRequest(CIDS[2])])
        await writing(curator).pin(BINARY[2], PinOptions(name="again"))
    async with calling(home) as roster:
        await roster.start("books")
        cluster = roster.cluster("books")
        assert isinstance(cluster, Curator) and cluster.repinner.may_have_shards()
        for _ in range(2):
            assert "meta-pin" in await refused(cluster, BINARY[0], Conflict)
            await trio.testing.wait_all_tasks_blocked(0.05)


@trio_test
async def test_what_is_pinned_without_shards_stays_so(home: Home) -> None:
    async with curating(home) as (curator, _, _others):
        with pytest.MonkeyPatch.context() as patch:
            Stored(curator, patch)
            root = (await added(curator, CONTENT, shard_size=700_000))[-1].cid
            await writing(curator).unpin(parse_cid(root or ""))
            await writing(curator).pin(parse_cid(root or ""), PinOptions(name="whole"))
            with pytest.raises(Conflict, match="without shards"):
                await added(curator, CONTENT, shard_size=700_000)
            assert [pin.name for pin in types(curator).values()] == ["whole"]


@trio_test
async def test_shards_that_are_too_small_leave_nothing_behind(home: Home) -> None:
    async with curating(home) as (curator, _, _others):
        with pytest.MonkeyPatch.context() as patch:
            Stored(curator, patch)
            with pytest.raises(Misuse, match="doesn't fit"):
                await added(curator, CONTENT, shard_size=1_000)
            assert await count(curator) == 0
