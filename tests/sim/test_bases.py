"""Bases under bad weather: made while others write, adopted at different times, joined by newcomers.

    PINCREW_SIM_SEED=123 pytest tests/sim/test_bases.py -k among     one seed again
    PINCREW_SIM_SEEDS=500 pytest tests/sim/test_bases.py             more seeds of each scenario than the default

The rows must be what one document gives that is begun anew from the rows at each cut (oracle.py), at every peer.
"""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

from pincrew.base_sync import Stage
from pincrew.frames import Blob
from pincrew.member import Member
from sim.forge import Author as Forger
from sim.forge import put
from sim.judge import rows_of
from sim.liars import tell_a_lie
from sim.storm import storm
from sim.swarm import Node, Swarm, Weather, cid_of, key_of

SHARD_BITS = 2


def seeds(default: int) -> list[int]:
    one = os.environ.get("PINCREW_SIM_SEED")
    return [int(one)] if one else list(range(int(os.environ.get("PINCREW_SIM_SEEDS", default))))


def up(swarm: Swarm, node: Node) -> Member:
    """The member of a peer, which is started where it is down."""
    if node.member is None:
        swarm.start(node)
    assert node.member is not None
    return node.member


def numbers(swarm: Swarm) -> set[int]:
    return {node.member.bases.n for node in swarm.nodes.values() if node.member}


@pytest.mark.parametrize("seed", seeds(16))
def test_bases_among_writers(seed: int) -> None:
    swarm = Swarm(seed, curators=3, followers=3, weather=Weather(gossip=seed % 2 == 0))
    keeper = swarm.nodes["curator0"]
    for _ in range(3):
        storm(swarm, 25)
        up(swarm, keeper)
        swarm.make_base(keeper)
        storm(swarm, 10)
    swarm.add("newcomer", None)
    swarm.settle()
    swarm.judge.agreed()
    assert numbers(swarm) == {3}


@pytest.mark.parametrize("seed", seeds(16))
def test_a_revoked_curator(seed: int) -> None:
    """What an owner cuts off is gone everywhere, and whoever had built on it has written that again."""
    swarm = Swarm(seed, curators=3, followers=3, keys=6, weather=Weather(gossip=seed % 2 == 0))
    keeper = swarm.nodes["curator0"]
    storm(swarm, 25)
    up(swarm, keeper)
    swarm.make_base(keeper)
    storm(swarm, 10)
    up(swarm, keeper)
    swarm.tell(keeper, swarm.owner.revokes(key_of("curator1").public, keeper))
    storm(swarm, 15)
    up(swarm, keeper)
    swarm.make_base(keeper, is_owners=True)
    storm(swarm, 10)
    swarm.settle()
    swarm.judge.agreed()
    for node in swarm.nodes.values():
        assert (node.member is not None and not node.member.bases.store.reissues(1)) or node.name == "curator1"


@pytest.mark.parametrize("seed", seeds(6))
def test_newcomers_while_bases_follow_each_other(seed: int) -> None:
    """Each joins somewhere between two bases, and the rows that it fetches are those of one or of the next."""
    swarm = Swarm(seed, curators=2, followers=2, weather=Weather(gossip=seed % 2 == 0))
    keeper = swarm.nodes["curator0"]
    for number in range(4):
        storm(swarm, 12)
        up(swarm, keeper)
        swarm.make_base(keeper)
        late = swarm.add(f"newcomer{number}", None)
        swarm.connect(late, swarm.random.choice(list(swarm.nodes.values())))
        swarm.run(swarm.now + swarm.random.random())
    swarm.settle()
    swarm.judge.agreed()
    assert numbers(swarm) == {4}


@pytest.mark.parametrize("seed", seeds(6))
def test_bases_while_a_follower_is_away(seed: int) -> None:
    """Nobody has the log any more that would lead it on, so it takes the newest base; so does a late curator."""
    swarm = Swarm(seed, curators=3, followers=2, weather=Weather(gossip=False))
    storm(swarm, 20)
    away = [swarm.nodes["follower0"], swarm.nodes["curator2"]]
    swarm.settle()
    for node in away:
        swarm.crash(node)
    present = [("curator0", "curator1"), ("curator1", "follower1")]
    for _ in range(3):
        for _ in range(5):
            swarm.write(swarm.nodes["curator1"], swarm.random_requests())
            swarm.write(swarm.nodes["curator0"], swarm.random_requests())
        for a, b in present:
            swarm.connect(swarm.nodes[a], swarm.nodes[b])
        swarm.run(swarm.now + 60)
        swarm.tick()
        swarm.make_base(swarm.nodes["curator0"])
        swarm.run(swarm.now + 60)
        swarm.tick()
    swarm.settle()
    swarm.judge.agreed()
    assert numbers(swarm) == {3}


