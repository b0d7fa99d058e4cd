"""The proof of a fork travels: whoever saw one branch only learns of it from a neighbour that saw both."""

from __future__ import annotations

import pytest
from pincrew.trusted.author import WriteRequest

from pincrew import limits
from pincrew.frames import Proof
from pincrew.steps import finish
from pincrew.values import SessionId
from sim.forge import Author, Forged, put
from sim.judge import rows_of
from sim.swarm import Node, Swarm, Weather, cid_of, key_of
from sim.test_swarm import gossip, lone_author, requests, seeds, stopped_at

CALM = Weather(gossip=False)
LINE = [("follower0", "follower1"), ("follower1", "follower2"), ("follower2", "curator1")]
NAMES = ["follower0", "follower1", "follower2", "curator1"]


def taken(node: Node, *forged: Forged) -> None:
    """One after the other reaches a peer, before it looks at any."""
    assert node.member is not None
    for one in forged:
        assert node.member.replica.receive(one.sealed).fault is None


def branches(swarm: Swarm) -> tuple[SessionId, Forged, Forged, Forged]:
    """What two branches have in common, and the next envelope of each."""
    author = lone_author(swarm)
    common = author.sign(put(cid_of(1), "common"))
    twin = author.copy()
    return author.session, common, author.sign(put(cid_of(2), "left")), twin.sign(put(cid_of(3), "right"))


def ends(swarm: Swarm, session: SessionId) -> dict[str, tuple[int, bool]]:
    return {name: stopped_at(swarm.nodes[name], session) for name in NAMES}


@pytest.mark.parametrize("seed", seeds(3))
@pytest.mark.parametrize("witness", ["follower0", "follower1"])
def test_a_proof_goes_down_a_line_of_peers_on_one_branch(seed: int, witness: str) -> None:
    """All heads are equal, and so are all digests: nothing but the proof tells of the other branch."""
    swarm = Swarm(seed, curators=2, followers=3, weather=CALM)
    session, common, left, right = branches(swarm)
    gossip(swarm, common)
    gossip(swarm, left)
    gossip(swarm, right, witness)
    assert ends(swarm, session) == {name: (2, name == witness) for name in NAMES}
    swarm.live(30, LINE)
    assert ends(swarm, session) == dict.fromkeys(NAMES, (2, True))
    assert swarm.frames["Proof"] <= 2 * len(LINE) and swarm.frames["Want"] == 0 and not swarm.blames
    swarm.frames.clear()
    swarm.live(200, LINE)
    assert swarm.frames["Proof"] == 0, "it is shown once on each link"
    swarm.write(swarm.nodes["curator1"], requests(range(5, 7)))
    swarm.settle(links=LINE)
    assert {row[0] for row in swarm.judge.agreed()} == {cid_of(number) for number in (1, 2, 5, 6)}


@pytest.mark.parametrize("seed", seeds(3))
def test_who_applied_the_common_part_alone_tells_both_sides(seed: int) -> None:
    """Its head says nothing of a fork; those of its neighbours, who never meet, are on two branches."""
    swarm = Swarm(seed, curators=2, followers=3, weather=CALM)
    session, common, left, right = branches(swarm)
    gossip(swarm, common)
    taken(swarm.nodes["follower1"], left, right)
    swarm.apply(swarm.nodes["follower1"])
    gossip(swarm, left, "follower0")
    gossip(swarm, right, "follower2", "curator1")
    swarm.live(30, LINE)
    assert ends(swarm, session) == {**dict.fromkeys(NAMES, (2, True)), "follower1": (1, True)}
    assert not swarm.blames


@pytest.mark.parametrize("seed", seeds(3))
def test_who_holds_less_is_not_shown_the_losing_branch(seed: int) -> None:
    """A newcomer takes the branch that took effect, then the proof; a peer with the common part does the same."""
    swarm = Swarm(seed, curators=2, followers=3, weather=CALM)
    session, common, left, right = branches(swarm)
    gossip(swarm, common, "follower0", "follower1")
    gossip(swarm, left, "follower0")
    gossip(swarm, right, "follower0")
    swarm.live(len(LINE) * 1.3 * limits.ANTI_ENTROPY_INTERVAL_S + 5, LINE)
    assert ends(swarm, session) == dict.fromkeys(NAMES, (2, True))
    assert len(swarm.judge.agreed()) == 2 and not swarm.blames
    assert {row[0] for row in rows_of(swarm.nodes["curator1"])} == {cid_of(1), cid_of(2)}


