"""The config documents that a follower holds: the one in force, and one that waits for its user's consent.

The one in force is `config.toml`, the last good copy: it is used whenever the source is down. Beside it stands when it
was fetched and under which etag; that note is only believed while it is about the very bytes in `config.toml`.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

import tomlkit

from pincrew.config_document import ConfigDocument, parse
from pincrew.errors import NotFound, PeerFault, StoreFault
from pincrew.files import read_file, sync_folder, write_file
from pincrew.limits import CONFIG_DOCUMENT_BYTES_MAX
from pincrew.paths import ClusterPaths

_NOTE_BYTES_MAX = 16 * 1024


@dataclass(frozen=True)
class Note:
    """What is known of the last good copy: when the source last confirmed it, its etag, what the user rejected."""

    confirmed_ms: int = 0
    etag: str = ""
    rejected: str = ""


def document_in_force(paths: ClusterPaths) -> ConfigDocument:
    """Return the last good copy. Raises NotFound or StoreFault."""
    return _read(paths.config)


def pending_document(paths: ClusterPaths) -> ConfigDocument | None:
    """Return the document that waits for consent, if any."""
    try:
        return _read(paths.pending)
    except NotFound:
        return None


def keep_in_force(paths: ClusterPaths, document: ConfigDocument, note: Note) -> None:
    """Put a document in force. Durable when it returns."""
    write_file(paths.config, document.raw)
    keep_note(paths, document, note)


def keep_pending(paths: ClusterPaths, document: ConfigDocument) -> None:
    """Let a document wait for consent, in place of any other that did."""
    write_file(paths.pending, document.raw)


def drop_pending(paths: ClusterPaths) -> None:
    """Forget the document that waits for consent."""
    if paths.pending.exists():
        paths.pending.unlink(missing_ok=True)
        sync_folder(paths.folder)


def read_note(paths: ClusterPaths, document: ConfigDocument) -> Note:
    """Return the note about ``document``, empty where there is none or it is about another or damaged."""
    try:
        table = tomllib.loads(read_file(paths.fetched, _NOTE_BYTES_MAX).decode())
        if table["sha256"] != document.sha256:
            return Note()
        return Note(int(table["confirmed_ms"]), str(table["etag"]), str(table["rejected"]))
    except (NotFound, StoreFault, ValueError, KeyError, TypeError, RecursionError):
        return Note()  # it only saves a transfer


def keep_note(paths: ClusterPaths, document: ConfigDocument, note: Note) -> None:
    """Write down what is known of the document in force."""
    table = {
        "sha256": document.sha256,
        "confirmed_ms": note.confirmed_ms,
        "etag": note.etag,
        "rejected": note.rejected,
    }
    write_file(paths.fetched, tomlkit.dumps(table).encode())


def _read(path: Path) -> ConfigDocument:
    try:
        return parse(read_file(path, CONFIG_DOCUMENT_BYTES_MAX))
    except PeerFault as fault:
        raise StoreFault(
            f"The copy of the config document is damaged: {fault.what}",
            where=str(path),
            next_step="Restore it from a backup, or `pincrew leave` and follow again",
        ) from fault
