"""A running cluster mends its store: figures at once, shards of the base as soon as somebody has them."""

from __future__ import annotations

import trio
from pincrew.trusted.curator import Curator

from pincrew.api.shapes import PinRequest
from pincrew.base_sync import Stage
from pincrew.paths import Home
from pincrew.roster import Roster
from pincrew.store.bases import CutView
from support.machines import made_up_cids
from unit.test_roster import calling, home, made, trio_test

__all__ = ["home"]
CIDS = made_up_cids(6, "repair")


async def listed(home: Home, roster: Roster) -> Curator:
    """A running curator with six pins in base 1."""
    await roster.start("books", None)
    cluster = roster.cluster("books")
    assert isinstance(cluster, Curator)
    await cluster.write([PinRequest(cid=cid) for cid in CIDS])
    assert (await cluster.bases.take(None)).n == 1
    return cluster


@trio_test
async def test_figures_are_counted_anew_and_that_is_an_event(home: Home) -> None:
    made(home, "books")
    async with calling(home) as roster:
        cluster = await listed(home, roster)
        assert (await cluster.repairs.mend([])).figures == [], "they are right"
        with cluster.peer.database.transaction() as db:
            db.execute("UPDATE counters SET pins=99 WHERE state=4")
        assert cluster.summary().pins.skipped == 99
        done = await cluster.repairs.mend([])
        assert (done.cluster, done.figures, done.base, done.shards, done.peers) == ("books", ["skipped"], 1, 0, 0)
        assert cluster.summary().pins.skipped == 0
        told: list[str] = []
        while not told:
            told = [one.text for one in await cluster.peer.diary.after(0, wait=True) if "figures" in one.text]
        assert told == ["figures were wrong and were counted anew: skipped"]


@trio_test
async def test_shards_wait_for_somebody_who_has_them_and_nothing_waits_for_them(home: Home) -> None:
    made(home, "books")
    async with calling(home) as roster:
        cluster = await listed(home, roster)
        held = cluster.peer.member.bases.in_force.held
        assert held is not None
        full = next(at for at in range(4096) if cluster.peer.member.bases.store.rows_at(at, view(cluster))[1])
        done = await cluster.repairs.mend([full, 10**9])
        assert (done.shards, done.peers) == (1, 0), "what is no shard is none"
        candidate = cluster.bases.info().candidate
        assert candidate is not None and (candidate.n, candidate.stage) == (1, Stage.ROWS.name.lower())
        with trio.fail_after(20):
            written = await cluster.write([PinRequest(cid=one) for one in made_up_cids(1, "later")])
        assert written[0] == 1


def view(cluster: Curator) -> CutView:
    bases = cluster.peer.member.bases
    return bases.store.view(cluster.peer.member.heads())