@pytest.mark.parametrize("seed", seeds(6))
def test_a_crash_at_every_step_on_the_way_into_force(seed: int) -> None:
    """At any step of checking, fetching or adopting: the peer comes up on one base or on the other, and whole."""
    swarm = Swarm(seed, curators=2, followers=1, weather=Weather(gossip=False))
    keeper = swarm.nodes["curator0"]
    storm(swarm, 20)
    swarm.settle()
    swarm.write(swarm.nodes["curator1"], swarm.random_requests())
    swarm.settle()
    disks = {"recomputing": swarm.copy_disk(swarm.nodes["follower0"]), "taking": None}
    up(swarm, keeper)
    swarm.make_base(keeper, is_owners=bool(seed % 2))
    assert keeper.member is not None
    sealed = keeper.member.base_sealed(0)
    assert sealed is not None
    for name, disk in disks.items():
        crashes = 0
        node = swarm.add(name, None, disk)
        while up(swarm, node).bases.n == 0:
            member = up(swarm, node)
            assert member.base_offered(sealed) is None
            steps = _steps(member, keeper.member)
            for _ in range(crashes):
                next(steps, None)
            steps.close()
            swarm.crash(node)
            crashes += 1
            assert crashes < 100, "it never comes into force"
        assert crashes > 2
    swarm.settle()
    swarm.judge.agreed()


def _steps(member: Member, source: Member) -> Generator[None, None, None]:
    """Everything on the way to a base in force, with a place to die after each step."""
    while True:
        for name in member.bases.missing(1):
            assert member.bases.keep(name, source.bases.in_force.blob(name) or b"")
        if member.bases.missing(1):
            yield
        elif member.bases.stage() in (Stage.CHECK, Stage.READY):
            for step in member.turn():
                if step is not None:
                    step()
                yield
        else:
            return


@pytest.mark.parametrize("seed", seeds(6))
def test_a_backup_from_before_a_base_is_put_back(seed: int) -> None:
    """A curator writes on in a new session; what it knew of the base comes again."""
    swarm = Swarm(seed, curators=3, followers=2, weather=Weather(gossip=seed % 2 == 0))
    keeper, other = swarm.nodes["curator0"], swarm.nodes["curator1"]
    storm(swarm, 20)
    swarm.settle()
    backups = {node.name: swarm.copy_disk(node) for node in (keeper, other)}
    for _ in range(1 + seed % 3):
        storm(swarm, 10)
        up(swarm, keeper)
        swarm.make_base(keeper)
        swarm.settle()
    for node in (keeper, other):
        swarm.put_back(node, backups[node.name])
        swarm.write(node, swarm.random_requests())
    swarm.settle()
    swarm.judge.agreed()
    up(swarm, keeper)
    swarm.make_base(keeper)
    swarm.settle()
    swarm.judge.agreed()


@pytest.mark.parametrize("seed", seeds(6))
def test_a_lying_keeper_among_honest_peers(seed: int) -> None:
    """Nobody who holds the log takes its base; a newcomer may; an owner's base heals both."""
    swarm = Swarm(seed, curators=2, followers=3, keys=16, weather=Weather(gossip=False))
    liar, honest = swarm.nodes["curator0"], swarm.nodes["curator1"]
    storm(swarm, 30)
    swarm.settle()
    while len(rows_of(honest)) < 5:
        swarm.write(honest, swarm.random_requests())
    swarm.settle()
    rows = rows_of(honest)
    tell_a_lie(swarm, liar)
    swarm.live(60.0)
    for node in swarm.nodes.values():
        if node is not liar:
            assert rows_of(node) == rows and up(swarm, node).bases.n == 0, f"{node.name} took a lie"
    refused = {name for name, turned in swarm.turned if turned.fault}
    assert refused and liar.name not in refused
    fooled = swarm.add("fooled", None)
    swarm.live(30.0, [("fooled", liar.name)])
    assert fooled.member is not None and fooled.member.bases.n == 1 and rows_of(fooled) != rows
    swarm.make_base(honest, is_owners=True)  # numbered beyond the lie, which it has seen
    swarm.settle()
    assert swarm.judge.agreed() == rows and numbers(swarm) == {2}


