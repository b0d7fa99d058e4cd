"""Commands that read files and folders."""

from __future__ import annotations

from typing import Any

import msgspec

from pincrew.cid import cid_text
from pincrew.node.answering import printable
from pincrew.node.reading import Listed, cat, ls, status
from pincrew.node.rpc.arguments import Form, Refused
from pincrew.node.rpc.call import Call, Command
from pincrew.node.unixfs import Kind

_TYPES = {Kind.DIRECTORY: 1, Kind.HAMT_SHARD: 1, Kind.FILE: 2, Kind.RAW: 2, Kind.SYMLINK: 4}
_encode = msgspec.json.Encoder().encode
_NO_TIME = "0001-01-01T00:00:00Z"


async def concatenate(call: Call) -> None:
    """`cat`: one file after another, or a range of them together."""
    offset, length = call.arguments.number("offset", 0), call.arguments.number("length", -1)
    if offset < 0:
        raise Refused("cannot specify negative offset")
    left = None if length < 0 else length
    ranges: list[tuple[bytes, int, int]] = []
    links: dict[bytes, bytes] = {}
    for path in call.arguments.paths:
        cid = await call.resolve(path)
        size = await _content_bytes(call, cid, links)
        begin = min(offset, size)
        offset -= begin
        taken = size - begin if left is None else min(size - begin, left)
        left = None if left is None else left - taken
        ranges.append((cid, begin, taken))
    call.answer.begin_bytes(
        {
            "Content-Type": "text/plain",
            "X-Stream-Output": "1",
            "X-Content-Length": str(sum(taken for _, _, taken in ranges)),
        }
    )
    for cid, begin, taken in ranges:
        if cid in links:
            await call.answer.write(links[cid][begin : begin + taken])
        elif taken:
            async with cat(call.get, cid, begin, taken) as pieces:
                async for piece in pieces:
                    await call.answer.write(piece)


async def _content_bytes(call: Call, cid: bytes, links: dict[bytes, bytes]) -> int:
    """Return the size of a file; a symbolic link counts as a file that holds its target, and is put into ``links``."""
    seen = await status(call.get, cid)
    if seen.kind in (Kind.DIRECTORY, Kind.HAMT_SHARD):
        raise Refused("this dag node is a directory")
    if seen.kind is None:
        raise Refused(f"{cid_text(cid)} is not a file")
    if seen.kind is Kind.SYMLINK:
        links[cid] = seen.target.encode("utf-8", "surrogateescape")
    return seen.content_bytes


async def list_folders(call: Call) -> None:
    """`ls`: the entries of each folder, all in one object or, with `stream`, as they are read."""
    arguments = call.arguments
    types = arguments.flag("resolve-type", default=True) or arguments.flag("size", default=True)
    roots = [(path, await call.resolve(path)) for path in arguments.paths]
    for _, cid in roots:
        await call.get(cid)
    if arguments.flag("stream"):
        call.answer.begin_lines()
        for path, cid in roots:
            async with ls(call.get, cid, types=types) as batches:
                async for batch in batches:
                    await call.answer.lines(
                        [{"Objects": [{"Hash": path.text, "Links": [_entry(each)]}]} for each in batch]
                    )
        return
    # Written piece by piece, as a folder may have a million entries; begun late: what fails at once has its own status.
    pending = b'{"Objects":['
    for index, (path, cid) in enumerate(roots):
        pending += b"," * (index > 0) + b'{"Hash":' + _encode(path.text) + b',"Links":['
        separator = b""
        async with ls(call.get, cid, types=types) as batches:
            async for batch in batches:
                if entries := [_encode(_entry(each)) for each in batch]:
                    call.answer.begin_object()
                    await call.answer.write(pending + separator + b",".join(entries))
                    pending, separator = b"", b","
        pending += b"]}"
    call.answer.begin_object()
    await call.answer.write(pending + b"]}\n")


def _entry(listed: Listed) -> dict[str, Any]:
    seen = listed.status
    kind = None if seen is None else seen.kind
    return {
        "Name": printable(listed.name),
        "Hash": cid_text(listed.cid),
        "Size": 0 if seen is None else seen.content_bytes,
        "Type": _TYPES.get(kind, 0) if kind is not None else 0,
        "Target": "" if seen is None else printable(seen.target),
        "Mode": 0,
        "ModTime": _NO_TIME,
    }


COMMANDS = {
    "cat": Command(Form(arguments=("ipfs-path...",), short={"o": "offset", "l": "length"}), concatenate),
    "ls": Command(Form(arguments=("ipfs-path...",), short={"v": "headers", "s": "stream"}), list_folders),
}
