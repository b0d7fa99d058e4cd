"""The bytes of bases: one form, every refusal, nothing but Malformed and Forged; and what a real base is made of."""

from __future__ import annotations

import contextlib
import tracemalloc
import zlib
from collections.abc import Callable
from itertools import count
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pincrew import domains, limits
from pincrew.base_form import (
    Base,
    Row,
    blob_hash,
    decode_base,
    decode_cut,
    decode_rows,
    decode_shards,
    encode_cut,
    encode_header,
    encode_rows,
    pack_blob,
    seal,
    unpack_blob,
)
from pincrew.cid import shard_of
from pincrew.errors import Forged, Malformed
from pincrew.keys import SigningKey
from pincrew.values import Head, SessionId
from unit.golden.vectors import ANN, BEN, CLUSTER, SHARD_BITS, base, cid

SHARD = shard_of(cid(1), SHARD_BITS)
HEADER = cbor2.loads(cbor2.loads(base()["sealed"])[0])


def header_of(one: Base) -> bytes:
    return encode_header(
        cluster=one.cluster,
        n=one.n,
        previous=one.previous,
        trust=one.trust,
        cut_hash=one.cut_hash,
        shards_hash=one.shards_hash,
        pins=one.pins,
        size=one.size,
    )


def test_a_base_says_what_was_sealed() -> None:
    found, cut = decode_base(base()["sealed"]), base()["cut"]
    assert (found.cluster, found.n, found.previous, found.trust, found.pins) == (CLUSTER, 1, b"", 0, 2)
    assert found.cut_hash == blob_hash(cut) and found.signer == ANN.public
    assert seal(header_of(found), ANN) == found.sealed == base()["sealed"]
    assert decode_base(seal(header_of(found), BEN)).hash == found.hash, "whoever signs it, it is the same base"


def test_a_later_base_names_the_one_before() -> None:
    later = [*HEADER[:2], 2, bytes(32), *HEADER[4:]]
    assert decode_base(seal(cbor2.dumps(later), ANN)).previous == bytes(32)


def field(at: int, value: object) -> list[Any]:
    return [*HEADER[:at], value, *HEADER[at + 1 :]]


BAD_HEADERS: dict[str, Any] = {
    "no array": b"x",
    "empty": [],
    "another format": field(0, 2),
    "format true": field(0, True),
    "too few fields": HEADER[:-1],
    "too many fields": [*HEADER, 0],
    "short cluster": field(1, bytes(31)),
    "number zero": field(2, 0),
    "number minus one": field(2, -1),
    "number true": field(2, True),
    "number too large": field(2, 2**53),
    "base 1 after another": field(3, bytes(32)),
    "base 2 after nothing": [*HEADER[:2], 2, b"", *HEADER[4:]],
    "trust is text": field(4, "0"),
    "trust below zero": field(4, -1),
    "short hash of the cut": field(5, bytes(31)),
    "long hash of the shards": field(6, bytes(33)),
    "pins below zero": field(7, -1),
    "bytes as bytes": field(8, b"1"),
}


@pytest.mark.parametrize("name", sorted(BAD_HEADERS))
def test_a_header_that_is_none(name: str) -> None:
    with pytest.raises(Malformed):
        decode_base(seal(cbor2.dumps(BAD_HEADERS[name], canonical=True), ANN))


BAD_SEALS: dict[str, Callable[[bytes, bytes, bytes], Any]] = {
    "no array": lambda header, signer, signature: header,
    "two": lambda header, signer, signature: [header, signer],
    "short key": lambda header, signer, signature: [header, signer[1:], signature],
    "short signature": lambda header, signer, signature: [header, signer, signature[1:]],
    "header as text": lambda header, signer, signature: ["x", signer, signature],
    "header in another form": lambda header, signer, signature: [b"\x99\x00\x09" + header[1:], signer, signature],
}


@pytest.mark.parametrize("name", sorted(BAD_SEALS))
def test_a_seal_that_is_none(name: str) -> None:
    with pytest.raises(Malformed):
        decode_base(cbor2.dumps(BAD_SEALS[name](*cbor2.loads(base()["sealed"])), canonical=True))


def test_another_ones_signature() -> None:
    header, _, signature = cbor2.loads(base()["sealed"])
    with pytest.raises(Forged):
        decode_base(cbor2.dumps([header, BEN.public, signature], canonical=True))
    with pytest.raises(Forged):
        decode_base(cbor2.dumps([header, ANN.public, ANN.sign(domains.ENVELOPE, header)], canonical=True))


def test_refused_by_size_before_it_is_decoded() -> None:
    with pytest.raises(Malformed, match="larger than"):
        decode_base(bytes(limits.BASE_HEADER_BYTES_MAX + 1))


# ---- blobs ----------------------------------------------------------------------------------------------------------


