"""A network that is cut while pins are written: everybody keeps what is acknowledged, and agrees again by himself.

By cables of network namespaces that are taken down; by proxies that let nothing through where a system allows no
namespaces, and in the long run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass

import pytest

from support.bad_link import Manners, bad_link
from support.ingest import Ingest
from support.machines import crew_in, made_up_cids, until
from support.netns import Bridge, bridge
from support.three import NAME, Three, agree, found, machines_of

pytestmark = [pytest.mark.slow, pytest.mark.thorough]
NOTICED_S = 60.0
HEAL_S = 90.0


@dataclass(frozen=True)
class Wired:
    """Three machines, and what cuts the curator off from the others."""

    three: Three
    cut: Callable[[], None]
    heal: Callable[[], None]


@pytest.fixture(params=["cables", pytest.param("proxies", marks=pytest.mark.long)], scope="module")
def wired(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wired]:
    """One cluster for all the cuts of a kind, because founding it takes as long as a cut."""
    with ExitStack() as stack:
        three = machines_of(stack.enter_context(crew_in(tmp_path_factory.mktemp("cut"))))
        network = None
        if request.param == "cables":
            with suppress(OSError):  # proxies then, rather than no cuts at all
                network = stack.enter_context(bridge())
        yield _with_proxies(three, stack) if network is None else _with_cables(three, network)


def _with_cables(three: Three, network: Bridge) -> Wired:
    for machine in three.all:
        network.plug(machine)
    return Wired(found(three), lambda: network.cut(three.curator), lambda: network.heal(three.curator))


def _with_proxies(three: Three, stack: ExitStack) -> Wired:
    links = [stack.enter_context(bad_link(Manners(), "cut")) for _ in three.all]
    for link, machine in zip(links, three.all, strict=True):
        link.lead_to(machine)

    def cut() -> None:
        for link in links:
            link.cut()

    def heal() -> None:
        for link in links:
            link.heal()

    return Wired(found(three), cut, heal)


def test_a_short_cut_while_pins_are_written(wired: Wired) -> None:
    three = wired.three
    cids = made_up_cids(6_000, "short cut")
    with Ingest(three.curator, NAME, cids, 200) as ingest:
        until(lambda: len(ingest.acknowledged) >= 1_000, "some are acknowledged")
        wired.cut()
        until(lambda: len(ingest.acknowledged) >= 4_000, "writing needs no neighbours")
        assert len(three.follower.cids(NAME)) < 4_000
        wired.heal()
        ingest.join()
    assert len(ingest.acknowledged) == len(cids)
    print(f"the same list {agree(three.all, cids, patience_s=HEAL_S):.1f} s after the last was acknowledged")


def test_both_sides_of_a_cut_are_written_until_each_has_given_the_other_up(wired: Wired) -> None:
    three = wired.three
    ours, theirs, shared = made_up_cids(1_000, "ours"), made_up_cids(1_000, "theirs"), made_up_cids(100, "shared")
    wired.cut()
    ingests = Ingest(three.keeper, NAME, ours + shared, 50), Ingest(three.curator, NAME, theirs + shared, 50)
    with ingests[0] as one, ingests[1] as other:
        three.curator.until(NAME, lambda summary: summary.peers.connected == 0, "it is alone", NOTICED_S)
        one.join()
        other.join()
    assert one.acknowledged == ours + shared and other.acknowledged == theirs + shared
    assert not set(theirs) & three.follower.cids(NAME)
    wired.heal()
    took_s = agree(three.all, {*ours, *theirs, *shared}, patience_s=HEAL_S)
    print(f"the same list {took_s:.1f} s after the cut was healed")
