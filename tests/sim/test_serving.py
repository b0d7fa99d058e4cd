"""What a replica holds it can serve, and what it says of a fork anybody can check (invariants 3, 5 and 14)."""

from __future__ import annotations

import pytest

from pincrew import limits
from pincrew.inbox import Inbox, Sealed
from pincrew.steps import finish
from pincrew.values import Dependency, OperationId, Put, SessionId
from sim.forge import Author, put
from sim.judge import rows_of
from sim.swarm import Swarm, Weather, cid_of, key_of
from sim.test_swarm import forked, gossip, lone_author, requests, stopped_at

CALM = Weather(gossip=False)


def test_what_took_effect_before_a_stop_inside_a_page_is_served_on() -> None:
    """Number 6 of a page of 7 (one signature, the last's) is bad: a newcomer gets 1 to 5, and comes to the same end."""
    swarm = Swarm(0, curators=2, followers=2, weather=CALM)
    author = lone_author(swarm)
    made = [author.sign(put(cid_of(n))) for n in range(5)]
    made.append(author.sign(put(cid_of(7), origin=OperationId(author.session, 0))))
    made.append(author.sign(put(cid_of(9))))
    first = swarm.nodes["follower0"]
    assert first.member is not None
    received = first.member.receive_page(author.session, tuple(one.body for one in made), made[-1].signature)
    assert received.fault is None
    swarm.apply(first)
    assert stopped_at(first, author.session) == (5, True)
    swarm.settle()
    assert stopped_at(swarm.nodes["follower1"], author.session) == (5, True)


def test_a_window_ends_at_a_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a window leaves as the head can be served, however full the window was before."""
    swarm = Swarm(0, curators=1, followers=2, weather=CALM)
    author = lone_author(swarm)
    made = [author.sign(put(cid_of(n))) for n in range(6)]
    monkeypatch.setattr(limits, "WINDOW_OPERATIONS_MAX", 3)
    first = swarm.nodes["follower0"]
    assert first.member is not None
    first.member.receive_page(author.session, tuple(one.body for one in made), made[-1].signature)
    finish(first.member.replica.apply())
    head = first.member.heads()[author.session].number
    page = first.member.page(author.session, 0)
    assert page is not None and len(page[1]) == head


def test_the_proof_of_a_fork_inside_a_page_ends_at_a_signature() -> None:
    swarm = Swarm(0, curators=2, followers=1, weather=CALM)
    author = lone_author(swarm)
    one = author.sign(put(cid_of(1)))
    twin = author.copy()
    left = author.sign(put(cid_of(2)))
    right = [twin.sign(put(cid_of(3))), twin.sign(put(cid_of(4)))]
    gossip(swarm, one, "follower0")
    gossip(swarm, left, "follower0")
    node = swarm.nodes["follower0"]
    assert node.member is not None
    node.member.receive_page(author.session, tuple(one.body for one in right), right[-1].signature)
    swarm.apply(node)
    proof = node.member.replica.history.evidence()
    assert [part.body for part in proof] == [one.body for one in right]
    assert proof[-1].signature == right[-1].signature


def test_a_fork_below_our_head_is_noticed() -> None:
    """A neighbour's head is lower than ours and on another branch."""
    swarm, author = forked(0)
    swarm.live(300)
    assert {stopped_at(node, author.session)[1] for node in swarm.nodes.values()} == {True}


def test_early_envelopes_are_bounded_over_all_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REORDER_TOTAL_BYTES_MAX", 1_000_000)
    inbox = Inbox()
    for n in range(40):
        author = Author(key_of("curator0"), bytes(32), n.to_bytes(16))
        author.number, author.previous = 5, bytes(32)
        sealed = author.sign(*[Put(cid_of(k), bytes(4_000)) for k in range(40)])
        inbox.offer(Sealed(sealed.read(), sealed.signature), 0)
    assert 0 < inbox.size <= 1_000_000


def test_a_session_that_waits_for_ever_takes_nobody_elses_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """An author whose dependency nobody has fills what a window may hold: the others' sessions are still asked for."""
    monkeypatch.setattr(limits, "WINDOW_BYTES_MAX", 20_000)
    swarm = Swarm(0, curators=2, followers=2, weather=CALM)
    rogue = lone_author(swarm)
    node = swarm.nodes["follower1"]
    assert node.member is not None
    ghost = Dependency(SessionId(rogue.key.public, b"g" * 16), 1, bytes(32))
    for number in range(150):
        depends = (ghost,) if number == 0 else ()
        node.member.replica.receive(rogue.sign(put(cid_of(100 + number)), depends=depends).sealed)
    swarm.write(swarm.nodes["curator1"], requests(range(50, 53)))
    swarm.live(300)
    assert cid_of(50) in {row[0] for row in rows_of(node)}
