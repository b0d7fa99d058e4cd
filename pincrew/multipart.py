"""Files and folders as the body of a multipart request, read while it is sent."""

from __future__ import annotations

import urllib.parse
from collections.abc import AsyncIterator
from pathlib import Path

import trio

_CHUNK_BYTES = 256 * 1024
Part = tuple[str, AsyncIterator[bytes] | None]


async def multipart(parts: AsyncIterator[Part], boundary: str) -> AsyncIterator[bytes]:
    """Write parts (path, content; no content = a folder) as Kubo's `add` reads them."""
    async for path, content in parts:
        kind = "application/octet-stream" if content is not None else "application/x-directory"
        quoted = urllib.parse.quote(path, safe="")
        yield (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{quoted}"\r\n'
            f"Content-Type: {kind}\r\n\r\n"
        ).encode()
        if content is not None:
            async for chunk in content:
                yield chunk
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()


async def one_part(name: str, content: AsyncIterator[bytes]) -> AsyncIterator[Part]:
    """Yield a single part."""
    yield name, content


async def files_of(path: Path, name: str) -> AsyncIterator[Part]:
    """Yield a file, or a folder and what it holds, in the order of names; links are followed only to files."""
    if not await trio.Path(path).is_dir():
        yield name, _read(path)
        return
    yield name, None
    for entry in sorted(await trio.to_thread.run_sync(lambda: list(path.iterdir()))):
        if entry.is_dir() and entry.is_symlink():
            continue
        async for part in files_of(entry, f"{name}/{entry.name}"):
            yield part


async def _read(path: Path) -> AsyncIterator[bytes]:
    async with await trio.open_file(path, "rb") as file:
        while chunk := await file.read(_CHUNK_BYTES):
            yield chunk
