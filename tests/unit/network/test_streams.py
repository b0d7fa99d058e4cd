"""The frames' prefix."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pincrew import limits
from pincrew.errors import Malformed
from pincrew.network.streams import length_prefix, read_length


@given(st.integers(0, limits.FRAME_BYTES_MAX), st.binary(max_size=20))
def test_a_prefix_is_read_as_it_was_written(length: int, rest: bytes) -> None:
    prefix = length_prefix(length)
    assert read_length(prefix + rest) == (length, len(prefix))
    for end in range(len(prefix)):
        assert read_length(prefix[:end]) is None


@given(st.integers(limits.FRAME_BYTES_MAX + 1, 2**70))
def test_a_frame_that_is_too_long_is_refused_by_its_prefix(length: int) -> None:
    with pytest.raises(Malformed):
        read_length(length_prefix(length))


@given(st.binary(max_size=30))
def test_any_bytes_are_a_length_or_incomplete_or_malformed(data: bytes) -> None:
    try:
        found = read_length(data)
    except Malformed:
        return
    assert found is None or (found[0] <= limits.FRAME_BYTES_MAX and found[1] <= len(data))
