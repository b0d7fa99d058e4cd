"""Folders that only their owner can enter, and files that are there whole or not at all.

Every file but SQLite's is written here: to a temporary name in the same folder, synced, then renamed over the old one,
then the folder is synced. A crash at any moment leaves the old file or the new one. Foreign errors become StoreFault.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from pincrew.errors import Conflict, NotFound, StoreFault

_LOG_TAIL_BYTES = 16 * 1024
_NO_HARD_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


def private_folder(path: Path) -> Path:
    """Make ``path`` and what is missing above it, each 0700, and return it. A folder that exists is left as it is."""
    with told(path, "make"):
        missing = []
        folder = path
        while not folder.exists():
            missing.append(folder)
            folder = folder.parent
        for folder in reversed(missing):
            with suppress(FileExistsError):  # another process makes the same folder at this moment
                folder.mkdir(mode=0o700)
        if not path.is_dir():
            raise StoreFault("There is a file where a folder must be", where=str(path), next_step="Move it away")
    return path


def own_folder(path: Path) -> Path:
    """Make or take ``path`` in a place that others can write to; refuse it unless it is ours and 0700."""
    with told(path, "make"):
        with suppress(FileExistsError):
            path.mkdir(mode=0o700)
        found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise StoreFault(
            "Somebody else made the folder for pincrew's sockets",
            where=str(path),
            means="Another user of this machine could listen in",
            next_step="Remove it, or set XDG_RUNTIME_DIR",
        )
    return path


def read_file(path: Path, bytes_max: int) -> bytes:
    """Return what is in a file. Raises NotFound, or StoreFault when it cannot be read or is absurdly large."""
    try:
        with told(path, "read"), path.open("rb") as file:
            data = file.read(bytes_max + 1)
    except StoreFault as fault:
        if isinstance(fault.__cause__, FileNotFoundError):
            raise NotFound("There is no such file", where=str(path)) from fault
        raise
    if len(data) > bytes_max:
        raise StoreFault(f"The file is larger than {bytes_max} bytes", where=str(path), next_step="Restore it")
    return data


def write_file(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Put ``data`` at ``path`` durably, in place of whatever was there."""
    with written_file(path, mode) as file:
        file.write(data)


@contextmanager
def written_file(path: Path, mode: int = 0o600) -> Iterator[IO[bytes]]:
    """Give a file to write to, which is put at ``path`` durably when the block ends well: for what is too large for
    ``write_file``. Otherwise whatever was there stays. Raises StoreFault."""
    with told(path, "write"), _temporary(path, mode) as (temporary, file):
        yield file
        file.flush()
        os.fsync(file.fileno())
        temporary.replace(path)


def create_file(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Put ``data`` at ``path`` durably. Raises Conflict when something is there already: nothing is overwritten."""
    try:
        with told(path, "write"), _temporary(path, mode) as (temporary, file):
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            try:
                os.link(temporary, path)
            except OSError as error:
                if error.errno not in _NO_HARD_LINKS:
                    raise
                if path.exists():
                    raise FileExistsError(errno.EEXIST, "exists", str(path)) from error
                temporary.replace(path)
    except StoreFault as fault:
        if isinstance(fault.__cause__, FileExistsError):
            raise Conflict("There is such a file already", where=str(path), means="It is left as it is") from fault
        raise


def sync_folder(path: Path) -> None:
    """Make durable which names are in a folder."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def last_words(log: Path, length: int) -> str:
    """Return what a pincrew process that ended wrote last into its log, behind ``length`` bytes, without its name."""
    try:
        with log.open("rb") as file:
            file.seek(max(length, log.stat().st_size - _LOG_TAIL_BYTES))
            lines = [line.strip() for line in file.read(_LOG_TAIL_BYTES).decode(errors="replace").splitlines()]
    except OSError:
        lines = []
    told = [line.removeprefix("pincrew: ") for line in lines if line.startswith("pincrew: ")]
    return (told or [line for line in lines if line] or ["It ended without a word"])[-1]


@contextmanager
def _temporary(path: Path, mode: int) -> Iterator[tuple[Path, IO[bytes]]]:
    """Give a new file beside ``path``, and its name; afterwards that name is gone and the folder is synced."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        with os.fdopen(descriptor, "wb") as file:
            yield temporary, file
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


@contextmanager
def told(path: Path, verb: str) -> Iterator[None]:
    """Turn the system's complaint into a sentence."""
    try:
        yield
    except OSError as error:
        next_step = "Free some space and try again" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        raise StoreFault(
            f"Cannot {verb} it: {os.strerror(error.errno or 0)}", where=str(path), next_step=next_step
        ) from error
