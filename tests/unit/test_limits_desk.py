"""A running follower's limits, shown and changed: settings, room and rows follow each other."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pincrew.follow.follower import Follower

from pincrew.api.shapes import LimitsRequest
from pincrew.denylist import parse
from pincrew.errors import Conflict, Misuse, NotAllowed
from pincrew.paths import Home
from pincrew.roster import Roster
from pincrew.settings import PartMode, Role
from pincrew.settings_files import load_cluster, save
from pincrew.store.database import STATE_NUMBER
from pincrew.store.filters import Filter
from pincrew.tracker import NOT_PART
from pincrew.values import PinState
from support.machines import made_up_cids
from unit.test_roster import calling, home, made, trio_test, until

__all__ = ["home"]
CIDS = made_up_cids(6, "limits")


async def following(home: Home, roster: Roster) -> Follower:
    """A follower whose node is away, and a list with six pins of 1,000 bytes that is pinned."""
    paths = home.cluster("books")
    curator = (await roster.start("books", None), roster.cluster("books"))[1]
    await curator.write([_pin(cid) for cid in CIDS])  # type: ignore[attr-defined]
    await roster.stop("books")
    save(paths.settings, replace(load_cluster(paths.settings), role=Role.FOLLOWER))
    await roster.start("books", None)
    follower = roster.cluster("books")
    assert isinstance(follower, Follower)
    # What the pinner has not taken yet it would queue again, over what is written here.
    await until(lambda: follower.peer.statuses.counts()[PinState.QUEUED] == 6 and not follower.peer.statuses.changes(1))
    with follower.peer.database.transaction() as db:
        db.execute("UPDATE pins SET state=?", (STATE_NUMBER[PinState.PINNED],))
        db.execute("UPDATE counters SET pins=0, bytes=0, sized=0")
        db.execute("UPDATE counters SET pins=6, bytes=6000, sized=6 WHERE state=?", (STATE_NUMBER[PinState.PINNED],))
    return follower


def _pin(cid: str) -> object:
    from pincrew.api.shapes import PinRequest

    return PinRequest(cid=cid, size=1_000)


@trio_test
async def test_limits_hold_at_once_and_are_kept(home: Home) -> None:
    made(home, "books")
    async with calling(home) as roster:
        follower = await following(home, roster)
        before = await follower.limits.info()
        assert (before.limit, before.keep_free, before.volume_total, before.bound) == (None, 10, None, None)
        changed = await follower.limits.change(LimitsRequest(limit="1MB", keep_free=5))
        assert (changed.pins, changed.limits.limit, changed.limits.keep_free) == (0, 1_000_000, 5)
        assert follower.summary().bytes.limit == 1_000_000 and follower.peer.pinner.room.keep_free_percent == 5
        local = load_cluster(home.cluster("books").settings)
        assert (local.limit, local.keep_free) == (1_000_000, 5)
        assert (await follower.limits.change(LimitsRequest(limit="none"))).limits.limit is None


@trio_test
async def test_a_lower_limit_asks_and_unpins_only_then(home: Home) -> None:
    made(home, "books")
    settings = home.cluster("books").settings
    save(settings, replace(load_cluster(settings), part=PartMode.ALL))  # no part is fitted meanwhile
    async with calling(home) as roster:
        follower = await following(home, roster)
        plan = await follower.limits.change(LimitsRequest(limit="4500", dry_run=True))
        assert (plan.pins, plan.bytes, plan.is_dry_run) == (2, 2_000, True)
        with pytest.raises(Conflict, match="2 pins"):
            await follower.limits.change(LimitsRequest(limit="4500"))
        assert load_cluster(home.cluster("books").settings).limit is None
        left = await follower.limits.change(LimitsRequest(limit="4500", excess="leave"))
        assert left.pins == 0
        done = await follower.limits.change(LimitsRequest(limit="4500", excess="unpin"))
        pins = follower.summary().pins
        assert (done.pins, pins.pinned) == (2, 4)


@trio_test
async def test_another_part_holds_at_once_and_what_is_outside_of_it_is_unpinned(home: Home) -> None:
    made(home, "books")
    settings = home.cluster("books").settings
    save(settings, replace(load_cluster(settings), part=PartMode.ALL))
    async with calling(home) as roster:
        follower = await following(home, roster)
        with pytest.raises(Misuse):
            await follower.limits.change(LimitsRequest(part="some"))
        assert (await follower.limits.change(LimitsRequest(part="part"))).limits.part == "part"
        assert follower.part_mode is load_cluster(settings).part is PartMode.PART
        plan = await follower.limits.change(LimitsRequest(limit="4500", dry_run=True))
        assert plan.chosen == "part" and plan.pins > 2, "a fifth of the limit is for rescues"
        done = await follower.limits.change(LimitsRequest(limit="4500", excess="unpin"))
        pins = follower.summary().pins
        assert (done.pins, pins.pinned) == (plan.pins, 6 - plan.pins)
        causes = {one.cause for one in follower.peer.listing.page(Filter(states=(PinState.SKIPPED,)), limit=10)}
        assert causes == {NOT_PART}


@pytest.mark.parametrize("limit", ["0", "-5GB", "10 parsecs"])
def test_what_is_no_limit_changes_nothing(home: Home, limit: str) -> None:
    @trio_test
    async def test(home: Home) -> None:
        made(home, "books")
        async with calling(home) as roster:
            follower = await following(home, roster)
            with pytest.raises(Misuse):
                await follower.limits.change(LimitsRequest(limit=limit))
            assert (await follower.limits.info()).limit is None

    test(home)


@trio_test
async def test_choices_are_taken_for_what_is_listed(home: Home) -> None:
    made(home, "books")
    absent = made_up_cids(1, "absent")[0]
    async with calling(home) as roster:
        follower = await following(home, roster)
        chosen = await follower.limits.choose([CIDS[0], CIDS[0], absent], "skip")
        assert (chosen.pins, chosen.absent, chosen.choice) == (1, [absent], "skip")
        with pytest.raises(Misuse, match="not a choice"):
            await follower.limits.choose([CIDS[0]], "perhaps")
        assert (await follower.limits.choose([CIDS[0]], None)).pins == 1
        follower.peer.pinner.selection.denylists = [parse([f"/ipfs/{CIDS[0]}".encode()])]
        assert (await follower.limits.choose(CIDS[:2], "next")).denied == [CIDS[0]]


@trio_test
async def test_a_curator_keeps_all(home: Home) -> None:
    made(home, "books")
    async with calling(home) as roster:
        await roster.start("books", None)
        desk = roster.cluster("books").limits
        with pytest.raises(NotAllowed):
            await desk.change(LimitsRequest(limit="5GB"))
        with pytest.raises(NotAllowed):
            await desk.choose(CIDS[:1], "skip")
