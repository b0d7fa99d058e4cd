"""All that is known of one pin of a running cluster."""

from __future__ import annotations

import pytest
import trio

from pincrew.announcement import KeptPart
from pincrew.api.shapes import PinRequest
from pincrew.bookkeeper import Work
from pincrew.cid import parse_cid
from pincrew.errors import NotFound
from pincrew.paths import Home
from pincrew.rates import Ring, Senders
from pincrew.tracker import Progress
from pincrew.values import Choice, Pin, PinState
from support.machines import made_up_cids
from support.shape_examples import PEER
from unit.test_coverage_desk import announce, listed
from unit.test_roster import calling, home, made, trio_test

__all__ = ["home"]
CIDS = made_up_cids(3, "pin view")


@trio_test
async def test_what_the_list_says_of_it_and_who_put_it_there(home: Home) -> None:
    made(home, "books")
    async with calling(home) as roster:
        cluster = await listed(
            roster,
            PinRequest(
                cid=CIDS[0],
                name="quijote",
                size=1_000,
                metadata={"by": "ana"},
                timestamp="2025-11-02T10:00:00Z",
                expire_at="2030-01-01T00:00:00Z",
            ),
            PinRequest(cid=CIDS[1], allocations=[PEER], replication_factor_min=1, replication_factor_max=1),
        )
        announce(cluster, "all", KeptPart(None, None, 60, 0, 0))
        found = await cluster.pin(CIDS[0])
        assert (found.cluster, found.name, found.size, found.mode) == ("books", "quijote", 1_000, "recursive")
        assert (found.added, found.expires) == ("2025-11-02T10:00:00Z", "2030-01-01T00:00:00Z")
        assert (found.added_by, found.metadata, found.allocations) == (cluster.peer.id, {"by": "ana"}, [])
        assert found.copies is not None and found.copies >= 1.0
        assert (found.last_block, found.serving, found.rate, found.next_step) == (None, None, None, None)
        other = await cluster.pin(CIDS[1])
        assert (other.expires, other.copies, len(other.allocations)) == (None, None, 1)
        with pytest.raises(NotFound, match="is not in the list of books"):
            await cluster.pin(CIDS[2])


@trio_test
async def test_how_it_comes_while_it_is_fetched_and_the_users_word(home: Home) -> None:
    made(home, "books")
    async with calling(home) as roster:
        cluster = await listed(roster, PinRequest(cid=CIDS[0], name="quijote", size=90_000))
        cid, now = parse_cid(CIDS[0]), trio.current_time()
        keeper = cluster.peer.pinner.place.keeper
        work = Work(cid, Pin(cid, name="quijote"), Progress(PinState.PINNING), 0)
        work.blocks, work.bytes, work.last_block_at = 3, 60_000, now
        work.rate, work.senders = Ring(10.0, now - 20.0), Senders()
        work.rate.add(now, 60_000)
        work.senders.heard(now, ["a", "b"])
        keeper.begin(work)
        cluster.peer.pinner.selection.choices[cid] = Choice.NEXT
        found = await cluster.pin(CIDS[0])
        assert (found.serving, found.rate, found.blocks_done, found.bytes_done) == (2, 6_000, 3, 60_000)
        assert found.last_block is not None and found.choice == "next"
        flight = cluster.summary().progress
        assert flight is not None
        assert [(each.rate, each.serving) for each in flight.flights] == [(6_000, 2)]
        keeper.end(work)


@trio_test
async def test_where_it_stands_in_the_list(home: Home) -> None:
    made(home, "books")
    async with calling(home) as roster:
        cluster = await listed(roster, *(PinRequest(cid=cid, name=f"book {at}") for at, cid in enumerate(CIDS)))
        asked = {"cid": "", "prefix": "", "state": "", "name": "", "find": "", "sort": "name"}
        assert (await cluster.locate(**{**asked, "cid": CIDS[2]})).offset == 2
        found = await cluster.locate(**{**asked, "prefix": "book 1"})
        assert (found.cluster, found.offset) == ("books", 1) and 0 < found.rev <= (cluster.summary().rev or 0)
        assert (await cluster.locate(**{**asked, "cid": CIDS[2], "state": "pinned"})).offset is None
        series = cluster.series()
        assert (series.cluster, series.step_s) == ("books", 5) and len(series.down) == len(series.up)
