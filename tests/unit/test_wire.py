"""Envelopes as bytes: the one form, every refusal by name, and that nothing but Malformed ever comes out."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pincrew import limits
from pincrew.cid import shard_of
from pincrew.errors import Malformed
from pincrew.values import Delete, Dependency, Operation, OperationId, Part, Put, SessionId
from pincrew.wire import (
    client_id,
    decode_envelope,
    decode_sealed,
    encode_body,
    encode_sealed,
    envelope_hash,
    load,
)
from unit.golden.vectors import SHARD_BITS, cid, envelopes, files, read_golden

BASE = envelopes()["dependency, origin by reference, delete"]
(VERSION, CLUSTER, BASE_NUMBER, TRUST, AUTHOR, NONCE, NUMBER, PREVIOUS, TIME, DEPENDENCIES, REFERENCES, PARTS) = range(
    12
)


def canonical(value: Any) -> bytes:
    return cbor2.dumps(value, canonical=True)


# ---- golden vectors -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(files()))
def test_bytes_are_what_they_always_were(name: str) -> None:
    assert files()[name] == read_golden(name)


@pytest.mark.parametrize("name", sorted(envelopes()))
def test_golden_envelopes_are_read_and_written_again(name: str) -> None:
    body, signature = decode_sealed(read_golden("envelope_v1.cbor.hex")[name])
    envelope = decode_envelope(body, SHARD_BITS)
    assert encode_sealed(body, signature) == envelopes()[name].sealed
    again = encode_body(
        cluster=envelope.cluster,
        base=envelope.base,
        trust=envelope.trust,
        session=envelope.session,
        number=envelope.number,
        previous=envelope.previous,
        time_ms=envelope.time_ms,
        dependencies=envelope.dependencies,
        parts=envelope.parts,
    )
    assert again == body and envelope.hash == envelope_hash(body)


def test_names_that_follow_from_bytes() -> None:
    """Hash and Yjs client id: another value is another cluster's history."""
    first = envelopes()["puts"]
    assert first.hash.hex() == "a7eae7852ef835e1885d629608073f46e9c412cf50402978031c0c50efbba8b9"
    assert client_id(first.read(SHARD_BITS).session) == CLIENT_ID


CLIENT_ID = 7734249835826838

# ---- every refusal --------------------------------------------------------------------------------------------------


def at(*path: int) -> Callable[[Any, Any], None]:
    def put_there(raw: Any, value: Any) -> None:
        for step in path[:-1]:
            raw = raw[step]
        raw[path[-1]] = value

    return put_there


def part_of(number: int) -> int:
    """Which part of the base body has this CID."""
    raw = cbor2.loads(BASE.body)
    return next(index for index, part in enumerate(raw[PARTS]) if part[2][0][0] == cid(number))


