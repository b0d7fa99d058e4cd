"""SIGSTOP: a machine that stands still with its connections open. The others give it up, and it heals when it goes on.

PINCREW_STOPPED_S says for how long at least (20 by hand); it is never shorter than until the others have noticed.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from support.ingest import Ingest
from support.machines import Crew, Machine, made_up_cids, until
from support.three import NAME, agree, found, machines_of

pytestmark = [pytest.mark.slow, pytest.mark.thorough]
STOPPED_S = float(os.environ.get("PINCREW_STOPPED_S", "0"))
NOTICED_S = 60.0
HEAL_S = 90.0


@contextmanager
def standing_still(machine: Machine) -> Iterator[None]:
    """Stop the daemon of a machine for as long as the block."""
    pid = machine.adopt()
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_curator_and_a_follower_that_stand_still(crew: Crew) -> None:
    three = found(machines_of(crew))
    cids = made_up_cids(4_000, "stopped")
    ingest = Ingest(three.curator, NAME, cids, 100)
    with ingest:
        until(lambda: len(ingest.acknowledged) >= 500, "some are acknowledged")
        with standing_still(three.follower):
            begun = time.monotonic()
            lost = "the others give the follower up"
            three.keeper.until(NAME, lambda summary: summary.peers.connected < 2, lost, NOTICED_S)
            noticed_s = time.monotonic() - begun
            _stand_still_since(begun)
            ingest.join()
    assert len(ingest.acknowledged) == len(cids)
    healed_s = agree(three.all, cids, patience_s=HEAL_S)
    print(f"given up after {noticed_s:.1f} s; the same list {healed_s:.1f} s after it went on")

    more = made_up_cids(4_000, "stopped again")
    with Ingest(three.curator, NAME, more, 100) as ingest:
        until(lambda: len(ingest.acknowledged) >= 500, "some are acknowledged")
        with standing_still(three.curator):
            begun = time.monotonic()
            lost = "the follower gives the curator up"
            three.follower.until(NAME, lambda summary: summary.peers.connected < 2, lost, NOTICED_S)
            noticed_s = time.monotonic() - begun
            _stand_still_since(begun)
            assert ingest.is_running, "it has an answer yet to come"
        ingest.join()
    assert len(ingest.acknowledged) == len(more), "the one under way was acknowledged late, and those after it"
    healed_s = agree(three.all, {*cids, *more}, patience_s=HEAL_S)
    print(f"given up after {noticed_s:.1f} s; the same list {healed_s:.1f} s after all was acknowledged")


def _stand_still_since(begun: float) -> None:
    """The long version of the fault: so many seconds are the fault itself, and nothing that is waited for."""
    time.sleep(max(0.0, begun + STOPPED_S - time.monotonic()))
