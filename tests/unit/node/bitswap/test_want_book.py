"""How wants move: between sessions, queues and peers. Rule 2 of `wants`: a want is in one place."""

from __future__ import annotations

from pincrew.node.bitswap.partner import Kind, Partner, State, Wanted
from pincrew.node.bitswap.want_book import Session, WantBook


def wanted(book: WantBook, number: int, *sessions: int) -> Wanted:
    multihash = b"\x12\x20" + number.to_bytes(32)
    want = book.wants[multihash] = Wanted(multihash, b"\x01\x55" + multihash, sessions[0])
    for each in sessions:
        session = book.sessions.setdefault(each, Session(each, ()))
        session.wants.add(multihash)
        want.sessions[each] = [want.cid]
    return want


def asked(book: WantBook, want: Wanted, name: str) -> Partner:
    peer = book.peers[name] = Partner(name, True, 0.0)
    want.state, want.asked = State.ASKED, peer
    peer.ask(want, Kind.BLOCK, 0.0)
    return peer


def test_what_is_given_back_is_asked_first() -> None:
    book = WantBook()
    first, second = wanted(book, 1, 1), wanted(book, 2, 1)
    asked(book, first, "a")
    book.enqueue(second)
    book.give_back(first)
    assert list(book.sessions[1].queue) == [first.multihash, second.multihash]
    assert first.asked is None and first.state is State.QUEUED
    assert list(book.hungry) == [1]


def test_a_want_outlives_the_session_that_asked_for_it_while_another_has_it() -> None:
    book = WantBook()
    want = wanted(book, 1, 1, 2)
    book.enqueue(want)
    book.leave(want, book.sessions[1])
    assert want.home == 2 and list(book.sessions[2].queue) == [want.multihash]
    peer = asked(book, want, "a")
    peer.told.add(want.multihash)
    book.leave(want, book.sessions[2])
    assert not book.wants and not peer.in_flight
    assert peer.outbox == {want.multihash: (want.cid, Kind.CANCEL)} and "a" in book.telling


def test_the_last_bad_answer_sends_a_want_on_to_who_was_not_asked() -> None:
    book = WantBook()
    want = wanted(book, 1, 1)
    want.state = State.SOURCELESS
    book.sessions[1].sourceless[want.multihash] = None
    for name in ("a", "b"):
        book.peers[name] = Partner(name, True, 0.0)
    want.lacking.add("a")
    assert book.others(want)
    book.unprobed(want, book.peers["a"])
    assert want.state is State.QUEUED and not book.sessions[1].sourceless


def test_a_late_answer_says_that_its_peer_has_to_do_with_the_dag() -> None:
    book = WantBook()
    want = wanted(book, 1, 1)
    peer = asked(book, want, "a")
    peer.told.add(want.multihash)
    book.settle(want)
    assert want.state is State.ARRIVED
    assert book.late(peer, want.multihash) and book.sessions[1].peers == {"a": 0}
    assert not book.late(peer, want.multihash)
