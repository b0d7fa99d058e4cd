"""One peer's list: what of it goes into the next reply, and what of it is bounded."""

from __future__ import annotations

from pincrew import limits
from pincrew.node.bitswap.message import Want
from pincrew.node.bitswap.wantlist import Entry, State, Wantlist

KIB = 1024


def ready(wants: Wantlist, number: int, size: int, *, priority: int = 1, have: bool = False) -> Entry:
    cid = b"\x01\x55\x12\x20" + number.to_bytes(32)
    entry = wants.entries[cid] = Entry(wants, Want(cid, priority, have), number)
    wants.put_ready(entry, size)
    return entry


def test_a_reply_is_taken_by_priority_up_to_its_size() -> None:
    wants = Wantlist("a")
    late, first = ready(wants, 1, 200 * KIB), ready(wants, 2, 200 * KIB, priority=9)
    assert wants.ready_bytes == 400 * KIB
    assert wants.take_ready() == ([first], 200 * KIB)
    assert wants.take_ready() == ([late], 200 * KIB)
    assert late.state is State.TAKEN and wants.ready_bytes == 0
    assert wants.take_ready() == ([], 0)


def test_to_say_have_weighs_nothing() -> None:
    wants = Wantlist("a")
    for number in range(10):
        ready(wants, number, 100 * KIB, have=True)
    entries, size = wants.take_ready()
    assert (len(entries), size) == (10, 0)


def test_what_was_taken_back_is_passed_over_and_does_not_pile_up() -> None:
    wants = Wantlist("a")
    for number in range(5 * limits.BITSWAP_LEDGER_WANTS_MAX):
        ready(wants, number, 1).state = State.GONE
    assert len(wants.ready) <= 2 * limits.BITSWAP_LEDGER_WANTS_MAX + 1
    assert wants.take_ready() == ([], 0)


def test_who_has_enough_under_way_has_no_turn() -> None:
    wants = Wantlist("a")
    assert not wants.may_have_turn
    ready(wants, 1, 1)
    assert wants.may_have_turn
    wants.replies = limits.BITSWAP_REPLIES_PER_PEER_MAX
    assert not wants.may_have_turn
    wants.replies, wants.sending_bytes = 1, limits.BITSWAP_SENDING_BYTES_PER_PEER
    assert not wants.may_have_turn


def test_denials_and_refusals_are_bounded() -> None:
    wants = Wantlist("a")
    assert all(wants.deny(number.to_bytes(4)) for number in range(limits.BITSWAP_DENIALS_MAX))
    assert not wants.deny(b"more")
    assert len(wants.take_denials()) == limits.BITSWAP_REPLY_ENTRIES_MAX
    assert wants.deny(b"more")
    assert [wants.refuse(0.0) for _ in range(limits.BITSWAP_REFUSED_WANTS_MAX + 1)].count(True) == 1
