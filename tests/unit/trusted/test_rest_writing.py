"""The half of ipfs-cluster's REST API that writes: a real curator, its store and its fake node."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest
import trio
import trio.testing
from pincrew.trusted.curator import Curator

from pincrew import limits
from pincrew.cid import parse_cid
from pincrew.errors import Conflict, Misuse, NotFound, PincrewError
from pincrew.node.importing import Entry, FolderEntry
from pincrew.paths import Home
from pincrew.rest.add_options import read_add_wish
from pincrew.rest.contract import WritingRestDoor
from pincrew.rest.pin_options import PinOptions
from pincrew.rest_desk import NOT_LISTED, RestDesk
from pincrew.values import PinMode
from support.crew_of_answers import curating
from support.machines import made_up_cids
from unit.test_roster import home, trio_test, until

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
async def test_a_follower_s_desk_does_not_write(home: Home) -> None:
    async with curating(home) as (curator, _, _others):
        following = RestDesk(curator.peer, curator.statuses, asks_others=False)
        assert not isinstance(following, WritingRestDoor)
