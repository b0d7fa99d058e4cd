"""Files in a request's body, however it is cut into pieces."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from pincrew.multipart import FILE, FOLDER, multipart
from pincrew.node.rpc.arguments import Refused
from pincrew.node.rpc.multipart_body import MultipartBody
from support.http_door import BOUNDARY, MULTIPART, files

TYPE = MULTIPART["Content-Type"]
Read = list[tuple[str, str, bytes]]


async def read_all(body: bytes, size: int, content_type: str = TYPE) -> Read:
    async def chunks() -> AsyncIterator[bytes]:
        for at in range(0, len(body), size):
            yield body[at : at + size]

    reader = MultipartBody(chunks(), content_type)
    out: Read = []
    while (part := await reader.next_part()) is not None:
        out.append((part.path, part.content_type, await reader.whole(10_000, "x")))
    return out


@given(st.lists(st.binary(max_size=300), max_size=4), st.integers(1, 64))
@settings(max_examples=60, deadline=None)
def test_content_comes_as_it_is(contents: list[bytes], size: int) -> None:
    parts = [(f"f{index}", "application/octet-stream", content) for index, content in enumerate(contents)]
    if any(f"\r\n--{BOUNDARY}".encode() in content for content in contents):
        return
    assert trio.run(read_all, files(*parts), size) == parts


def test_names_are_percent_encoded_as_kubo_has_them() -> None:
    body = files(("a%2F%C3%A4+b%2522%FF", FOLDER, b""), ("", "application/symlink", b"x"))
    assert trio.run(read_all, body, 7) == [("a/ä b%22\udcff", FOLDER, b""), ("", "application/symlink", b"x")]


def test_it_reads_what_the_client_writes() -> None:
    body = b"".join(multipart([("d/ä+ b", FILE, (b"one", b"two")), ("d/e", FOLDER, ())], BOUNDARY))
    assert trio.run(read_all, body, 5) == [("d/ä+ b", FILE, b"onetwo"), ("d/e", FOLDER, b"")]


def test_what_is_not_read_is_skipped() -> None:
    async def main() -> None:
        async def chunks() -> AsyncIterator[bytes]:
            yield files(("a", "x/y", b"first"), ("b", "x/y", b"second"))

        reader = MultipartBody(chunks(), TYPE)
        assert (await reader.next_part()) is not None
        second = await reader.next_part()
        assert second is not None and second.path == "b"
        assert await reader.read() == b"second"
        assert await reader.read() is None and await reader.read() is None
        assert await reader.next_part() is None and await reader.next_part() is None

    trio.run(main)


@pytest.mark.parametrize(
    "body", [b"", b"xx", files(("a", "x/y", b"content"))[:-20], b"--" + BOUNDARY.encode() + b"\r\n"]
)
def test_a_body_that_is_cut_short_is_refused(body: bytes) -> None:
    with pytest.raises(Refused, match="multipart"):
        trio.run(read_all, body, 10)


def test_a_request_without_files() -> None:
    for content_type in ("", "application/json", "multipart/form-data"):
        with pytest.raises(Refused, match="file argument 'path' is required"):
            trio.run(read_all, b"", 10, content_type)


def test_what_is_too_large_is_refused() -> None:
    with pytest.raises(Refused, match="x is over 10000 bytes"):
        trio.run(read_all, files(("a", "x/y", bytes(10_001))), 1_000)
    with pytest.raises(Refused):
        trio.run(read_all, b"--" + BOUNDARY.encode() + b"\r\nContent-Disposition: " + bytes(20_000), 1_000)


@given(st.binary(max_size=300), st.integers(1, 50))
@settings(max_examples=60, deadline=None)
def test_any_bytes_are_read_or_refused(body: bytes, size: int) -> None:
    with contextlib.suppress(Refused):
        trio.run(read_all, b"--" + BOUNDARY.encode() + b"\r\n" + body, size)
