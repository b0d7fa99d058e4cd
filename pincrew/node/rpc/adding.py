"""`add`: files and folders out of a multipart body into the node."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

from pincrew.cid import cid_text
from pincrew.limits import ADD_LINES_BYTES_MAX, RPC_SYMLINK_BYTES_MAX
from pincrew.multipart import FOLDER, SYMLINK
from pincrew.node import importing
from pincrew.node.answering import printable
from pincrew.node.chunking import CHUNK_BYTES
from pincrew.node.importing import Added, AddOptions, Entry, FileEntry, FolderEntry, Progress, SymlinkEntry
from pincrew.node.layout import Block
from pincrew.node.rpc.arguments import Form, Refused
from pincrew.node.rpc.call import Call, Command
from pincrew.node.rpc.multipart_body import MultipartBody

_CHUNKER = re.compile(r"size-(\d{1,9})")
_UNSUPPORTED = (
    "trickle", "nocopy", "fscache", "inline", "preserve-mode", "preserve-mtime", "mode", "mtime", "to-files",
    "max-file-links", "max-directory-links", "max-hamt-fanout",
)  # fmt: skip


async def add(call: Call) -> None:
    """`add`: a line for everything that was added, what stands at the top last.

    Lines wait for clients that read nothing before they have sent everything, up to ADD_LINES_BYTES_MAX.
    """
    arguments = call.arguments
    options = _options(call)
    shows_progress = arguments.flag("progress")
    call.answer.waiting_bytes_max = ADD_LINES_BYTES_MAX

    async def report(what: Added | Progress) -> None:
        if isinstance(what, Added):
            name, cid = printable(what.name), cid_text(what.cid)
            await call.answer.line({"Name": name, "Hash": cid, "Size": str(what.size)})
        elif shows_progress:
            await call.answer.line({"Name": printable(what.name), "Bytes": what.bytes_read})

    entries = _Entries(call.files())
    if arguments.flag("only-hash"):
        await importing.add(entries, options, _forget, report)
    else:
        pin, name = arguments.flag("pin", default=True), arguments.text("pin-name")
        await call.node.add(entries, options, report, pin=pin, name=name)


def _options(call: Call) -> AddOptions:
    arguments = call.arguments
    version = arguments.number("cid-version", 0)
    if version not in (0, 1):
        raise Refused(f"unknown CID version: {version}")
    if arguments.text("hash", "sha2-256") != "sha2-256":
        raise Refused("this node adds with sha2-256 only")
    chunk_bytes = CHUNK_BYTES
    if (chunker := arguments.text("chunker")) not in ("", "default"):
        found = _CHUNKER.fullmatch(chunker)
        if found is None:
            raise Refused(f"unrecognized chunker option: {chunker}")
        chunk_bytes = int(found[1])
    raw_leaves = arguments.flag("raw-leaves") if arguments.text("raw-leaves") else None
    return AddOptions(version, raw_leaves, chunk_bytes, wrap=arguments.flag("wrap-with-directory"))


async def _forget(_: list[Block]) -> None:
    """Take blocks of which only the hashes are wanted."""


class _Entries(AsyncIterator[Entry]):
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
        return FileEntry(part.path, _Pieces(self._files))


class _Pieces(AsyncIterator[bytes]):
    def __init__(self, files: MultipartBody) -> None:
        self._files = files

    async def __anext__(self) -> bytes:
        piece = await self._files.read()
        if piece is None:
            raise StopAsyncIteration
        return piece


COMMANDS = {
    "add": Command(
        Form(
            takes_files=True,
            short={"r": "recursive", "w": "wrap-with-directory", "n": "only-hash", "s": "chunker", "p": "progress"},
            unsupported=_UNSUPPORTED,
        ),
        add,
    )
}
