"""Files of a request's body as entries."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import trio

from pincrew.limits import RPC_SYMLINK_BYTES_MAX
from pincrew.node.importing import FileEntry, FolderEntry, SymlinkEntry
from pincrew.node.rpc.arguments import Refused
from pincrew.node.rpc.entries import Entries
from pincrew.node.rpc.multipart_body import MultipartBody
from support.http_door import MULTIPART, files

BYTES, FOLDER, LINK = "application/octet-stream", "application/x-directory", "application/symlink"


async def read(*parts: tuple[str, str, bytes], skip: bool = False) -> list[object]:
    """Read all, or of files nothing."""

    async def body() -> AsyncIterator[bytes]:
        whole = files(*parts)
        for at in range(0, len(whole), 11):
            yield whole[at : at + 11]

    found: list[object] = []
    async for entry in Entries(MultipartBody(body(), MULTIPART["Content-Type"])):
        if isinstance(entry, FileEntry):
            found.append((entry.path, None if skip else b"".join([piece async for piece in entry.pieces])))
        else:
            found.append(entry)
    return found


def test_files_folders_and_links() -> None:
    parts = [("d", FOLDER, b""), ("d%2Fa", BYTES, b"x" * 100), ("d%2Fl", LINK, b"a"), ("e", BYTES, b"")]
    expected = [FolderEntry("d"), ("d/a", b"x" * 100), SymlinkEntry("d/l", "a"), ("e", b"")]
    assert trio.run(lambda: read(*parts)) == expected
    assert trio.run(lambda: read(*parts, skip=True))[1] == ("d/a", None), "what is not read is skipped"


def test_nothing_and_a_link_to_the_end_of_the_world_are_refused() -> None:
    with pytest.raises(Refused, match="expected a file"):
        trio.run(read)
    with pytest.raises(Refused, match="symbolic link"):
        trio.run(read, ("l", LINK, b"x" * (RPC_SYMLINK_BYTES_MAX + 1)))
