from __future__ import annotations

import contextlib
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pincrew.errors import Malformed
from pincrew.limits import BLOCK_BYTES_MAX, CAR_HEADER_BYTES_MAX
from pincrew.node.car import CarReader, header_of, section_of
from pincrew.node.multihash import cid_of
from pincrew.node.protobuf import varint

BLOCKS = [b"", b"one", bytes(range(256)) * 5, b"v0", b"inlined"]
PREFIXES = [b"\x01\x55\x12\x20", b"\x01\x71\x1e\x20", b"\x01\x55\x12\x20", b"\x00\x70\x12\x20", b"\x01\x55\x00\x07"]
SECTIONS = [(cid_of(prefix, block), block) for prefix, block in zip(PREFIXES, BLOCKS, strict=True)]
ROOTS = (SECTIONS[0][0], SECTIONS[3][0])
WHOLE = header_of(ROOTS) + b"".join(section_of(cid, block) for cid, block in SECTIONS)


def version_2(data: bytes, *, padding: int = 0, index: bytes = b"index", size: int | None = None) -> bytes:
    offsets = (51 + padding, len(data) if size is None else size, 51 + padding + len(data))
    numbers = b"".join(number.to_bytes(8, "little") for number in offsets)
    return b"\x0a\xa1\x67version\x02" + bytes(16) + numbers + bytes(padding) + data + index


def read(
    car: bytes, *, step: int = 0, verify: bool = True
) -> tuple[tuple[bytes, ...] | None, list[tuple[bytes, bytes]]]:
    reader = CarReader(verify=verify)
    found = []
    for at in range(0, len(car), step or len(car) or 1):
        found += list(reader.feed(car[at : at + (step or len(car))]))
    reader.finish()
    return reader.roots, found


@pytest.mark.parametrize("step", [1, 2, 7, 100, 0])
@pytest.mark.parametrize(
    "car",
    [WHOLE, version_2(WHOLE), version_2(WHOLE, padding=1000), version_2(WHOLE, padding=1, index=b"")],
    ids=["version 1", "version 2", "version 2, padded", "version 2, no index"],
)
def test_a_car_is_read_in_any_pieces(car: bytes, step: int) -> None:
    assert read(car, step=step) == (ROOTS, SECTIONS)


def test_the_header_is_that_of_the_specification() -> None:
    assert header_of([]) == b"\x11\xa2\x65roots\x80\x67version\x01"
    root = SECTIONS[0][0]
    assert header_of([root]) == b"\x3a\xa2\x65roots\x81\xd8\x2a\x58\x25\x00" + root + b"\x67version\x01"
    assert read(header_of([])) == ((), [])


def test_sections_come_as_soon_as_they_are_complete() -> None:
    reader = CarReader()
    header, first = header_of(ROOTS), section_of(*SECTIONS[1])
    assert list(reader.feed(header[:-1])) == [] and reader.roots is None
    assert list(reader.feed(header[-1:] + first[:-1])) == [] and reader.roots == ROOTS
    assert list(reader.feed(first[-1:] + first)) == [SECTIONS[1]] * 2
    reader.finish()


def test_bytes_after_the_data_of_a_version_2_do_not_count() -> None:
    reader = CarReader()
    assert list(reader.feed(version_2(WHOLE, index=b""))) == SECTIONS
    for _ in range(3):
        assert list(reader.feed(b"\xff" * 1000)) == []
    reader.finish()


@pytest.mark.parametrize("car", [WHOLE, version_2(WHOLE, padding=3, index=b"")], ids=["version 1", "version 2"])
def test_a_car_cut_short_says_where(car: bytes) -> None:
    """A version 1 cut between sections is complete as far as anybody can tell; a version 2 states its size."""
    starts, at = [], len(car) - len(WHOLE) + len(header_of(ROOTS))
    for cid, block in SECTIONS:
        starts.append(at)
        at += len(section_of(cid, block))
    for end in range(len(car)):
        reader = CarReader()
        found = list(reader.feed(car[:end]))
        assert len(found) == sum(start <= end for start in starts[1:])
        if car is WHOLE and end in starts:
            reader.finish()
            continue
        where = "in its header" if end < starts[0] else f"in section {len(found) + 1}\\.$"
        with pytest.raises(Malformed, match=where):
            reader.finish()


