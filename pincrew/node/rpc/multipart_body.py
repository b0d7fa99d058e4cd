"""The files in a request's body (multipart/form-data), one after another, as they arrive; none is ever whole in memory.

Kubo's conventions: a part's file name is its path, percent-encoded; folders have the content type
`application/x-directory`, symbolic links `application/symlink` and their target as content.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import multipart

from pincrew.limits import RPC_PART_HEADER_BYTES_MAX
from pincrew.node.rpc.arguments import Refused

_BOUNDARY = re.compile(r';\s*boundary=(?:"([^"]{1,200})"|([^\s;"]{1,200}))', re.I)
_FILE_NAME = re.compile(r';\s*filename=(?:"([^"]*)"|([^\s;"]*))', re.I)
_END = object()


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the body, whose content `MultipartBody.read` gives. ``path`` may be empty."""

    path: str
    content_type: str


class MultipartBody:
    """Reads one body: `next_part`, then `read` until it gives None, and again."""

    def __init__(self, chunks: AsyncIterator[bytes], content_type: str) -> None:
        """Raises Refused where the request carries no files."""
        found = _BOUNDARY.search(content_type)
        if not content_type.lower().startswith("multipart/") or found is None:
            raise Refused("file argument 'path' is required", 400)
        self._chunks = chunks
        self._parser = multipart.PushMultipartParser(
            found[1] or found[2], max_header_size=RPC_PART_HEADER_BYTES_MAX, header_charset="utf8"
        )
        self._events: Iterator[Any] = iter(())
        self._is_in_part = False

    async def next_part(self) -> Part | None:
        """Return the next part, None behind the last one; what was not read of the one before is skipped."""
        while (event := await self._next()) is not _END:
            if isinstance(event, multipart.MultipartSegment):
                self._is_in_part = True
                return _part(event)
        return None

    async def read(self) -> bytes | None:
        """Return more of the part's content, None at its end."""
        if not self._is_in_part:
            return None
        event = await self._next()
        if isinstance(event, bytes):
            return event
        self._is_in_part = False
        return None

    async def whole(self, bytes_max: int, what: str) -> bytes:
        """Return all of the part's content. Raises Refused where it is larger; ``what`` says what it is."""
        content = bytearray()
        while (piece := await self.read()) is not None:
            content += piece
            if len(content) > bytes_max:
                raise Refused(f"{what} is over {bytes_max} bytes")
        return bytes(content)

    async def _next(self) -> Any:
        """Return what the parser finds next: a part, bytes of it, its end (None), or the end of the body."""
        try:
            while True:
                for event in self._events:
                    return event
                chunk = await anext(self._chunks, None)
                if chunk is None:
                    if not self._parser.closed:
                        self._parser.close()
                    return _END
                if chunk:
                    self._events = self._parser.parse(chunk)
        except multipart.MultipartError as error:
            raise Refused(f"multipart: {error}") from error


def _part(segment: Any) -> Part:
    # Read from the header itself: the parser would undo a browser's way of quoting first, and Kubo's clients have none.
    found = _FILE_NAME.search(segment.header("Content-Disposition") or "")
    name = (found[1] or found[2] or "") if found else ""
    path = urllib.parse.unquote_to_bytes(name.replace("+", " ")).decode("utf-8", "surrogateescape")
    return Part(path, segment.content_type or "")
