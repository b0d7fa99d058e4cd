"""Two lists side by side."""

from __future__ import annotations

from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pincrew.errors import Misuse
from pincrew.store.comparison import Comparison, FilePin, Kind, StorePin

Side = list[tuple[bytes, bytes, int | None]]
CIDS = st.integers(0, 12).map(lambda number: b"cid %d" % number)
PINS = st.lists(st.tuples(CIDS, st.sampled_from([b"x", b"y"]), st.sampled_from([None, 1, 2]), st.booleans()))


def test_each_kind() -> None:
    with closing(Comparison()) as both:
        both.read_file(
            [
                FilePin(b"same", b"1", None, False),
                FilePin(b"other", b"2", None, False),
                FilePin(b"size", b"3", 7, False),
                FilePin(b"new", b"4", None, False),
                FilePin(b"over", b"5", None, True),
            ]
        )
        both.read_store(
            [
                StorePin(b"zz", b"9", None),
                StorePin(b"same", b"1", 5),
                StorePin(b"other", b"1", None),
                StorePin(b"size", b"3", 8),
                StorePin(b"aa", b"9", None),
            ]
        )
        assert {kind: both.count(kind) for kind in Kind} == {
            Kind.EQUAL: 1,
            Kind.DIFFERENT: 2,
            Kind.ONLY_FILE: 2,
            Kind.ONLY_STORE: 2,
        }
        assert both.count(Kind.ONLY_FILE, is_expired=True) == both.count(Kind.ONLY_FILE, is_expired=False) == 1
        assert list(both.cids(Kind.DIFFERENT)) == [b"other", b"size"]
        assert list(both.cids(Kind.ONLY_STORE)) == [b"aa", b"zz"]
        assert list(both.cids(Kind.ONLY_STORE, 1)) == [b"aa"]
        assert list(both.to_write()) == [2, 3, 4]


@given(PINS, PINS)
def test_as_with_dictionaries(
    file: list[tuple[bytes, bytes, int | None, bool]], store: list[tuple[bytes, bytes, int | None, bool]]
) -> None:
    here = {cid: (digest, size) for cid, digest, size, _ in store}
    last = {cid: (position, digest, size, over) for position, (cid, digest, size, over) in enumerate(file, 1)}

    def kind(cid: bytes) -> Kind:
        _, digest, size, _ = last[cid]
        if cid not in here:
            return Kind.ONLY_FILE
        is_same = here[cid][0] == digest and size in (None, here[cid][1])
        return Kind.EQUAL if is_same else Kind.DIFFERENT

    with closing(Comparison()) as both:
        both.read_file(FilePin(*pin) for pin in file)
        both.read_store(StorePin(cid, *rest) for cid, rest in here.items())
        for one in (Kind.EQUAL, Kind.DIFFERENT, Kind.ONLY_FILE):
            assert list(both.cids(one)) == sorted(cid for cid in last if kind(cid) is one)
            assert both.count(one) == sum(kind(cid) is one for cid in last)
        assert list(both.cids(Kind.ONLY_STORE)) == sorted(set(here) - set(last))
        assert list(both.to_write()) == sorted(
            position for cid, (position, _, _, over) in last.items() if kind(cid) is not Kind.EQUAL and not over
        )


def test_what_is_wrong_with_the_file_is_told_as_it_is() -> None:
    def broken() -> object:
        yield FilePin(b"a", b"1", None, False)
        raise Misuse("line 2")

    with closing(Comparison()) as both, pytest.raises(Misuse, match="line 2"):
        both.read_file(broken())  # type: ignore[arg-type]
