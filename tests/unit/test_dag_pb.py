from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from pincrew.dag_pb import linked_size


def link(size: bytes) -> bytes:
    fields = b"\x0a\x02ab\x12\x01n\x18" + size
    return b"\x12" + bytes([len(fields)]) + fields


def test_sizes_of_links() -> None:
    assert linked_size(link(b"\x64") + link(b"\x80\x01") + b"\x0a\x02hi") == 228
    assert linked_size(b"") == 0
    assert linked_size(link(b"\xff" * 9 + b"\x01") * 3) == 2**62


@given(st.binary(max_size=200))
@example(b"\x12\xff")
@example(b"\xff" * 20)
def test_a_block_of_any_bytes_has_a_size_or_none(block: bytes) -> None:
    assert 0 <= linked_size(block) <= 2**62
