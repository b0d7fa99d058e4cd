"""Blobs that were fetched of a base and wait for the rest: files named by their hash, found again after a crash.

Nothing here is acknowledged to anybody, so nothing is synced: a file that is not what its name says is dropped when
the folder is opened.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, MutableMapping
from pathlib import Path

from pincrew.base_form import blob_hash
from pincrew.errors import StoreFault
from pincrew.files import private_folder


class StagedBlobs(MutableMapping[bytes, bytes]):
    """The blobs in one folder, by hash. Reading and writing raise StoreFault."""

    def __init__(self, folder: Path) -> None:
        """Open ``folder``, which need not be there."""
        self._folder = folder
        self._names: set[bytes] = set()
        for path in folder.glob("*") if folder.is_dir() else ():
            name = bytes.fromhex(path.name) if len(path.name) == 64 else b""
            if name and blob_hash(path.read_bytes()) == name:
                self._names.add(name)
            else:
                path.unlink(missing_ok=True)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __getitem__(self, name: bytes) -> bytes:
        if name not in self._names:
            raise KeyError(name)
        try:
            return self._path(name).read_bytes()
        except OSError as error:
            raise StoreFault("A part of a base cannot be read", where=str(self._folder)) from error

    def __setitem__(self, name: bytes, blob: bytes) -> None:
        try:
            private_folder(self._folder)
            self._path(name).write_bytes(blob)
        except OSError as error:
            self._path(name).unlink(missing_ok=True)
            raise StoreFault(
                f"A part of a base cannot be kept: {error.strerror}",
                where=str(self._folder),
                means="Nothing that is here already is lost",
                next_step="Free some space on that volume; work goes on by itself",
            ) from error
        self._names.add(name)

    def __delitem__(self, name: bytes) -> None:
        self._names.remove(name)
        self._path(name).unlink(missing_ok=True)

    def __iter__(self) -> Iterator[bytes]:
        return iter(set(self._names))

    def __len__(self) -> int:
        return len(self._names)

    def clear(self) -> None:
        """Drop all of them."""
        self._names.clear()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, name: bytes) -> Path:
        return self._folder / name.hex()