def test_wrong_hashes_are_named_unless_the_caller_looks_itself() -> None:
    wrong = (SECTIONS[1][0], b"another")
    car = header_of(ROOTS) + section_of(*SECTIONS[0]) + section_of(*wrong)
    reader, found = CarReader(), []
    with pytest.raises(Malformed, match="section 2 of the CAR has a block that does not match its CID"):
        for section in reader.feed(car):
            found.append(section)
    assert found == SECTIONS[:1]
    assert read(car, verify=False) == (ROOTS, [SECTIONS[0], wrong])


HEADER = header_of(ROOTS)
MD5 = b"\x01\x55\xd5\x01\x10" + hashlib.md5(b"x", usedforsecurity=False).digest()


@pytest.mark.parametrize(
    ("car", "says"),
    [
        (b"\x00", "header cannot be read"),
        (b"\x01\xff", "header cannot be read"),
        (b"\x0a\xa1\x67version\x03", "header is not that of a version"),
        (HEADER[:-1] + b"\x02", "header is not that of a version"),
        (HEADER.replace(b"roots", b"boots"), "header is not that of a version"),
        (b"<!DOCTYPE html><html></html>" + bytes(100), "header cannot be read"),
        (varint(CAR_HEADER_BYTES_MAX + 1), "the header of the CAR is larger"),
        (b"\xff" * 10, "the header of the CAR is larger"),
        (HEADER + b"\x00", "section 1 of the CAR has no CID"),
        (HEADER + section_of(*SECTIONS[1]) + b"\x03\x01\x55\x12", "section 2 of the CAR has no CID"),
        (HEADER + section_of(MD5, b"x"), "section 1 .* hash function 0xd5"),
        (HEADER + section_of(b"\x01\x55\x00\x81\x02" + bytes(257), b""), "section 1 .* at most 128"),
        (HEADER + varint(2**22), "section 1 of the CAR is larger"),
        (HEADER + b"\x80" * 9, "section 1 of the CAR is larger"),
        (version_2(WHOLE, size=0), "impossible place or size"),
        (version_2(WHOLE, size=2**63), "impossible place or size"),
        (b"\x0a\xa1\x67version\x02" + bytes(40), "impossible place or size"),
        (version_2(WHOLE, size=len(WHOLE) - 1), "section 5 of the CAR reaches beyond the data"),
        (version_2(version_2(WHOLE)), "header is not that of a version"),
        (version_2(b"\x0b" + HEADER), "header cannot be read"),
    ],
)
@pytest.mark.parametrize("step", [0, 1])
def test_what_is_no_car(car: bytes, says: str, step: int) -> None:
    with pytest.raises(Malformed, match=says):
        read(car, step=step)


def test_the_largest_block_is_taken_and_no_larger_one() -> None:
    data = bytes(BLOCK_BYTES_MAX)
    largest = (cid_of(PREFIXES[0], data), data)
    assert read(header_of([]) + section_of(*largest), step=300_000) == ((), [largest])
    larger = (cid_of(PREFIXES[0], data + b"x"), data + b"x")
    with pytest.raises(Malformed, match="section 1 of the CAR has a block larger than 2097152 bytes"):
        read(header_of([]) + section_of(*larger))


def test_no_more_than_one_section_is_held() -> None:
    """What a stranger can make the reader hold is bounded by what it accepts, not by what it is told."""
    reader = CarReader()
    with pytest.raises(Malformed, match="larger"):
        for _ in range(10):
            list(reader.feed(varint(2**27)))


@given(st.binary(max_size=150), st.integers(0, 3), st.booleans())
def test_any_bytes_raise_malformed_and_nothing_else(data: bytes, start: int, verify: bool) -> None:
    car = (b"", HEADER, b"\x0a\xa1\x67version\x02", version_2(HEADER, size=2**20, index=b""))[start] + data
    for step in (0, 3):
        with contextlib.suppress(Malformed):
            read(car, step=step, verify=verify)


@given(st.data())
def test_damaged_cars_raise_malformed_and_nothing_else(data: st.DataObject) -> None:
    car = bytearray(version_2(WHOLE, padding=2))
    for _ in range(data.draw(st.integers(1, 3))):
        car[data.draw(st.integers(0, len(car) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(Malformed):
        read(bytes(car))
