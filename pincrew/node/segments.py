"""Paths of files, taken apart: what lies between the slashes, as the bytes that links are named with.

Text that is not Unicode survives the way to bytes and back (surrogates); `.` and `..` are resolved by their words
alone, as Kubo does before it looks at any block.
"""

from __future__ import annotations

from pincrew.errors import Misuse


def segments_of(path: str) -> tuple[bytes, ...]:
    """Return the names in ``path``, from the top. Raises Misuse when `..` leads out of it."""
    segments: list[bytes] = []
    for part in path.split("/"):
        if part == "..":
            if not segments:
                raise Misuse(f"The path {path!r} leads out of what it starts in")
            segments.pop()
        elif part not in ("", "."):
            segments.append(name_bytes(part))
    return tuple(segments)


def name_bytes(name: str) -> bytes:
    """Return a name as it stands in a link."""
    try:
        return name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise Misuse(f"{name!r} is not a name: it holds half a character") from error


def name_text(name: bytes) -> str:
    """Return a link's name as text that `name_bytes` turns back into the same bytes."""
    return name.decode("utf-8", "surrogateescape")
