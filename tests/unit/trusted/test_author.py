"""Writing again what a base made void: the last word on each key, in a session that goes on."""

from __future__ import annotations

import pytest

from pincrew.errors import NotAllowed
from pincrew.steps import finish
from sim.swarm import key_of
from unit.golden.vectors import cid
from unit.test_bases import Peer, after, chain, follower


def bodies(*written: list[tuple[bytes, bytes]]) -> list[bytes]:
    return [body for sealed in written for body, _ in sealed]


def test_the_last_word_on_each_key_is_written_once() -> None:
    ann, other = Peer("a"), Peer("a")
    void = bodies(other.write(1, 2, name="old"), other.write(2, 3, name="new"))
    other.remove(3)
    (session,) = other.heads()
    page = other.member.page(session, 2)
    assert page is not None
    written = finish(ann.author.reissue([*void, *page[1]]))
    assert ann.names() == {1: "old", 2: "new"} and written.absent == [cid(3)]
    assert len(written.sealed) == 1


def test_a_removal_is_written_again_too() -> None:
    ann, other = Peer("a"), Peer("a")
    ann.write(1, 2)
    other.write(1)
    other.remove(1)
    (session,) = other.heads()
    page = other.member.page(session, 1)
    assert page is not None
    finish(ann.author.reissue(page[1]))
    assert ann.names() == {2: "x"}


def test_nothing_void_writes_nothing() -> None:
    ann = Peer("a")
    assert finish(ann.author.reissue([])).sealed == [] and not ann.heads()


def test_who_is_no_curator_any_more_is_refused() -> None:
    ann, other = Peer("a"), Peer("a")
    void = bodies(other.write(1))
    ann.member.adopt(after(chain(), curators=frozenset([key_of("b").public]), keeper=None))
    with pytest.raises(NotAllowed):
        finish(ann.author.reissue(void))
    assert not ann.heads()


def test_a_base_of_a_keeper_does_not_end_the_session_and_one_that_makes_things_void_does() -> None:
    ann = Peer("a")
    ann.write(1)
    session = ann.author.session
    ann.makes()
    ann.write(1, name="y")
    assert ann.author.session == session and list(ann.heads()) == [session]
    bob = follower(ann)
    ann.member.replica.windows.turned(is_interrupted=True)
    ann.write(1, name="z")
    assert ann.author.session != session and len(ann.heads()) == 2
    bob.hears(ann)
    assert bob.names() == {1: "z"}
