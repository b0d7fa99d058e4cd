"""Blobs that were fetched of a base and wait for the rest: one file to which they are appended, found again after a
crash.

    staged = (length, 4 bytes; blob)*

Nothing here is acknowledged to anybody, so nothing is synced. A blob is known by its hash alone: whatever a crash left,
or a disk spoilt, is nobody's and is fetched again.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO, Protocol

from pincrew.base_form import blob_hash
from pincrew.errors import StoreFault
from pincrew.files import private_folder
from pincrew.limits import BASE_BLOB_BYTES_MAX

_LENGTH_BYTES = 4


class Staged(Protocol):
    """Where fetched blobs wait, by hash; a dict is one."""

    def __contains__(self, name: bytes, /) -> bool: ...
    def __getitem__(self, name: bytes, /) -> bytes: ...
    def __setitem__(self, name: bytes, blob: bytes, /) -> None: ...
    def clear(self) -> None: ...


class StagedFile:
    """Implements ``Staged`` on disk. Reading and writing raise StoreFault."""

    def __init__(self, path: Path) -> None:
        """Open ``path``, which need not be there. Blocks while it reads all of it."""
        self._path = path
        self._places: dict[bytes, tuple[int, int]] = {}
        self._end = 0
        try:
            if path.exists():
                with path.open("rb") as file:
                    self._find(file)
        except OSError as error:
            raise StoreFault("A part of a base cannot be read", where=str(path)) from error

    def _find(self, file: BinaryIO) -> None:
        while len(head := file.read(_LENGTH_BYTES)) == _LENGTH_BYTES:
            length = int.from_bytes(head)
            blob = file.read(length) if length <= BASE_BLOB_BYTES_MAX else b""
            if len(blob) < length or not length:
                break
            self._places[blob_hash(blob)] = self._end + _LENGTH_BYTES, length
            self._end += _LENGTH_BYTES + length

    def __contains__(self, name: bytes) -> bool:
        return name in self._places

    def __getitem__(self, name: bytes) -> bytes:
        place, length = self._places[name]
        try:
            with self._path.open("rb", buffering=0) as file:
                blob = os.pread(file.fileno(), length, place)
        except OSError as error:
            raise StoreFault("A part of a base cannot be read", where=str(self._path)) from error
        if blob_hash(blob) != name:  # damaged on the disk: it is not here
            del self._places[name]
            raise KeyError(name)
        return blob

    def __setitem__(self, name: bytes, blob: bytes) -> None:
        try:
            if not self._places:
                private_folder(self._path.parent)
            record = len(blob).to_bytes(_LENGTH_BYTES) + blob
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                written = os.pwrite(file, record, self._end)
            finally:
                os.close(file)
            if written < len(record):
                raise OSError(None, "the disk took only a part of it")
        except OSError as error:
            raise StoreFault(
                f"A part of a base cannot be kept: {error.strerror}",
                where=str(self._path),
                means="Nothing that is here already is lost",
                next_step="Free some space on that volume; work goes on by itself",
            ) from error
        self._places[name] = self._end + _LENGTH_BYTES, len(blob)
        self._end += len(record)

    def clear(self) -> None:
        """Drop all of them."""
        self._places.clear()
        self._end = 0
        self._path.unlink(missing_ok=True)
