"""The cut of a revoked curator."""

from __future__ import annotations

from pincrew.trusted.cutting import cut_of

from pincrew.trust import Cut, LastGood
from pincrew.trust_change import without
from pincrew.values import Head, SessionId
from support.signers import CURATOR, SECOND_CURATOR, chain, first

LATER, EARLIER = SessionId(CURATOR.public, b"b" * 16), SessionId(CURATOR.public, b"a" * 16)


def test_the_cut_is_each_sessions_head_in_the_order_of_records() -> None:
    heads = {
        LATER: Head(3, b"x" * 32),
        EARLIER: Head(9, b"y" * 32),
        SessionId(SECOND_CURATOR.public, b"a" * 16): Head(4, b"z" * 32),
        SessionId(CURATOR.public, b"c" * 16): Head(0, b""),
    }
    cut = cut_of(CURATOR.public, heads)
    assert cut == Cut(CURATOR.public, (LastGood(b"a" * 16, 9, b"y" * 32), LastGood(b"b" * 16, 3, b"x" * 32)))
    held = chain(first(curators=[CURATOR, SECOND_CURATOR]))
    assert without(held, cut).cuts == (cut,), "a sound record comes of it"


def test_who_wrote_nothing_is_cut_off_from_everything() -> None:
    assert cut_of(CURATOR.public, {}) == Cut(CURATOR.public)
