from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pincrew.errors import Misuse
from pincrew.node.segments import name_bytes, name_text, segments_of


@pytest.mark.parametrize(
    ("path", "segments"),
    [
        ("", ()),
        ("/", ()),
        ("a", (b"a",)),
        ("/a//b/", (b"a", b"b")),
        ("a/./b/../c", (b"a", b"c")),
        ("..a/b../...", (b"..a", b"b..", b"...")),
        ("ü/文件", ("ü".encode(), "文件".encode())),
        ("a\udcff", (b"a\xff",)),
    ],
)
def test_segments(path: str, segments: tuple[bytes, ...]) -> None:
    assert segments_of(path) == segments


@pytest.mark.parametrize("path", ["..", "/a/../../b", "\ud800"])
def test_what_is_no_path(path: str) -> None:
    with pytest.raises(Misuse):
        segments_of(path)


@given(st.binary(max_size=20))
def test_any_bytes_survive_as_text(name: bytes) -> None:
    assert name_bytes(name_text(name)) == name
