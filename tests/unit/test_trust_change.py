"""The next record for each kind of change: it says again what holds, but for the change."""

from __future__ import annotations

import pytest

from pincrew.errors import Conflict, Misuse, NotFound
from pincrew.keys import SigningKey
from pincrew.trust import Cut, LastGood, TrustChain, TrustRecord
from pincrew.trust_change import FormerCurator, former_curators, undone, with_keeper, with_more, without
from support.signers import CURATOR, OWNER, SECOND_CURATOR, SECOND_OWNER, STRANGER, chain, first, following

CUT = Cut(SECOND_CURATOR.public, (LastGood(bytes(16), 7, bytes(32)),))
TWO = first(curators=[CURATOR, SECOND_CURATOR])


def after(held: TrustChain, record: TrustRecord, *owners: SigningKey) -> TrustChain:
    return held.extended(record.signed(*(owners or (OWNER,))))


def test_curators_owners_and_threshold_are_added_in_one_record() -> None:
    record = with_more(chain(), curators=[SECOND_CURATOR.public], owners=[SECOND_OWNER.public], threshold=2)
    held = after(chain(), record)
    assert held.curators == {CURATOR.public, SECOND_CURATOR.public}
    assert held.owners == {OWNER.public, SECOND_OWNER.public} and held.head.threshold == 2
    assert held.keeper == CURATOR.public, "what is not changed stays"
    assert record.signatures == () and (record.n, record.previous) == (1, first().hash)


def test_what_holds_already_is_no_change() -> None:
    for make in (
        lambda: with_more(chain(), curators=[CURATOR.public]),
        lambda: with_more(chain(), owners=[OWNER.public], threshold=1),
        lambda: with_keeper(chain(), CURATOR.public),
    ):
        with pytest.raises(Conflict, match="already"):
            make()


def test_what_no_record_can_say_is_refused_in_words() -> None:
    with pytest.raises(Misuse, match="signatures"):
        with_more(chain(), threshold=2)


def test_the_keeper_is_a_curator_or_nobody() -> None:
    assert after(chain(), with_keeper(chain(), None)).keeper is None
    with pytest.raises(Misuse, match="no curator"):
        with_keeper(chain(), STRANGER.public)


def test_a_revoked_curator_is_cut_off_and_keeps_nothing() -> None:
    held = after(chain(TWO), without(chain(TWO), CUT))
    assert held.curators == {CURATOR.public} and held.head.cuts == (CUT,) and held.keeper == CURATOR.public
    keeper = after(chain(TWO), without(chain(TWO), Cut(CURATOR.public)))
    assert keeper.keeper is None
    both = after(held, without(held, Cut(CURATOR.public)))
    assert [cut.author for cut in both.head.cuts] == sorted([CURATOR.public, SECOND_CURATOR.public])
    with pytest.raises(NotFound):
        without(held, CUT)


def test_a_later_change_leaves_cuts_alone_and_naming_a_curator_again_ends_its_cut() -> None:
    held = after(chain(TWO), without(chain(TWO), CUT))
    later = after(held, with_more(held, owners=[SECOND_OWNER.public]))
    assert later.head.cuts == (CUT,)
    again = after(later, with_more(later, curators=[SECOND_CURATOR.public]))
    assert again.head.cuts == () and again.is_curator(SECOND_CURATOR.public)


def test_undoing_says_what_was_said_before_and_undoing_that_says_it_again() -> None:
    revoked = after(chain(TWO), without(chain(TWO), CUT))
    back = after(revoked, undone(revoked))
    assert (back.head.n, back.head.cuts, back.curators) == (2, (), TWO.curators)
    forth = after(back, undone(back))
    assert (forth.head.n, forth.head.cuts, forth.curators) == (3, (CUT,), revoked.curators)


def test_undoing_takes_the_owners_who_are_in_force_now() -> None:
    held = after(chain(), with_more(chain(), owners=[SECOND_OWNER.public], threshold=2))
    record = undone(held)
    assert held.signatures_missing(record.signed(OWNER)) == 1
    assert after(held, record, OWNER, SECOND_OWNER).owners == {OWNER.public}


def test_there_is_nothing_to_undo_before_record_1() -> None:
    with pytest.raises(Conflict, match="record 0"):
        undone(chain())


def test_a_halted_chain_is_not_changed() -> None:
    halted = chain(first(), following(first())).merge([following(first(), curators=[STRANGER])])
    for make in (lambda: with_keeper(halted, None), lambda: undone(halted)):
        with pytest.raises(Conflict, match="Two different"):
            make()


def test_former_curators_are_those_who_are_none_now() -> None:
    assert former_curators(chain(TWO)) == ()
    held = after(chain(TWO), without(chain(TWO), CUT))
    assert former_curators(held) == (FormerCurator(SECOND_CURATOR.public, 1, CUT),)
    assert former_curators(after(held, undone(held))) == ()
    uncut = chain(TWO, following(TWO, curators=[CURATOR]))
    assert former_curators(uncut) == (FormerCurator(SECOND_CURATOR.public, 1, None),)
