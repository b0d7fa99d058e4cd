"""Files and folders as the body of a multipart request, in Kubo's conventions, read while it is sent. Blocks."""

from __future__ import annotations

import errno
import os
import select
import urllib.parse
from collections.abc import Iterable, Iterator
from pathlib import Path

_CHUNK_BYTES = 256 * 1024
FILE, FOLDER, SYMLINK = "application/octet-stream", "application/x-directory", "application/symlink"
# Path, content type, content.
Part = tuple[str, str, Iterable[bytes]]


def multipart(parts: Iterable[Part], boundary: str) -> Iterator[bytes]:
    """Write parts as the RPC's `add` reads them."""
    for path, kind, content in parts:
        yield part_head(path, kind, boundary)
        yield from content
        yield b"\r\n"
    yield end_of(boundary)


def part_head(path: str, kind: str, boundary: str, *, source: str = "") -> bytes:
    """Return what stands before a part's content. ``source``: the address where whoever adds it can read it again."""
    quoted = urllib.parse.quote(os.fsencode(path), safe="")
    at = f"Abspath-Encoded: {urllib.parse.quote(source, safe='')}\r\n" if source else ""
    return (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{quoted}"\r\n'
        f"{at}Content-Type: {kind}\r\n\r\n"
    ).encode()


def end_of(boundary: str) -> bytes:
    """Return what stands behind the last part."""
    return f"--{boundary}--\r\n".encode()


def files_of(path: Path, name: str, *, hidden: bool = True) -> Iterator[Part]:
    """Yield a file, or a folder and what it holds in the order of names. Links inside a folder stay links.

    ``hidden``: also what is inside a folder under a name that begins with a dot. Raises OSError.
    """
    if not path.is_dir():
        yield name, FILE, _read(path)
        return
    yield name, FOLDER, ()
    for entry in sorted(path.iterdir()):
        inside = f"{name}/{entry.name}"
        if entry.name.startswith(".") and not hidden:
            continue
        if entry.is_symlink():
            yield inside, SYMLINK, (os.fsencode(entry.readlink()),)
        elif entry.is_dir() or entry.is_file():
            yield from files_of(entry, inside, hidden=hidden)
        else:
            raise OSError(f"{entry} is neither a file nor a folder")


def size_of(path: Path, *, hidden: bool = True) -> int:
    """Return how many bytes of files `files_of` will read."""
    if not path.is_dir():
        return path.stat().st_size
    total = 0
    for entry in path.iterdir():
        if not entry.is_symlink() and (hidden or not entry.name.startswith(".")):
            total += size_of(entry, hidden=hidden)
    return total


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb", buffering=0) as file:
        yield from chunks_of(file.fileno())


def chunks_of(descriptor: int, silence_s: float | None = None) -> Iterator[bytes]:
    """Yield what an open file holds, in pieces; of a pipe what has come so far. Raises TimeoutError after a silence.

    Not through Python's buffers: those wait until a piece is full, and a process whose thread waits inside that of
    standard input cannot end properly.
    """
    while True:
        if silence_s is not None and not select.select([descriptor], (), (), silence_s)[0]:
            raise TimeoutError(errno.ETIMEDOUT, "nothing came for too long")
        if not (chunk := os.read(descriptor, _CHUNK_BYTES)):
            return
        yield chunk