def test_an_owners_base_ends_the_showing() -> None:
    """It settles which branch counts: the session goes on, and neither branch shown again stops it."""
    swarm = Swarm(0, curators=2, followers=3, weather=CALM)
    session, common, left, right = branches(swarm)
    gossip(swarm, common)
    gossip(swarm, left)
    gossip(swarm, right, "follower0")
    swarm.live(30, LINE)
    keeper = swarm.nodes["curator1"]
    assert keeper.member is not None
    proofs = [*keeper.member.proof(session), Proof(session, (left.body,), left.signature)]
    assert len(proofs) == 2
    swarm.make_base(keeper, is_owners=True)
    swarm.settle(links=LINE)
    swarm.frames.clear()
    for name in NAMES:
        node = swarm.nodes[name]
        swarm.crash(node)
    swarm.live(60, LINE)
    assert swarm.frames["Proof"] == 0
    for name in NAMES:
        node = swarm.nodes[name]
        assert node.member is not None and node.member.proven() == {}
        for proof in proofs:
            assert node.member.receive_proof(*proof).fault is None
        finish(node.member.replica.apply())
    assert ends(swarm, session) == dict.fromkeys(NAMES, (2, False))


def test_a_proof_that_comes_before_the_base_is_shown_to_nobody_who_has_it() -> None:
    """One peer was away while an owner settled the fork: it has the proof, and the others have the base."""
    swarm = Swarm(0, curators=2, followers=3, weather=CALM)
    session, common, left, right = branches(swarm)
    gossip(swarm, common)
    gossip(swarm, left)
    gossip(swarm, right, "follower0")
    keeper = swarm.nodes["curator1"]
    swarm.make_base(keeper, is_owners=True)
    swarm.live(30, LINE[1:])
    assert ends(swarm, session) == {name: (2, name == "follower0") for name in NAMES}
    swarm.settle(links=LINE)
    assert ends(swarm, session) == dict.fromkeys(NAMES, (2, False))
    assert swarm.frames["Proof"] == 0


@pytest.mark.parametrize("seed", seeds(3))
def test_an_author_learns_that_somebody_wrote_in_its_session(seed: int) -> None:
    """A thief's envelope reached one follower only. The curator's next write is a new session's, and takes effect."""
    swarm = Swarm(seed, curators=2, followers=3, weather=CALM)
    line = [*LINE, ("curator1", "curator0")]
    one = swarm.nodes["curator0"]
    swarm.write(one, requests(range(2)))
    swarm.settle(links=line)
    assert one.member is not None and one.author is not None
    session = one.author.session
    state = one.member.replica.gate.sessions[session]
    thief = Author(key_of("curator0"), swarm.chain.cluster_id, session.nonce, 2)
    thief.number, thief.previous, thief.puts = state.number, state.hash, dict(state.puts or {})
    swarm.write(one, requests(range(3, 5)))
    swarm.settle(links=line)
    gossip(swarm, thief.sign(put(cid_of(8), "thief")), "follower0")
    swarm.live(30, line)
    assert ends(swarm, session) == dict.fromkeys(NAMES, (2, True)) and stopped_at(one, session) == (2, True)
    swarm.write(one, [*requests(range(6, 8), "again"), WriteRequest(cid_of(0), None)])
    assert one.author.session != session
    swarm.settle(links=line)
    assert {row[0] for row in swarm.judge.agreed()} == {cid_of(number) for number in (1, 3, 4, 6, 7)}
    assert not swarm.blames


@pytest.mark.parametrize("seed", seeds(3))
def test_a_proof_reaches_whoever_differs_in_something_else(seed: int) -> None:
    """Another fork keeps digests apart for ever, and the witness was the one who passed the session on."""
    swarm = Swarm(seed, curators=2, followers=3, weather=CALM)
    links = [("follower0", "follower1")]
    session, common, left, right = branches(swarm)
    other = Author(key_of("curator0"), swarm.chain.cluster_id, b"o" * 16, 2)
    gossip(swarm, other.sign(put(cid_of(4), "other")), "follower0", "follower1")
    twin = other.copy()
    gossip(swarm, other.sign(put(cid_of(5), "one")), "follower0")
    gossip(swarm, twin.sign(put(cid_of(5), "two")), "follower1")
    swarm.live(60, links)
    first, second = swarm.nodes["follower0"], swarm.nodes["follower1"]
    assert stopped_at(first, other.session) == stopped_at(second, other.session) == (2, True)
    gossip(swarm, common, "follower0")
    swarm.live(5, links)
    gossip(swarm, left, "follower0")
    swarm.live(5, links)
    assert stopped_at(second, session) == (2, False)
    gossip(swarm, right, "follower0")
    swarm.live(70, links)
    assert stopped_at(first, session) == stopped_at(second, session) == (2, True)
    swarm.frames.clear()
    swarm.live(300, links)
    assert swarm.frames["Proof"] == 0 and swarm.frames["Heads"] <= 4 * 300 / 30 and not swarm.blames
