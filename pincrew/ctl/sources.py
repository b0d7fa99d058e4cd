"""What `add` reads while it sends: files, folders, and addresses that are downloaded and passed on. Blocks.

Bounded in memory whatever is read. What cannot be read raises Stopped in the middle of sending, which ends the request
without its end: the peer then adds nothing of it to the list.
"""

from __future__ import annotations

import http.client
import os
import urllib.parse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pincrew.ctl.faults import Stopped
from pincrew.limits import CTL_DOWNLOAD_STALL_TIMEOUT_S
from pincrew.multipart import FILE, SYMLINK, Part, end_of, files_of, part_head

_PIECE_BYTES = 256 * 1024


@dataclass(frozen=True)
class Source:
    """One path, or one address. ``name`` is what it is called where it is added."""

    name: str
    path: Path | None = None
    url: str = ""


def source_of(argument: str, *, recursive: bool) -> Source:
    """Look at an argument. Raises Stopped where there is nothing that can be added."""
    if argument.startswith(("http://", "https://")):
        try:
            parts = urllib.parse.urlsplit(argument)
            segments = [segment for segment in parts.path.split("/") if segment]
            name = urllib.parse.unquote(segments[-1]) if segments else parts.hostname
        except ValueError as error:
            raise Stopped("", f"error parsing path: {error}") from error
        return Source(name or "index", url=argument)
    path = Path(os.path.normpath(argument))
    try:
        path.lstat()
        if path.name in ("", ".."):
            path = path.resolve()
        is_folder = path.is_dir() and not path.is_symlink()
    except OSError as error:
        raise Stopped("", f"lstat {argument}: {(error.strerror or str(error)).lower()}") from error
    if is_folder and not recursive:
        raise Stopped("", f"{path} is a directory, but Recursive option is not set")
    return Source(path.name or "root", path)


def body_of(sources: Sequence[Source], boundary: str, *, hidden: bool) -> Iterator[bytes]:
    """Yield the multipart body of all of them, as Kubo's own `add` sends it. Raises Stopped."""
    for source in sources:
        if source.path is None:
            yield part_head(source.name, FILE, boundary, source=source.url)
            yield from _downloaded(source.url)
            yield b"\r\n"
            continue
        try:
            for name, kind, content in _parts(source.path, source.name, hidden=hidden):
                yield part_head(name, kind, boundary)
                yield from content
                yield b"\r\n"
        except OSError as error:
            raise Stopped("", f"{error.filename or source.path}: {error.strerror or error}") from error
    yield end_of(boundary)


def _parts(path: Path, name: str, *, hidden: bool) -> Iterator[Part]:
    """Yield a path's parts. A link stays one, also where it was named itself: so ipfs-cluster-ctl has it."""
    if path.is_symlink():
        yield name, SYMLINK, (os.fsencode(path.readlink()),)
    else:
        yield from files_of(path, name, hidden=hidden)


def _downloaded(url: str) -> Iterator[bytes]:
    import urllib.error
    import urllib.request  # takes as long as half of the others together, and few commands need it

    try:
        with urllib.request.urlopen(url, timeout=CTL_DOWNLOAD_STALL_TIMEOUT_S) as answer:
            missing = int(answer.headers.get("Content-Length") or -1)
            is_length_known = missing >= 0
            while piece := answer.read1(_PIECE_BYTES):
                missing -= len(piece)
                yield piece
    except urllib.error.HTTPError as error:
        raise Stopped("", f"got non-2XX status code {error.code}: {url}") from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise Stopped("", f"{url}: {reason or type(error).__name__}") from error
    if is_length_known and missing > 0:
        raise Stopped("", f"{url}: the download broke off")