PUT, DELETE = part_of(1), part_of(2)
LOOSE = b"\x01\xd5\x00\x12\x20" + cid(1)[4:]
SESSIONS = [[bytes([n // 256, n % 256]) + bytes(30), bytes(16)] for n in range(1_001)]

# What is done to the base body, and what the refusal says.
REFUSALS: dict[str, tuple[Callable[[list[Any]], Any], str]] = {
    "not_an_array": (lambda raw: b"x", "not an array"),
    "empty_array": (lambda raw: [], "not an array"),
    "version_is_true": (lambda raw: at(VERSION)(raw, True), "starts with its version"),
    "version_is_newer": (lambda raw: at(VERSION)(raw, 2), "has version 2"),
    "version_is_older": (lambda raw: at(VERSION)(raw, 0), "has version 0"),
    "field_missing": (lambda raw: raw.pop(), "wrong number of fields"),
    "field_more": (lambda raw: raw.append(0), "wrong number of fields"),
    "cluster_short": (lambda raw: at(CLUSTER)(raw, bytes(31)), "cluster is not"),
    "cluster_text": (lambda raw: at(CLUSTER)(raw, "x" * 32), "cluster is not"),
    "base_negative": (lambda raw: at(BASE_NUMBER)(raw, -1), "base is not"),
    "base_null": (lambda raw: at(BASE_NUMBER)(raw, None), "base is not"),
    "trust_too_large": (lambda raw: at(TRUST)(raw, 2**53), "trust number is not"),
    "author_long": (lambda raw: at(AUTHOR)(raw, bytes(33)), "author is not"),
    "nonce_short": (lambda raw: at(NONCE)(raw, bytes(15)), "nonce is not"),
    "number_true": (lambda raw: at(NUMBER)(raw, True), "number is not"),
    "number_zero": (lambda raw: at(NUMBER)(raw, 0), "numbered from 1"),
    "number_too_large": (lambda raw: at(NUMBER)(raw, 2**53), "number is not"),
    "first_names_one_before": (lambda raw: at(PREVIOUS)(raw, bytes(32)), "previous hash is not"),
    "later_names_none_before": (lambda raw: at(NUMBER)(raw, 2), "previous hash is not"),
    "time_float": (lambda raw: at(TIME)(raw, 1.5), "time is not|not CBOR|deterministic"),
    "time_negative": (lambda raw: at(TIME)(raw, -5), "time is not"),
    "dependencies_not_an_array": (lambda raw: at(DEPENDENCIES)(raw, b""), "dependencies are not"),
    "dependencies_too_many": (
        lambda raw: at(DEPENDENCIES)(raw, [[*session, 1, bytes(32)] for session in SESSIONS]),
        "dependencies are not an array of at most 1000",
    ),
    "dependency_of_three": (lambda raw: raw[DEPENDENCIES][0].pop(), "a dependency is not"),
    "dependency_author": (lambda raw: at(DEPENDENCIES, 0, 0)(raw, b""), "author is not"),
    "dependency_nonce": (lambda raw: at(DEPENDENCIES, 0, 1)(raw, b""), "nonce is not"),
    "dependency_number_zero": (lambda raw: at(DEPENDENCIES, 0, 2)(raw, 0), "depends on nothing"),
    "dependency_number_text": (lambda raw: at(DEPENDENCIES, 0, 2)(raw, "1"), "dependency number is not"),
    "dependency_hash": (lambda raw: at(DEPENDENCIES, 0, 3)(raw, bytes(31)), "dependency hash is not"),
    "dependency_on_own_session": (
        lambda raw: raw[DEPENDENCIES].append([raw[AUTHOR], raw[NONCE], 1, bytes(32)]),
        "its own session",
    ),
    "dependency_twice": (lambda raw: raw[DEPENDENCIES].append(raw[DEPENDENCIES][0]), "ascending order of session"),
    "dependencies_descending": (
        lambda raw: raw[DEPENDENCIES].append([bytes(32), bytes(16), 1, bytes(32)]),
        "ascending order of session",
    ),
    "references_not_an_array": (lambda raw: at(REFERENCES)(raw, None), "references are not"),
    "references_too_many": (lambda raw: at(REFERENCES)(raw, SESSIONS), "references are not an array of at most 1000"),
    "reference_of_one": (lambda raw: raw[REFERENCES][0].pop(), "a reference is not a session"),
    "reference_author": (lambda raw: at(REFERENCES, 0, 0)(raw, bytes(31)), "author is not"),
    "reference_nonce": (lambda raw: at(REFERENCES, 0, 1)(raw, bytes(17)), "nonce is not"),
    "reference_twice": (lambda raw: raw[REFERENCES].append(raw[REFERENCES][0]), "referenced twice"),
    "reference_to_own_session": (
        lambda raw: raw[REFERENCES].append([raw[AUTHOR], raw[NONCE]]),
        "referenced twice",
    ),
    "reference_unused": (lambda raw: raw[REFERENCES].append([bytes(32), bytes(16)]), "is not used"),
    "references_out_of_order": (
        lambda raw: (raw[REFERENCES].append([bytes(32), bytes(16)]), at(PARTS, 0, 2, 0)(raw, reindexed(raw, 2))),
        "not referenced in order",
    ),
    "reference_beyond_the_list": (
        lambda raw: at(PARTS, 0, 2, 0)(raw, reindexed(raw, 7)),
        "not referenced in order",
    ),
    "parts_not_an_array": (lambda raw: at(PARTS)(raw, 0), "parts are not"),
    "part_of_two": (lambda raw: raw[PARTS][0].pop(), "a part is not"),
    "part_shard_text": (lambda raw: at(PARTS, 0, 0)(raw, "0"), "shard is not"),
    "part_first_n_negative": (lambda raw: at(PARTS, 0, 1)(raw, -1), "first n is not"),
    "parts_descending": (lambda raw: raw[PARTS].reverse(), "ascending order of shard"),
    "shard_twice": (lambda raw: raw[PARTS].insert(0, raw[PARTS][0]), "ascending order of shard"),
    "operations_not_an_array": (lambda raw: at(PARTS, 0, 2)(raw, b""), "operations are not"),
    "part_empty": (lambda raw: raw[PARTS].append([4095, 0, []]), "a part is empty"),
    "key_twice_in_a_part": (lambda raw: raw[PARTS][PUT][2].append([cid(1), b""]), "names a key twice"),
    "key_in_another_shard": (lambda raw: at(PARTS, PUT, 0)(raw, shifted(raw)), "not its own"),
    "key_not_canonical": (
        lambda raw: at(PARTS)(raw, [[shard_of(LOOSE, SHARD_BITS), 0, [[LOOSE, b""]]]]),
        "canonical form|not a CID",
    ),
    "key_not_a_cid": (lambda raw: at(PARTS, PUT, 2, 0, 0)(raw, b"12345"), "not a CID"),
    "key_text": (lambda raw: at(PARTS, PUT, 2, 0, 0)(raw, "bafy"), "not a CID"),
    "key_too_long": (lambda raw: at(PARTS, PUT, 2, 0, 0)(raw, b"\x01\x55\x00\x7e" + bytes(126)), "not a CID"),
    "operation_of_one": (lambda raw: at(PARTS, PUT, 2, 0)(raw, [cid(1)]), "wrong form"),
    "operation_of_three": (lambda raw: at(PARTS, PUT, 2, 0)(raw, [cid(1), b"", 0]), "wrong form"),
    "operation_not_an_array": (lambda raw: at(PARTS, PUT, 2, 0)(raw, cid(1)), "wrong form"),
    "record_text": (lambda raw: at(PARTS, PUT, 2, 0, 1)(raw, "x"), "wrong form"),
    "record_too_large": (lambda raw: at(PARTS, PUT, 2, 0, 1)(raw, bytes(4097)), "larger than 4 KiB"),
    "origin_n_too_large": (lambda raw: at(PARTS, PUT, 2, 0, 3)(raw, 2**53), "operation number is not"),
    "origin_reference_text": (lambda raw: at(PARTS, PUT, 2, 0, 2)(raw, "1"), "reference is not"),
    "delete_with_an_origin": (lambda raw: raw[PARTS][DELETE][2][0].extend([0, 0]), "wrong form"),
    "delete_without_targets": (lambda raw: at(PARTS, DELETE, 2, 0, 1)(raw, []), "wrong form"),
    "delete_with_half_a_target": (lambda raw: raw[PARTS][DELETE][2][0][1].append(1), "wrong form"),
    "delete_with_too_many_targets": (
        lambda raw: at(PARTS, DELETE, 2, 0, 1)(raw, [x for n in range(65) for x in (0, n)]),
        "more than 64 targets",
    ),
    "delete_target_twice": (lambda raw: raw[PARTS][DELETE][2][0][1].extend([1, 0]), "a target twice"),
    "delete_target_negative": (lambda raw: at(PARTS, DELETE, 2, 0, 1, 1)(raw, -1), "operation number is not"),
}


def reindexed(raw: Any, index: int) -> Any:
    """The first operation of the first part, with another reference."""
    operation = raw[PARTS][0][2][0]
    if len(operation) == 4:
        return [operation[0], operation[1], index, operation[3]]
    return [operation[0], [index, operation[1][1]]]


def shifted(raw: Any) -> int:
    """A shard beside the put's own that keeps the order of parts."""
    shards = [part[0] for part in raw[PARTS]]
    own = shards[PUT]
    return next(int(one) for one in (own + 1, own - 1) if one not in shards and 0 <= one < 4096)


@pytest.mark.parametrize("name", sorted(REFUSALS))
def test_refused(name: str) -> None:
    change, says = REFUSALS[name]
    raw = cbor2.loads(BASE.body)
    decode_envelope(canonical(raw), SHARD_BITS)
    result = change(raw)
    changed = result if name in ("not_an_array", "empty_array") else raw
    with pytest.raises(Malformed) as refused:
        decode_envelope(canonical(changed), SHARD_BITS)
    assert re.search(says, str(refused.value)), refused.value


def many_puts(count: int, size: int = 0) -> bytes:
    by_shard: dict[int, list[list[Any]]] = {}
    for number in range(count):
        by_shard.setdefault(shard_of(cid(number), SHARD_BITS), []).append([cid(number), bytes(size)])
    raw = cbor2.loads(BASE.body)
    raw[DEPENDENCIES], raw[REFERENCES] = [], []
    raw[PARTS] = [[shard, 0, by_shard[shard]] for shard in sorted(by_shard)]
    return canonical(raw)


def test_1000_operations_are_taken_and_1001_refused() -> None:
    assert decode_envelope(many_puts(1000), SHARD_BITS).operations == 1000
    with pytest.raises(Malformed, match="more than 1,000 operations"):
        decode_envelope(many_puts(1001), SHARD_BITS)


def test_256_kib_are_taken_and_one_byte_more_refused() -> None:
    body = many_puts(63, 4096)
    assert limits.ENVELOPE_BYTES_MAX - 4096 < len(body) <= limits.ENVELOPE_BYTES_MAX
    decode_envelope(body, SHARD_BITS)
    with pytest.raises(Malformed, match="larger than 256 KiB"):
        decode_envelope(many_puts(64, 4096), SHARD_BITS)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ([b"body"], "not a pair"),
        (b"body", "not a pair"),
        ([b"body", bytes(64), 0], "not a pair"),
        (["body", bytes(64)], "body is not"),
        ([b"body", bytes(63)], "signature is not"),
        ([b"body", None], "signature is not"),
    ],
)
def test_sealed_refused(value: Any, says: str) -> None:
    with pytest.raises(Malformed, match=says):
        decode_sealed(canonical(value))


def test_sealed_refused_by_size_before_it_is_decoded() -> None:
    with pytest.raises(Malformed, match="larger than 256 KiB"):
        decode_sealed(bytes(limits.ENVELOPE_BYTES_MAX + 257))


# ---- CBOR -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x18\x01",  # 1 in two bytes
        b"\x00\x00",  # a tail
        b"\x9f\x00\xff",  # indefinite
        b"\x5f\x41a\xff",
        b"\xa2\x61b\x00\x61a\x00",  # keys out of order
        b"\xa2\x61a\x00\x61a\x00",  # a key twice
        b"\xa1\x00\x00",  # a key that is a number
        b"\xfb\x3f\xf0\x00\x00\x00\x00\x00\x00",  # 1.0, longer than it need be
        b"\x62\xc3\x28",  # not UTF-8
        b"\x81" * 9 + b"\x00",  # too deep
        b"\x9b\x00\x00\x00\x0f\xff\xff\xff\xff",  # absurd lengths
        b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xbb\x00\x00\x00\x0f\xff\xff\xff\xff",
    ],
)
def test_other_encodings_are_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        load(data)


