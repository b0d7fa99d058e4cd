"""What a file is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pincrew.node.media_types import media_type


@pytest.mark.parametrize(
    ("name", "start", "kind"),
    [
        ("a.html", b"", "text/html"),
        ("A.PNG", b"", "image/png"),
        ("a.tar.gz", b"", "application/gzip"),
        ("a.md", b"\xff", "text/markdown; charset=utf-8"),
        ("a.csv", b"", "text/csv; charset=utf-8"),
        ("", b"\x89PNG\r\n\x1a\nxx", "image/png"),
        ("a.unheard", b"%PDF-1.7", "application/pdf"),
        ("", b"  <!DOCTYPE html><p>", "text/html"),
        ("", b"\0\0\0\x18ftypmp42", "video/mp4"),
        ("", "grüße".encode()[:5], "text/plain; charset=utf-8"),
        ("", "€".encode() * 100 + b"\xe2", "text/plain; charset=utf-8"),
        ("", b"", "text/plain; charset=utf-8"),
        ("", b"\xff\xfe\x00binary", "application/octet-stream"),
        ("", b"a\0b", "application/octet-stream"),
    ],
)
def test_types(name: str, start: bytes, kind: str) -> None:
    assert media_type(name, start) == kind


@given(st.text(max_size=20), st.binary(max_size=600))
def test_anything_has_one_that_can_stand_in_a_header(name: str, start: bytes) -> None:
    kind = media_type(name, start)
    assert kind.isascii() and kind.isprintable() and "/" in kind
