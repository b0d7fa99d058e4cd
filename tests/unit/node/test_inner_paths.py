from __future__ import annotations

import json

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pincrew.cid import cid_text
from pincrew.errors import Malformed, NotFound
from pincrew.node.inner_paths import absent, follow
from pincrew.node.multihash import DAG_CBOR, DAG_JSON, cid_from

CBOR = cid_from(DAG_CBOR, b"\x12\x20" + bytes(32))
JSON = cid_from(DAG_JSON, b"\x12\x20" + bytes(32))
CHILD = b"\x01\x55\x12\x20" + b"c" * 32


def in_cbor(value: object) -> bytes:
    return cbor2.dumps(value, default=lambda encoder, _: encoder.encode(cbor2.CBORTag(42, b"\x00" + CHILD)))


def in_json(value: object) -> bytes:
    return json.dumps(value, default=lambda _: {"/": cid_text(CHILD)}).encode()


LINK = object()
VALUE = {
    "first": {"x": [1, 2.5, None, True], "long": "t" * 300, "bytes?": "no"},
    "list": [[LINK], {"below": LINK}, "text", -1],
    "link": LINK,
    "ü": 10**12,
}


@pytest.mark.parametrize(("cid", "block"), [(CBOR, in_cbor(VALUE)), (JSON, in_json(VALUE))])
@pytest.mark.parametrize(
    ("path", "used"),
    [("link", 1), ("link/more/of/it", 1), ("list/0/0", 3), ("list/1/below/x", 3), ("list/01/below", 3)],
)
def test_paths_to_links(cid: bytes, block: bytes, path: str, used: int) -> None:
    assert follow(cid, block, path.encode().split(b"/")) == (used, CHILD)


@pytest.mark.parametrize(("cid", "block"), [(CBOR, in_cbor(VALUE)), (JSON, in_json(VALUE))])
@pytest.mark.parametrize("path", ["first", "first/x", "first/x/3", "first/long", "list/3", "ü", "list/1"])
def test_paths_that_end_inside(cid: bytes, block: bytes, path: str) -> None:
    segments = path.encode().split(b"/")
    assert follow(cid, block, segments) == (len(segments), None)


@pytest.mark.parametrize(("cid", "block"), [(CBOR, in_cbor(VALUE)), (JSON, in_json(VALUE))])
@pytest.mark.parametrize("path", ["absent", "first/x/4", "first/x/-1", "first/long/0", "list/x", "list/" + "9" * 5_000])
def test_paths_to_nothing(cid: bytes, block: bytes, path: str) -> None:
    with pytest.raises(NotFound):
        follow(cid, block, path.encode().split(b"/"))


def test_a_block_that_is_a_link_has_no_names() -> None:
    for cid, block in ((CBOR, in_cbor(LINK)), (JSON, in_json(LINK))):
        with pytest.raises(NotFound):
            follow(cid, block, [b"x"])


def test_the_sentence_names_what_is_missing() -> None:
    assert "no link named 'ü' under bafy" in str(absent(CBOR, "ü".encode()))


@given(st.binary(max_size=200), st.lists(st.binary(max_size=3), max_size=4), st.sampled_from([CBOR, JSON]))
def test_any_bytes(block: bytes, segments: list[bytes], cid: bytes) -> None:
    try:
        used, _ = follow(cid, block, segments)
        assert used <= len(segments)
    except (Malformed, NotFound):
        pass


@given(
    st.recursive(
        st.integers(-5, 5) | st.text(max_size=3) | st.just(LINK),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text("ab0", min_size=1, max_size=2), inner, max_size=3)
        ),
    ),
    st.lists(st.sampled_from([b"a", b"b", b"0", b"1", b"ab"]), min_size=1, max_size=4),
)
def test_both_codecs_agree(value: object, segments: list[bytes]) -> None:
    def outcome(cid: bytes, block: bytes) -> object:
        try:
            return follow(cid, block, segments)
        except NotFound:
            return None

    assert outcome(CBOR, in_cbor(value)) == outcome(JSON, in_json(value))