@pytest.mark.parametrize("inner", [b"\x00", b"\x41\x01", b"\x61a", b"\x80", b"\x82\x00\x01", b"\xa0"])
def test_no_tag_is_ever_decoded(inner: bytes) -> None:
    """Every tag of one or two bytes, and some beyond: an upgrade of cbor2 that knows more tags is found here."""
    tags = range(66_000) if inner == b"\x80" else (*range(1_100), 43_000, 43_001, 55_799)
    for tag in (*tags, 2**32, 2**64 - 1):
        head = next(
            head
            for most, head in (
                (24, bytes([0xC0 | tag & 0x1F])),
                (2**8, b"\xd8" + (tag & 0xFF).to_bytes()),
                (2**16, b"\xd9" + (tag & 0xFFFF).to_bytes(2)),
                (2**32, b"\xda" + (tag & 0xFFFFFFFF).to_bytes(4)),
                (2**64, b"\xdb" + tag.to_bytes(8)),
            )
            if tag < most
        )
        with pytest.raises(Malformed):
            load(head + inner)


BOMB = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
resource.setrlimit(resource.RLIMIT_CPU, (10, 10))
from pincrew.errors import Malformed
from pincrew.wire import load
try:
    load(sys.stdin.buffer.read())
except Malformed:
    sys.exit(7)
