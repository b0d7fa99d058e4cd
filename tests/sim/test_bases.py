"""Bases under bad weather: made while others write, adopted at different times, joined by newcomers.

The rows must be what one document gives that is begun anew from the rows at each cut (oracle.py), at every peer.
"""

from __future__ import annotations

import os

import pytest

from sim.swarm import Swarm, Weather, key_of
from sim.test_swarm import storm


def seeds(default: int) -> list[int]:
    one = os.environ.get("PINCREW_SIM_SEED")
    return [int(one)] if one else list(range(int(os.environ.get("PINCREW_SIM_SEEDS", default))))


@pytest.mark.parametrize("seed", seeds(40))
def test_bases_among_writers(seed: int) -> None:
    swarm = Swarm(seed, curators=3, followers=3, weather=Weather(gossip=seed % 2 == 0))
    keeper = swarm.nodes["curator0"]
    for _ in range(3):
        storm(swarm, 25)
        if keeper.member is None:
            swarm.start(keeper)
        swarm.make_base(keeper)
        storm(swarm, 10)
    swarm.add("newcomer", None)
    swarm.settle()
    swarm.agreed()
    assert {node.member.bases.n for node in swarm.nodes.values() if node.member} == {3}


@pytest.mark.parametrize("seed", seeds(40))
def test_a_revoked_curator(seed: int) -> None:
    """What an owner cuts off is gone everywhere, and whoever had built on it has written that again."""
    swarm = Swarm(seed, curators=3, followers=3, keys=6, weather=Weather(gossip=seed % 2 == 0))
    keeper = swarm.nodes["curator0"]
    storm(swarm, 25)
    swarm.start(keeper)
    swarm.make_base(keeper)
    storm(swarm, 10)
    swarm.start(keeper)
    swarm.revoke("curator1", keeper)
    storm(swarm, 15)
    swarm.start(keeper)
    swarm.make_base(keeper, key_of("owner"))
    storm(swarm, 10)
    swarm.settle()
    swarm.agreed()
    for node in swarm.nodes.values():
        assert (node.member is not None and not node.member.bases.store.reissues(1)) or node.name == "curator1"