@pytest.mark.parametrize("seed", seeds(6))
def test_an_owner_heals_a_forked_session(seed: int) -> None:
    """Both branches are about, each stops the session where it came second; the base says which one counts."""
    swarm = Swarm(seed, curators=2, followers=4, weather=Weather(gossip=False))
    swarm.crash(swarm.nodes["curator1"])
    del swarm.nodes["curator1"]
    ben = Forger(key_of("curator1"), swarm.chain.cluster_id, b"f" * 16, SHARD_BITS)
    first = ben.sign(put(cid_of(1), "first"), put(cid_of(2), "first"))
    twin = ben.copy()
    branches = [ben.sign(put(cid_of(3), "left")), twin.sign(put(cid_of(3), "right"))]
    nodes = list(swarm.nodes.values())
    for index, node in enumerate(nodes):
        for forged in (first, *(branches if index % 2 else branches[::-1])):
            assert node.member is not None
            node.member.replica.receive(forged.sealed)
            swarm.apply(node)
    keeper = swarm.nodes["curator0"]
    swarm.live(30.0)
    assert all(up(swarm, node).replica.stopped for node in nodes)
    swarm.write(keeper, swarm.random_requests())
    swarm.make_base(keeper, is_owners=True)
    swarm.settle()
    rows = rows_of(keeper)
    assert all(rows_of(node) == rows for node in nodes) and numbers(swarm) == {1}
    held = next(forged for forged in branches if up(swarm, keeper).head(ben.session).hash == forged.hash)
    winner = ben if held is branches[0] else twin
    more = winner.sign(put(cid_of(4), "more"))
    assert keeper.member is not None and keeper.sync is not None
    assert keeper.member.replica.receive(more.sealed).fault is None
    swarm.apply(keeper)
    swarm.settle()
    rows = rows_of(keeper)
    assert cid_of(4) in {row[0] for row in rows} and all(rows_of(node) == rows for node in nodes)
    swarm.add("newcomer", None)
    swarm.settle()
    assert rows_of(swarm.nodes["newcomer"]) == rows


@pytest.mark.parametrize("seed", seeds(6))
def test_another_keeper(seed: int) -> None:
    """The next record names another curator; bases of both count, each by the record that it names."""
    swarm = Swarm(seed, curators=3, followers=2, weather=Weather(gossip=seed % 2 == 0))
    keeper, heir = swarm.nodes["curator0"], swarm.nodes["curator1"]
    storm(swarm, 20)
    up(swarm, keeper)
    swarm.make_base(keeper)
    swarm.settle()
    up(swarm, heir)
    swarm.tell(heir, swarm.owner.keeps(key_of("curator1").public))
    storm(swarm, 10)
    swarm.settle()
    swarm.make_base(heir)
    swarm.add("newcomer", None)
    storm(swarm, 10)
    swarm.settle()
    swarm.judge.agreed()
    assert numbers(swarm) == {2}
    assert up(swarm, keeper).chain.keeper == key_of("curator1").public


@pytest.mark.parametrize("seed", seeds(4))
def test_a_neighbour_that_has_blobs_and_sends_none(seed: int) -> None:
    """It is passed over; the others have them, and where it is alone the newcomer gets through once it sends."""
    swarm = Swarm(seed, curators=2, followers=2, weather=Weather(gossip=False))
    storm(swarm, 20)
    swarm.settle()
    swarm.make_base(swarm.nodes["curator0"])
    swarm.settle()
    mute = swarm.nodes["follower0"]
    assert mute.member is not None
    send, swarm_send = mute.member.blob_piece, swarm._send
    swarm._send = lambda node, sent: (  # type: ignore[method-assign]
        None if node is mute and isinstance(sent.frame, Blob) else swarm_send(node, sent)
    )
    swarm.add("newcomer", None)
    swarm.live(60.0, [("newcomer", "follower0")])
    assert swarm.nodes["newcomer"].member is not None and swarm.nodes["newcomer"].member.bases.n == 0
    if seed % 2:
        swarm._send = swarm_send  # type: ignore[method-assign]
        swarm.live(60.0, [("newcomer", "follower0")])
    else:
        swarm.live(60.0, [("newcomer", "follower0"), ("newcomer", "follower1")])
    assert swarm.nodes["newcomer"].member.bases.n == 1 and send is not None
    swarm._send = swarm_send  # type: ignore[method-assign]
    swarm.settle()
    swarm.judge.agreed()