"""


def head(major: int, value: int) -> bytes:
    """The first bytes of an item: its major type and its length or number."""
    first, *rest = canonical(value)
    return bytes([first | major << 5, *rest])


def bombs() -> dict[str, bytes]:
    """Small messages that a decoder of everything turns into gigabytes or minutes."""
    shared = [b"\xd8\x1c" + head(4, 10) + bytes(10)]
    shared += [b"\xd8\x1c" + head(4, 10) + (b"\xd8\x1d" + head(0, level)) * 10 for level in range(11)]
    collide = b"".join(
        b"\xc2" + head(2, 16) + ((number + 1) * (2**61 - 1)).to_bytes(16) + b"\x00" for number in range(50_000)
    )
    return {
        "shared references, 400 bytes": head(4, len(shared)) + b"".join(shared),
        "string references": b"\xd9\x01\x00"
        + head(4, 50_001)
        + head(2, 10**5)
        + bytes(10**5)
        + b"\xd8\x19\x00" * 50_000,
        "big decimal": b"\xc4\x82\x00\xc2" + head(2, 10**6) + b"\xff" * 10**6,
        "colliding keys": head(5, 50_000) + collide,
        "nested": b"\x81" * 10**6 + b"\x00",
        "nested tags": b"\xc1" * 10**6 + b"\x00",
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(bombs()))
def test_no_message_kills_the_process(name: str) -> None:
    data = bombs()[name]
    done = subprocess.run([sys.executable, "-P", "-c", BOMB], input=data, capture_output=True, timeout=60, check=False)
    assert done.returncode == 7, done.stderr.decode()[-2000:]


# ---- properties -----------------------------------------------------------------------------------------------------

sessions = st.builds(SessionId, st.binary(min_size=32, max_size=32), st.binary(min_size=16, max_size=16))
few_sessions = st.sampled_from([SessionId(bytes([n]) * 32, bytes([n]) * 16) for n in range(6)])
identifiers = st.builds(OperationId, few_sessions, st.integers(0, 2**53 - 1))
operations = st.dictionaries(
    st.integers(0, 30).map(cid),
    st.one_of(
        st.tuples(st.binary(max_size=50), st.none() | identifiers),
        st.lists(identifiers, min_size=1, max_size=5, unique=True).map(tuple),
    ),
    max_size=8,
)


def operation(key: bytes, value: Any) -> Operation:
    return Put(key, *value) if isinstance(value[0], bytes) else Delete(key, value)


@given(
    few_sessions,
    st.integers(1, 2**53 - 1),
    st.lists(st.tuples(few_sessions, st.integers(1, 2**53 - 1), st.binary(min_size=32, max_size=32)), max_size=4),
    operations,
    st.integers(0, 16),
)
def test_what_is_written_is_read(
    session: SessionId, number: int, depends: list[Any], changes: dict[bytes, Any], shard_bits: int
) -> None:
    dependencies = tuple(
        Dependency(*one) for one in sorted({one[0]: one for one in depends if one[0] != session}.values())
    )
    by_shard: dict[int, list[Operation]] = {}
    for key, value in changes.items():
        by_shard.setdefault(shard_of(key, shard_bits), []).append(operation(key, value))
    parts = tuple(Part(shard, 3, tuple(by_shard[shard])) for shard in sorted(by_shard))
    body = encode_body(
        cluster=bytes(32),
        base=0,
        trust=2,
        session=session,
        number=number,
        previous=b"" if number == 1 else bytes(32),
        time_ms=5,
        dependencies=dependencies,
        parts=parts,
    )
    envelope = decode_envelope(body, shard_bits)
    assert (envelope.session, envelope.number, envelope.dependencies, envelope.parts) == (
        session,
        number,
        dependencies,
        parts,
    )
    assert all(a.session < b.session for a, b in pairwise(envelope.dependencies))
    assert decode_sealed(encode_sealed(body, bytes(64))) == (body, bytes(64))


def mutated(data: bytes, edits: list[tuple[int, int, int]]) -> bytes:
    """Flip, insert, remove."""
    out = bytearray(data)
    for kind, where, byte in edits:
        spot = where % max(1, len(out))
        if kind == 0 and out:
            out[spot] = byte
        elif kind == 1:
            out.insert(spot, byte)
        elif out:
            del out[spot]
    return bytes(out)


edits = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2**20), st.integers(0, 255)), min_size=1, max_size=6)


@settings(max_examples=600)
@given(st.sampled_from(sorted(envelopes())), edits)
def test_mutated_bytes_raise_malformed_and_nothing_else(name: str, changes: list[tuple[int, int, int]]) -> None:
    """And what is still read is exactly one envelope: its body is its only form."""
    sealed = envelopes()[name].sealed
    for data, read in ((mutated(sealed, changes), decode_sealed), (mutated(envelopes()[name].body, changes), None)):
        with contextlib.suppress(Malformed):
            if read is not None:
                read(data)
            else:
                assert decode_envelope(data, SHARD_BITS).body == data


@given(st.binary(max_size=300))
def test_any_bytes_raise_malformed_and_nothing_else(data: bytes) -> None:
    for read in (decode_sealed, load, lambda one: decode_envelope(one, SHARD_BITS)):
        with contextlib.suppress(Malformed):
            read(data)


# ---- what the documentation shows -----------------------------------------------------------------------------------


def test_examples_in_the_documentation_are_the_golden_vectors() -> None:
    """docs/protocol.md marks each with a comment, ``golden: FILE [SECTION]``, before the block."""
    text = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")
    shown = re.findall(r"<!-- golden: (\S+) \[([^\]]+)\] -->\s*```[a-z]*\n([0-9a-f\s]+)```", text)
    assert len(shown) == text.count("<!-- golden: ")
    for name, section, digits in shown:
        assert bytes.fromhex(digits) == read_golden(name)[section], (name, section)
    documented = {(name, section) for name, section, _ in shown}
    assert {("envelope_v1.cbor.hex", "puts"), ("announcement_v1.cbor.hex", "announcement")} <= documented
    assert {("frame_v1.cbor.hex", section) for section in read_golden("frame_v1.cbor.hex")} <= documented


def test_documented_limits_are_those_in_force() -> None:
    text = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")
    documented = dict(re.findall(r"`([A-Z_]+)` = (\d+)", text))
    source = Path(limits.__file__).read_text(encoding="utf-8")
    wire = re.findall(r"^([A-Z_]+) =", source.split("What a writer refuses")[0], flags=re.M)
    for name in wire:
        if name != "WIRE_VERSION":
            assert name in documented, name
    assert {name: int(number) for name, number in documented.items()} == {
        name: getattr(limits, name) for name in documented
    }