def session(number: int) -> SessionId:
    return SessionId(ANN.public, number.to_bytes(16))


def entry(number: int, envelope: Any = 1) -> list[Any]:
    return [*session(number), envelope, bytes(32)]


def test_a_cut_is_in_ascending_order_whatever_it_was_made_of() -> None:
    cut = {session(number): Head(number + 1, bytes(32)) for number in (3, 1, 2)}
    found = decode_cut(encode_cut(cut))
    assert found == cut and list(found) == sorted(cut)
    assert encode_cut(found) == encode_cut(cut) and decode_cut(encode_cut({})) == {}


BAD_CUTS: dict[str, Any] = {
    "no array": b"x",
    "entry is none": [b"x"],
    "three fields": [entry(1)[:3]],
    "envelope zero": [entry(1, 0)],
    "envelope true": [entry(1, True)],
    "envelope too large": [entry(1, 2**53)],
    "short author": [[bytes(31), *entry(1)[1:]]],
    "short nonce": [[ANN.public, bytes(15), 1, bytes(32)]],
    "short hash": [[*entry(1)[:3], bytes(31)]],
    "twice": [entry(1), entry(1)],
    "twice with another number": [entry(1), entry(1, 2)],
    "out of order": [entry(2), entry(1)],
    "too many": [entry(number) for number in range(limits.SESSIONS_MAX + 1)],
}


@pytest.mark.parametrize("name", sorted(BAD_CUTS))
def test_a_cut_that_is_none(name: str) -> None:
    with pytest.raises(Malformed):
        decode_cut(cbor2.dumps(BAD_CUTS[name], canonical=True))


@pytest.mark.parametrize("length", [0, 1, 127, 129, 160, 4096])
def test_shards_are_a_hash_for_each(length: int) -> None:
    assert decode_shards(bytes(96) + b"\x01" * 32, 2) == [bytes(32)] * 3 + [b"\x01" * 32]
    with pytest.raises(Malformed):
        decode_shards(bytes(length), 2)


def row(key: bytes = cid(1), record: Any = b"\xa0", at: Any = 0, n: Any = 0) -> list[Any]:
    return [key, record, at, n]


BAD_ROWS: dict[str, Any] = {
    "no array": b"x",
    "one part": [[]],
    "three parts": [[], [], []],
    "rows are none": [b"x", []],
    "puts are none": [[], b"x"],
    "put of three": [[], [[0, 1, 1]]],
    "put is none": [[], [0]],
    "no puts of a session": [[], [[0, 0]]],
    "session not in the cut": [[], [[2, 1]]],
    "session true": [[], [[True, 1]]],
    "puts below zero": [[], [[0, -1]]],
    "puts twice": [[], [[0, 1], [0, 2]]],
    "puts out of order": [[], [[1, 1], [0, 1]]],
    "row of three": [[row()[:3]], [[0, 1]]],
    "row is none": [[b"x"], [[0, 1]]],
    "no CID": [[row(next(key for n in count() if shard_of(key := b"no CID %d" % n, SHARD_BITS) == SHARD))], [[0, 1]]],
    "CID as text": [[row("x")], [[0, 1]]],  # type: ignore[arg-type]
    "of another shard": [[row(cid(3))], [[0, 1]]],
    "record too large": [[row(record=bytes(limits.RECORD_BYTES_MAX + 1))], [[0, 1]]],
    "record as text": [[row(record="x")], [[0, 1]]],
    "names no put": [[row(n=1)], [[0, 1]]],
    "names a session without puts": [[row(at=1)], [[0, 1]]],
    "n below zero": [[row(n=-1)], [[0, 1]]],
    "twice": [[row(), row()], [[0, 1]]],
}


@pytest.mark.parametrize("name", sorted(BAD_ROWS))
def test_rows_that_are_none(name: str) -> None:
    with pytest.raises(Malformed):
        decode_rows(cbor2.dumps(BAD_ROWS[name], canonical=True), SHARD, SHARD_BITS, 2)


def test_rows_out_of_order() -> None:
    keys = sorted(one for number in range(40) if shard_of(one := cid(number), 2) == 0)
    rows = [Row(key, b"\xa0", 0, n) for n, key in enumerate(keys[:2])]
    assert decode_rows(encode_rows(rows, [(0, 2)]), 0, 2, 1).rows == tuple(rows)
    with pytest.raises(Malformed, match="ascending"):
        decode_rows(encode_rows(rows[::-1], [(0, 2)]), 0, 2, 1)


def test_the_rows_of_the_golden_base() -> None:
    found = decode_rows(base()["rows"], SHARD, SHARD_BITS, 2)
    assert [(one.cid, one.session, one.n) for one in found.rows] == [(cid(1), 1, 1)]
    assert found.puts == ((0, 1), (1, 2)), "the overwritten one counts too"


