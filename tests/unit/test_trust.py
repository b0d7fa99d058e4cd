"""The chain of trust records. Every check of `extended` and `merge` has a test that fails without it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pincrew import domains, limits
from pincrew.errors import Conflict, Forged, Malformed
from pincrew.keys import peer_id
from pincrew.trust import Cut, Genesis, LastGood, TrustChain, TrustRecord, differences
from support.signers import (
    CURATOR,
    OWNER,
    SECOND_CURATOR,
    SECOND_OWNER,
    STRANGER,
    THIRD_OWNER,
    chain,
    first,
    following,
    key,
)

TWO_OF_THREE = first(owners=[OWNER, SECOND_OWNER, THIRD_OWNER], threshold=2)


def rivals() -> tuple[TrustRecord, TrustRecord]:
    return following(first()), following(first(), curators=[STRANGER])


def test_the_cluster_id_is_the_hash_of_record_0() -> None:
    longer = chain().extended(following(first()))
    assert longer.cluster_id == first().hash


def test_the_newest_record_is_in_force() -> None:
    longer = chain().extended(following(first(), owners=[SECOND_OWNER], curators=[SECOND_CURATOR]))
    assert longer.owners == {SECOND_OWNER.public}
    assert longer.curators == {SECOND_CURATOR.public}
    assert longer.keeper is None
    assert longer.is_curator(SECOND_CURATOR.public)
    assert not longer.is_curator(CURATOR.public)
    assert chain().keeper == CURATOR.public


def test_a_chain_survives_its_encoding() -> None:
    longer = chain().extended(following(first()))
    assert TrustChain.from_encoded(longer.encoded()) == longer


def test_no_record_is_no_chain() -> None:
    with pytest.raises(Malformed):
        TrustChain.from_records([])
    with pytest.raises(Malformed):
        TrustChain.from_encoded([])


# ---- record 0 ---------------------------------------------------------------------------------------------------


def test_record_0_signed_by_a_stranger_is_refused() -> None:
    with pytest.raises(Forged):
        chain(replace(first(), signatures=()).signed(STRANGER))


def test_record_0_without_signature_is_refused() -> None:
    with pytest.raises(Forged):
        chain(replace(first(), signatures=()))


def test_record_0_with_too_few_of_its_owners_is_refused() -> None:
    with pytest.raises(Forged, match="1 of 2"):
        chain(replace(TWO_OF_THREE, signatures=()).signed(OWNER))


def test_a_chain_that_starts_later_is_refused() -> None:
    with pytest.raises(Malformed):
        chain(following(first()))


def test_record_0_without_sound_form_is_refused() -> None:
    with pytest.raises(Malformed, match="salt"):
        chain(replace(first(), genesis=Genesis(b""), signatures=()).signed(OWNER))


# ---- extended ---------------------------------------------------------------------------------------------------


def test_record_signed_by_a_stranger_is_refused() -> None:
    with pytest.raises(Forged, match="no owner"):
        chain().extended(following(first(), STRANGER))


def test_record_signed_by_a_curator_is_refused() -> None:
    with pytest.raises(Forged):
        chain().extended(following(first(), CURATOR, curators=[CURATOR]))


def test_record_signed_by_the_owners_it_names_itself_is_refused() -> None:
    with pytest.raises(Forged):
        chain().extended(following(first(), STRANGER, owners=[STRANGER]))


def test_record_with_a_strangers_signature_beside_the_owners_is_refused() -> None:
    with pytest.raises(Forged, match="no owner"):
        chain().extended(following(first(), OWNER, STRANGER))


def test_record_without_signature_is_refused() -> None:
    with pytest.raises(Forged, match="0 of 1"):
        chain().extended(replace(following(first()), signatures=()))


def test_record_with_another_records_signature_is_refused() -> None:
    one, other = rivals()
    with pytest.raises(Forged, match="does not fit"):
        chain().extended(replace(one, signatures=other.signatures))


def test_record_signed_for_another_purpose_is_refused() -> None:
    record = following(first())
    signature = OWNER.sign(domains.CONFIG, record.body)
    with pytest.raises(Forged):
        chain().extended(replace(record, signatures=((OWNER.public, signature),)))


def test_record_with_too_few_owners_is_refused() -> None:
    with pytest.raises(Forged, match="1 of 2"):
        chain(TWO_OF_THREE).extended(following(TWO_OF_THREE, SECOND_OWNER))


def test_record_with_one_owner_counted_twice_is_refused() -> None:
    record = following(TWO_OF_THREE, OWNER)
    with pytest.raises(Malformed, match="twice"):
        chain(TWO_OF_THREE).extended(replace(record, signatures=record.signatures * 2))


def test_record_with_one_good_and_one_bad_signature_is_refused() -> None:
    record = following(TWO_OF_THREE, OWNER, SECOND_OWNER)
    bad = tuple((owner, bytes(64) if owner == OWNER.public else signature) for owner, signature in record.signatures)
    with pytest.raises(Forged):
        chain(TWO_OF_THREE).extended(replace(record, signatures=bad))


def test_record_with_enough_owners_is_taken() -> None:
    assert chain(TWO_OF_THREE).extended(following(TWO_OF_THREE, OWNER, THIRD_OWNER)).head.n == 1


def test_former_owners_sign_nothing_any_more() -> None:
    handed_over = chain().extended(following(first(), owners=[SECOND_OWNER]))
    with pytest.raises(Forged):
        handed_over.extended(following(handed_over.head, OWNER))
    assert handed_over.extended(following(handed_over.head, SECOND_OWNER)).head.n == 2


def test_record_that_skips_a_number_is_refused() -> None:
    with pytest.raises(Malformed, match="does not follow"):
        chain().extended(replace(following(first()), n=2, signatures=()).signed(OWNER))


def test_record_of_a_number_already_held_is_refused() -> None:
    longer = chain().extended(following(first()))
    with pytest.raises(Malformed, match="does not follow"):
        longer.extended(following(first()))


def test_record_that_names_another_predecessor_is_refused() -> None:
    with pytest.raises(Malformed, match="before it"):
        chain().extended(replace(following(first()), previous=bytes(32), signatures=()).signed(OWNER))


def test_record_without_sound_form_is_refused() -> None:
    with pytest.raises(Malformed, match="keeper"):
        chain().extended(replace(following(first()), keeper=STRANGER.public, signatures=()).signed(OWNER))


def test_a_chain_that_outgrows_the_document_is_refused() -> None:
    many = [key(f"owner {n}") for n in range(200)]
    record = first(owners=many)
    grown = chain(record)
    with pytest.raises(Malformed, match="160 KiB"):
        for _ in range(20):
            grown = grown.extended(following(grown.head, *many))
    assert sum(map(len, grown.encoded())) <= limits.TRUST_CHAIN_BYTES_MAX


def test_more_than_a_thousand_records_are_refused() -> None:
    held = replace(chain(), records=(first(),) * limits.TRUST_RECORDS_MAX)
    with pytest.raises(Malformed, match="1,000"):
        held.extended(following(first()))


# ---- conflicts --------------------------------------------------------------------------------------------------


def test_two_records_of_one_number_halt_the_chain_and_are_kept() -> None:
    one, other = rivals()
    halted = chain().extended(one).merge([other])
    assert halted.head == one
    assert halted.conflict
    assert halted.conflict.n == 1
    assert (halted.conflict.held, halted.conflict.rival) == (one, other)


def test_a_halted_chain_takes_no_further_record() -> None:
    one, other = rivals()
    halted = chain().extended(one).merge([other])
    with pytest.raises(Conflict, match="Two different"):
        halted.extended(following(one))
    assert halted.merge([following(one)]) == halted


def test_a_halted_chain_survives_its_encoding() -> None:
    one, other = rivals()
    halted = chain().extended(one).merge([other])
    assert TrustChain.from_encoded([*halted.encoded(), *halted.evidence()]) == halted
    assert chain().evidence() == []


def test_an_older_fork_halts_a_longer_chain_without_stepping_back() -> None:
    one, other = rivals()
    longer = chain().extended(one).extended(following(one))
    halted = longer.merge([first(), other, following(other)])
    assert halted.conflict
    assert halted.records == longer.records


def test_a_rival_signed_by_a_stranger_proves_nothing() -> None:
    one, _ = rivals()
    forged = following(first(), STRANGER, curators=[STRANGER])
    assert chain().extended(one).conflict_with(forged) is None
    with pytest.raises(Forged):
        chain().extended(one).merge([forged])


def test_a_rival_without_sound_form_proves_nothing() -> None:
    one, other = rivals()
    unsound = replace(other, keeper=OWNER.public, signatures=()).signed(OWNER)
    assert chain().extended(one).conflict_with(unsound) is None


def test_records_of_the_same_owners_other_cluster_prove_nothing() -> None:
    elsewhere = first(salt=bytes(16))
    held = chain().extended(following(first()))
    assert held.conflict_with(elsewhere) is None
    assert held.conflict_with(following(elsewhere)) is None
    with pytest.raises(Forged):
        held.merge([elsewhere])
    with pytest.raises(Forged):
        held.merge([following(elsewhere)])


def test_only_another_record_of_a_number_held_can_be_a_conflict() -> None:
    one = following(first())
    held = chain().extended(one)
    assert held.conflict_with(one) is None
    assert held.conflict_with(following(one)) is None


def test_the_same_record_under_other_signatures_is_no_conflict() -> None:
    held = chain(TWO_OF_THREE).extended(following(TWO_OF_THREE, OWNER, SECOND_OWNER))
    assert held.merge([following(TWO_OF_THREE, OWNER, THIRD_OWNER)]) == held


def test_all_who_are_halted_by_one_fork_stand_at_the_same_hash_and_apart_from_the_others() -> None:
    one, other = rivals()
    third = following(first(), owners=[SECOND_OWNER])
    held, rival = chain(first(), one), chain(first(), other)
    halted = [held.merge([other]), rival.merge([one]), rival.merge([third])]
    assert len({each.standing for each in halted}) == 1
    assert len({held.standing, rival.standing, halted[0].standing}) == 3
    assert held.standing == one.hash
    elsewhere = chain(first(), one, following(one)).merge([following(one, curators=[STRANGER])])
    assert elsewhere.standing != halted[0].standing, "another fork"


# ---- signatures missing -----------------------------------------------------------------------------------------


def test_how_many_signatures_a_next_record_lacks() -> None:
    held, record = chain(TWO_OF_THREE), replace(following(TWO_OF_THREE), signatures=())
    assert [held.signatures_missing(record.signed(*owners)) for owners in ((), (OWNER,), (OWNER, THIRD_OWNER))] == [
        2,
        1,
        0,
    ]
    assert held.signatures_missing(record.signed(OWNER, SECOND_OWNER, THIRD_OWNER)) == 0


def test_what_could_never_be_the_next_record_lacks_more_than_signatures() -> None:
    one, other = rivals()
    held = chain(first(), one)
    with pytest.raises(Forged, match="no owner"):
        held.signatures_missing(following(one, STRANGER))
    with pytest.raises(Malformed, match="does not follow"):
        held.signatures_missing(other)
    with pytest.raises(Malformed, match="before it"):
        held.signatures_missing(following(other))
    with pytest.raises(Conflict):
        held.merge([other]).signatures_missing(following(one))


# ---- merge ------------------------------------------------------------------------------------------------------


def test_merging_takes_what_continues_the_chain() -> None:
    one = following(first())
    two = following(one)
    assert chain().merge([two, first(), one]).head == two


def test_merging_an_older_chain_steps_never_back() -> None:
    longer = chain().extended(following(first()))
    assert longer.merge(chain().records) == longer


def test_merging_records_with_a_gap_takes_nothing() -> None:
    one = following(first())
    with pytest.raises(Malformed):
        chain().merge([following(one)])


@given(st.data())
def test_any_order_of_the_same_records_ends_the_same(data: st.DataObject) -> None:
    records = [first()]
    for n in range(5):
        records.append(following(records[-1], curators=[CURATOR, key(f"curator {n}")]))
    held = chain(*records[: data.draw(st.integers(1, 6))])
    heard = data.draw(st.permutations(records))
    assert held.merge(heard) == chain(*records)


# ---- words ------------------------------------------------------------------------------------------------------


def test_a_difference_names_who_comes_and_who_goes() -> None:
    changed = chain().extended(following(first(), owners=[OWNER, SECOND_OWNER], curators=[SECOND_CURATOR]))
    lines = differences(chain(), changed)
    assert f"curator added: {peer_id(SECOND_CURATOR.public)}" in lines
    assert f"curator removed: {peer_id(CURATOR.public)}" in lines
    assert f"owner added: {peer_id(SECOND_OWNER.public)}" in lines
    assert "keeper: nobody" in lines
    assert differences(chain(), chain()) == ()


def test_a_difference_names_a_new_threshold_and_a_conflict() -> None:
    one_needed = replace(TWO_OF_THREE, threshold=1, signatures=()).signed(OWNER)
    cut = Cut(STRANGER.public, (LastGood(bytes(16), 7, bytes(32)), LastGood(bytes([1] * 16), 2, bytes(32))))
    cut_off = chain(first(), following(first(), cuts=(cut,)))
    assert f"of what {peer_id(STRANGER.public)} wrote, 9 envelopes still count" in differences(chain(), cut_off)
    assert any("needed: 1 before, 2 now" in line for line in differences(chain(one_needed), chain(TWO_OF_THREE)))
    one, other = rivals()
    halted = chain().extended(one).merge([other])
    assert any("trust changes stop" in line for line in differences(chain().extended(one), halted))
    assert not any("trust changes stop" in line for line in differences(halted, halted))


def test_a_description_names_everybody() -> None:
    text = "\n".join(chain().describe())
    for part in (first().hash.hex(), "open", peer_id(OWNER.public), peer_id(CURATOR.public)):
        assert part in text
