"""Joining and following through a link with a delay of 300 ms each way, stalls, and resets in the midst of frames."""

from __future__ import annotations

import os

import pytest

from support.bad_link import Manners, bad_link
from support.ingest import Ingest
from support.machines import Crew, made_up_cids, until
from support.three import NAME, agree

pytestmark = [pytest.mark.slow, pytest.mark.thorough]

SEED = os.environ.get("PINCREW_SEED", "1")
PINS = int(os.environ.get("PINCREW_SLOW_LINK_PINS", "600"))
BATCH = 100
BAD = Manners(delay_s=0.3, stall_s=(0.2, 3.0), stalls_per_chunk=0.03, reset_bytes=60_000)
HEAL_S = 60.0 + PINS / 40


def test_a_follower_joins_and_follows_through_a_bad_link(crew: Crew) -> None:
    curator, follower, newcomer = (crew.machine(name) for name in ("curator", "follower", "newcomer"))
    cids = made_up_cids(PINS, f"slow link {SEED}")
    with bad_link(BAD, SEED) as link:
        link.lead_to(curator)
        curator.create(NAME)
        curator.serve(NAME)
        curator.run("publish", "-o", "books.toml")
        document = str(curator.folder / "books.toml")
        curator.run("pin", "add", "-", stdin="\n".join(cids[: PINS // 2]))
        curator.run("state", "base")
        follower.follow(document)
        until(lambda: follower.cids(NAME), "the first have come", HEAL_S)
        with Ingest(curator, NAME, cids[PINS // 2 :], BATCH) as ingest:
            ingest.join()
        assert len(ingest.acknowledged) == PINS - PINS // 2
        took_s = agree((curator, follower), cids, patience_s=HEAL_S)
        newcomer.follow(document)
        joined_s = agree((curator, follower, newcomer), cids, patience_s=HEAL_S)
        print(f"{link.counted}; the same list after {took_s:.1f} s, a newcomer's after {joined_s:.1f} s")
        assert link.counted.stalls and link.counted.resets, "the link was too good to prove anything"