def longer_forms(blob: bytes) -> list[bytes]:
    """The same CBOR (arrays, byte strings, small numbers) with one head longer than it has to be, each in turn."""
    found, at = [], 0
    while at < len(blob):
        major, short = blob[at] >> 5, blob[at] & 31
        size = {24: 1, 25: 2}.get(short, 0)
        argument = int.from_bytes(blob[at + 1 : at + 1 + size]) if size else short
        end = at + 1 + size
        for longer, code in ((1, 24), (2, 25), (4, 26), (8, 27)):
            if longer > size:
                found.append(blob[:at] + bytes([major << 5 | code]) + argument.to_bytes(longer) + blob[end:])
        at = end + (argument if major == 2 else 0)
    return found


def test_rows_have_one_form_and_nothing_behind_them() -> None:
    keys = [one for number in range(400) if shard_of(one := cid(number), 2) == 0]
    rows = [Row(key, bytes([number % 7]) * number, number % 2, number) for number, key in enumerate(sorted(keys)[:90])]
    blob = encode_rows(rows, [(0, 90), (1, 90)])
    assert decode_rows(blob, 0, 2, 2).rows == tuple(rows)
    others = [*longer_forms(blob), blob + b"\x00", blob[:-1]]
    assert len(others) > 1_000
    for other in others:
        with pytest.raises(Malformed):
            decode_rows(other, 0, 2, 2)


# ---- whatever a stranger sends --------------------------------------------------------------------------------------

EDITS = st.lists(st.tuples(st.integers(0, 9999), st.integers(0, 255)), max_size=5)


def mutated(data: bytes, edits: list[tuple[int, int]]) -> bytes:
    changed = bytearray(data)
    for where, byte in edits:
        changed[where % len(changed)] = byte
    return bytes(changed)


@settings(max_examples=300)
@given(EDITS, st.booleans())
def test_mutated_bases_are_refused_and_nothing_else(edits: list[tuple[int, int]], is_signed: bool) -> None:
    sealed = base()["sealed"]
    changed = mutated(sealed, edits)
    if is_signed:
        changed = seal(mutated(cbor2.loads(sealed)[0], edits), SigningKey.from_seed(bytes(32)))
    try:
        found = decode_base(changed)
    except (Malformed, Forged):
        return
    assert is_signed or changed == sealed
    assert found.sealed == changed and cbor2.loads(changed)[0] == header_of(found)


@settings(max_examples=300)
@given(EDITS, st.sampled_from(["cut", "rows"]))
def test_mutated_blobs_are_refused_or_have_one_form(edits: list[tuple[int, int]], name: str) -> None:
    changed = mutated(base()[name], edits)
    try:
        if name == "cut":
            again = encode_cut(decode_cut(changed))
        else:
            again = encode_rows(*decode_rows(changed, SHARD, SHARD_BITS, 2))
    except Malformed:
        return
    assert again == changed


# ---- as blobs travel ------------------------------------------------------------------------------------------------


@given(st.binary(max_size=2_000))
def test_what_was_packed_is_unpacked(blob: bytes) -> None:
    assert unpack_blob(pack_blob(blob)) == blob == unpack_blob(zlib.compress(blob, level=9))


def test_the_largest_blob_is_unpacked() -> None:
    assert len(unpack_blob(pack_blob(bytes(limits.BASE_BLOB_BYTES_MAX)))) == limits.BASE_BLOB_BYTES_MAX


@settings(max_examples=300)
@given(EDITS)
def test_mutated_packed_blobs_are_refused_and_nothing_else(edits: list[tuple[int, int]]) -> None:
    with contextlib.suppress(Malformed):
        assert isinstance(unpack_blob(mutated(pack_blob(base()["rows"]), edits)), bytes)


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"rows",
        pack_blob(b"rows")[:-1],
        pack_blob(b"rows") + b"x",
        pack_blob(bytes(limits.BASE_BLOB_BYTES_MAX + 1)),
    ],
    ids=["nothing", "not packed", "cut off", "something behind it", "unpacks to too much"],
)
def test_what_is_no_packed_blob(packed: bytes) -> None:
    with pytest.raises(Malformed):
        unpack_blob(packed)


def test_a_packed_blob_takes_no_more_memory_than_the_largest_blob() -> None:
    bomb = pack_blob(bytes(8 * limits.BASE_BLOB_BYTES_MAX))
    assert len(bomb) < limits.BASE_BLOB_BYTES_MAX
    tracemalloc.start()
    with pytest.raises(Malformed):
        unpack_blob(bomb)
    assert tracemalloc.get_traced_memory()[1] < 3 * limits.BASE_BLOB_BYTES_MAX
    tracemalloc.stop()
