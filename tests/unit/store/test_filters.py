"""The filter language: what it reads, and what it refuses in words."""

from __future__ import annotations

import hashlib

import pytest

from pincrew.cid import cid_text
from pincrew.errors import Misuse
from pincrew.store.filters import Filter, where_of
from pincrew.values import PinState

NOW = 10_000_000
CID = b"\x01\x55\x12\x20" + hashlib.sha256(b"1").digest()


def test_the_filter_language() -> None:
    cid = cid_text(CID)
    wanted = Filter.parse(f"two words state:error,queued size>1MB tries>3 cid:{cid} added<1h", now_ms=NOW)
    assert wanted == Filter(
        states=(PinState.ERROR, PinState.QUEUED),
        words=("two", "words"),
        cid=CID,
        size_over=1_000_000,
        tries_over=3,
        added_after_ms=NOW - 3_600_000,
    )


@pytest.mark.parametrize("text", ["state:gone", "size>much", "tries>some", "tries<3", "cid:x", "added<7"])
def test_bad_terms_are_named(text: str) -> None:
    with pytest.raises(Misuse):
        Filter.parse(text, now_ms=NOW)


def test_copies_are_no_filter_and_where_they_are_shown_is_said() -> None:
    with pytest.raises(Misuse, match="pincrew coverage"):
        Filter.parse("copies<3", now_ms=NOW)


def test_conditions_hold_values_apart_from_sql() -> None:
    where, values = where_of(Filter.parse("50%_\\off size<1kB state:error", now_ms=NOW, name_prefix="a'b"))
    assert "'b" not in where and values == ["a'b", "a'b\U0010ffff", "%50\\%\\_\\\\off%", 1_000]
    assert where_of(Filter()) == ("", [])
