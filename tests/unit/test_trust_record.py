"""One trust record: its only form as bytes, and each thing that makes it unacceptable by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pincrew import limits
from pincrew.errors import Malformed
from pincrew.trust_record import Cut, Genesis, LastGood, TrustRecord, fault_of
from support.signers import CURATOR, OWNER, SALT, SECOND_CURATOR, SECOND_OWNER, STRANGER, first, following

GOLDEN = Path(__file__).parent / "golden"
NONCE, HASH = bytes(16), bytes(range(32))
CUT = Cut(CURATOR.public, (LastGood(NONCE, 7, HASH),))


def second() -> TrustRecord:
    return following(first(), curators=[SECOND_CURATOR], cuts=(CUT,))


@pytest.mark.parametrize(("name", "make"), [("trust_record_0", first), ("trust_record_1", second)])
def test_records_are_byte_for_byte_what_they_always_were(name: str, make: Callable[[], TrustRecord]) -> None:
    golden = bytes.fromhex((GOLDEN / f"{name}.hex").read_text())
    assert make().encode() == golden
    assert TrustRecord.decode(golden) == make()


def test_the_cluster_id_of_the_golden_record_is_what_it_always_was() -> None:
    assert first().hash.hex() == (GOLDEN / "trust_record_0.id").read_text().strip()


def test_a_record_survives_its_encoding() -> None:
    for record in (first(), second(), first(owners=[OWNER, SECOND_OWNER], threshold=2, is_open=False)):
        decoded = TrustRecord.decode(record.encode())
        assert decoded == record
        assert decoded.signatures == record.signatures
        assert decoded.hash == record.hash


def test_other_signatures_make_no_other_record() -> None:
    record = replace(first(), signatures=())
    assert record.signed(OWNER) == record
    assert record.signed(OWNER).hash == record.hash


def test_the_salt_keeps_two_clusters_of_the_same_keys_apart() -> None:
    assert first().hash != first(salt=bytes(16)).hash


@given(st.binary(max_size=300))
def test_any_bytes_are_a_record_or_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        TrustRecord.decode(data)


@given(st.data())
def test_a_changed_byte_is_malformed_or_another_record(data: st.DataObject) -> None:
    encoded = bytearray(second().encode())
    position = data.draw(st.integers(0, len(encoded) - 1))
    encoded[position] ^= data.draw(st.integers(1, 255))
    try:
        decoded = TrustRecord.decode(bytes(encoded))
    except Malformed:
        return
    assert decoded != second() or decoded.signatures != second().signatures


@pytest.mark.parametrize("length", range(0, 500, 7))
def test_a_truncated_record_is_malformed(length: int) -> None:
    encoded = second().encode()
    with pytest.raises(Malformed):
        TrustRecord.decode(encoded[: length % len(encoded)])


TOO_MANY = frozenset(bytes([n // 256, n % 256]) * 16 for n in range(257))
TOO_LONG = Cut(CURATOR.public, tuple(LastGood(n.to_bytes(16), 1, HASH) for n in range(1300)))

BAD: list[tuple[str, dict[str, Any]]] = [
    ("names no owner", {"owners": frozenset()}),
    ("more than 256", {"owners": TOO_MANY}),
    ("more than 256 curators", {"curators": TOO_MANY, "keeper": None}),
    ("impossible number", {"threshold": 0}),
    ("impossible number", {"threshold": 2}),
    ("keeper who is no curator", {"keeper": STRANGER.public}),
    ("wrong length", {"owners": frozenset([OWNER.public[:31]])}),
    ("wrong length", {"curators": frozenset([b"", SECOND_CURATOR.public])}),
    ("wrong length", {"cuts": (Cut(b"short"),)}),
    ("wrong length", {"cuts": (Cut(CURATOR.public, (LastGood(b"short", 1, HASH),)),)}),
    ("wrong length", {"cuts": (Cut(CURATOR.public, (LastGood(NONCE, 1, b"short"),)),)}),
    ("wrong length", {"signatures": ((OWNER.public, b"short"),)}),
    ("cuts off one of its own curators", {"cuts": (Cut(SECOND_CURATOR.public),)}),
    ("before envelope 1", {"cuts": (Cut(CURATOR.public, (LastGood(NONCE, 0, HASH),)),)}),
    ("names a cut twice", {"cuts": (CUT, CUT)}),
    ("names a session twice", {"cuts": (Cut(CURATOR.public, (LastGood(NONCE, 1, HASH), LastGood(NONCE, 2, HASH))),)}),
    ("signed twice", {"signatures": ((OWNER.public, bytes(64)), (OWNER.public, bytes(64)))}),
    ("what only record 0 has", {"genesis": first().genesis}),
    ("does not name the record before", {"previous": b""}),
    ("larger than 64 KiB", {"cuts": (TOO_LONG,)}),
]  # fmt: skip


@pytest.mark.parametrize(("words", "changes"), BAD)
def test_a_record_without_sound_form_is_refused(words: str, changes: dict[str, Any]) -> None:
    record = replace(second(), **changes)
    assert words in (fault_of(record) or "nothing")
    with pytest.raises(Malformed):
        TrustRecord.decode(record.encode())


BAD_FIRST: list[tuple[str, dict[str, Any]]] = [
    ("what only record 0 has", {"genesis": None}),
    ("does not name the record before", {"previous": HASH}),
    ("salt of the wrong length", {"genesis": Genesis(b"x")}),
    ("absurd shard bits", {"genesis": Genesis(SALT, 17)}),
    ("names no curator", {"curators": frozenset(), "keeper": None}),
    ("before anybody wrote", {"cuts": (Cut(STRANGER.public),)}),
]


@pytest.mark.parametrize(("words", "changes"), BAD_FIRST)
def test_a_record_0_without_sound_form_is_refused(words: str, changes: dict[str, Any]) -> None:
    record = replace(first(), **changes)
    assert words in (fault_of(record) or "nothing")
    with pytest.raises(Malformed):
        TrustRecord.decode(record.encode())


def test_a_sound_record_has_no_fault() -> None:
    assert fault_of(first()) is None
    assert fault_of(second()) is None


def test_a_negative_number_is_refused() -> None:
    assert "negative" in (fault_of(replace(second(), n=-1)) or "")


def resealed(position: int, value: Any) -> bytes:
    items = cbor2.loads(second().body)
    items[position] = value
    return cbor2.dumps([cbor2.dumps(items, canonical=True), []], canonical=True)


@pytest.mark.parametrize(
    ("position", "value"),
    [
        (1, True), (1, -1), (1, "1"), (1, 2**60), (2, "text"), (3, {}), (3, [1]), (4, 1.0), (5, None), (6, 0),
        (7, [[]]), (7, [[CURATOR.public, [[NONCE, 7]]]]), (8, []), (8, [12, 1, SALT]), (0, True), (0, 0), (0, "1"),
    ],
)  # fmt: skip
def test_a_field_of_the_wrong_kind_is_refused(position: int, value: Any) -> None:
    with pytest.raises(Malformed):
        TrustRecord.decode(resealed(position, value))


def test_a_record_with_another_number_of_fields_is_refused() -> None:
    for body in ([*cbor2.loads(second().body), 1], cbor2.loads(second().body)[:-1]):
        with pytest.raises(Malformed):
            TrustRecord.decode(cbor2.dumps([cbor2.dumps(body, canonical=True), []], canonical=True))


@pytest.mark.parametrize("genesis", [[12, 1, SALT], [12, None, SALT], [True, True, SALT], [12, True, "0" * 16]])
def test_a_genesis_of_the_wrong_kind_is_refused(genesis: list[Any]) -> None:
    items = [*cbor2.loads(first().body)[:-1], genesis]
    with pytest.raises(Malformed):
        TrustRecord.decode(cbor2.dumps([cbor2.dumps(items, canonical=True), []], canonical=True))


def test_a_newer_format_says_to_upgrade() -> None:
    with pytest.raises(Malformed, match=r"format version 2.*Upgrade pincrew"):
        TrustRecord.decode(resealed(0, 2))


def test_keys_out_of_order_are_refused() -> None:
    owners = sorted([OWNER.public, SECOND_OWNER.public], reverse=True)
    with pytest.raises(Malformed, match="deterministic"):
        TrustRecord.decode(resealed(3, owners))


def test_a_key_named_twice_is_refused() -> None:
    with pytest.raises(Malformed, match="deterministic"):
        TrustRecord.decode(resealed(3, [OWNER.public, OWNER.public]))


def test_bytes_after_a_record_are_refused() -> None:
    with pytest.raises(Malformed):
        TrustRecord.decode(second().encode() + b"\0")


def test_an_envelope_of_absurd_size_is_not_decoded() -> None:
    with pytest.raises(Malformed, match="larger than 64 KiB"):
        TrustRecord.decode(bytes(limits.TRUST_RECORD_BYTES_MAX + 1))


def test_nesting_without_end_is_refused() -> None:
    with pytest.raises(Malformed):
        TrustRecord.decode(b"\x81" * 60_000)
