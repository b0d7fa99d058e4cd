"""What a file is, for a browser: by its name, else by its first bytes. Never by what this machine's own tables say."""

from __future__ import annotations

import mimetypes

_BY_NAME = mimetypes.MimeTypes(filenames=())
_MORE = {
    ".avif": "image/avif",
    ".car": "application/vnd.ipld.car",
    ".flac": "audio/flac",
    ".jsonl": "application/jsonl",
    ".jxl": "image/jxl",
    ".log": "text/plain",
    ".md": "text/markdown",
    ".mkv": "video/x-matroska",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
    ".toml": "application/toml",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".yaml": "application/yaml",
    ".zst": "application/zstd",
}
_STARTS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"\x1f\x8b", "application/gzip"),
    (b"PK\x03\x04", "application/zip"),
    (b"\x28\xb5\x2f\xfd", "application/zstd"),
    (b"\x1a\x45\xdf\xa3", "video/webm"),
    (b"OggS", "application/ogg"),
    (b"fLaC", "audio/flac"),
    (b"ID3", "audio/mpeg"),
)
_HTML_STARTS = (b"<!doctype html", b"<html")
_UNKNOWN = "application/octet-stream"


def media_type(name: str, start: bytes) -> str:
    """Return the type of a file, with its character set where it is text; ``start`` are its first bytes."""
    suffix = "." + name.rpartition(".")[2].lower() if "." in name else ""
    found = _MORE.get(suffix)
    if found is None:
        guess, packed = _BY_NAME.guess_type(f"x{suffix}", strict=False) if suffix else (None, None)
        found = f"application/{packed}" if packed else guess
    return _with_charset(found or _from_bytes(start))


def _from_bytes(start: bytes) -> str:
    for mark, kind in _STARTS:
        if start.startswith(mark):
            return kind
    if start[4:8] == b"ftyp":
        return "video/mp4"
    if start.lstrip().lower().startswith(_HTML_STARTS):
        return "text/html"
    try:
        # The last character may have been cut in the middle.
        text = start.decode("utf-8", "strict") if len(start) < 4 else start[: len(start) - 3].decode("utf-8", "ignore")
    except UnicodeDecodeError:
        return _UNKNOWN
    is_text = not any(character < " " and character not in "\t\n\r\f\x1b" for character in text)
    whole = text.encode() == start[: len(text.encode())]
    return "text/plain" if is_text and whole else _UNKNOWN


def _with_charset(kind: str) -> str:
    # What is written in HTML or XML says itself in which characters, and a header would overrule it.
    is_plain = kind.startswith("text/") and kind not in ("text/html", "text/xml")
    return f"{kind}; charset=utf-8" if is_plain else kind
