"""The files in a request's body as what is added: `importing.add` takes them one after another."""

from __future__ import annotations

from collections.abc import AsyncIterator

from pincrew.limits import RPC_SYMLINK_BYTES_MAX
from pincrew.multipart import FOLDER, SYMLINK
from pincrew.node.importing import Entry, FileEntry, FolderEntry, SymlinkEntry
from pincrew.node.rpc.arguments import Refused
from pincrew.node.rpc.multipart_body import MultipartBody


class Entries(AsyncIterator[Entry]):
    """The parts of a body as what `importing.add` takes. What it did not read of a file is skipped."""

    def __init__(self, files: MultipartBody) -> None:
        self._files = files
        self._has_any = False

    async def __anext__(self) -> Entry:
        part = await self._files.next_part()
        if part is None:
            if not self._has_any:
                raise Refused("expected a file argument")
            raise StopAsyncIteration
        self._has_any = True
        if part.content_type == FOLDER:
            return FolderEntry(part.path)
        if part.content_type == SYMLINK:
            target = await self._files.whole(RPC_SYMLINK_BYTES_MAX, "the target of a symbolic link")
            return SymlinkEntry(part.path, target.decode("utf-8", "surrogateescape"))
        return FileEntry(part.path, Pieces(self._files))


class Pieces(AsyncIterator[bytes]):
    """The content of the part that was reached last."""

    def __init__(self, files: MultipartBody) -> None:
        self._files = files

    async def __anext__(self) -> bytes:
        piece = await self._files.read()
        if piece is None:
            raise StopAsyncIteration
        return piece
