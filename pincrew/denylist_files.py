"""The denylists on disk: read when they are there, and read again whenever they change.

A line that is no rule is named with its number, and the last list without one stays in force; where there was none
since the start, the lines that are rules are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import trio

from pincrew.denylist import Denylist, parse
from pincrew.errors import PincrewError, StoreFault
from pincrew.files import told
from pincrew.limits import DENYLIST_BYTES_MAX, DENYLIST_LINE_BYTES_MAX, DENYLIST_LOOK_INTERVAL_S


@dataclass(slots=True)
class _File:
    path: Path
    seen: tuple[int, int, int] | None = None  # time, size and number of what was read last; None: there was none
    list: Denylist | None = None  # in force
    trouble: str | None = None


@dataclass
class DenylistFiles:
    """Several files, the later ones deciding over the earlier.

    ``on_change`` hears of the lists in force, and of what is wrong with the files (None: nothing).
    """

    paths: Sequence[Path]
    on_change: Callable[[Sequence[Denylist], str | None], None]
    _files: list[_File] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._files = [_File(path) for path in self.paths]

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Look until cancelled. Started means: what is there was read."""
        await self.look()
        task_status.started()
        while True:
            await trio.sleep(DENYLIST_LOOK_INTERVAL_S)
            await self.look()

    async def look(self) -> None:
        """Read what changed."""
        changed = [await trio.to_thread.run_sync(_look, file) for file in self._files]
        if any(changed):
            lists = [file.list for file in self._files if file.list is not None]
            self.on_change(lists, "; ".join(file.trouble for file in self._files if file.trouble) or None)


def _look(file: _File) -> bool:
    """Read a file again if it is not what it was; say whether it was read. Blocks."""
    try:
        stat = file.path.stat()
    except FileNotFoundError:
        was_there, file.seen, file.list, file.trouble = file.seen is not None, None, None, None
        return was_there
    except OSError as error:
        was_told, file.trouble = file.trouble, f"{file.path} cannot be read: {error.strerror}"
        return file.trouble != was_told
    seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
    if seen == file.seen:
        return False
    file.seen = seen
    try:
        found = _read(file.path, stat.st_size)
    except PincrewError as error:
        file.trouble = f"{file.path}: {error.what}"
        return True
    file.trouble = None
    if found.bad:
        bad = found.bad[0]
        more = f", and {found.bad_count - 1:,} more lines" if found.bad_count > 1 else ""
        stays = "its other lines count" if file.list is None else "the list before stays in force"
        file.trouble = f"{file.path}, line {bad.line}: {bad.reason}{more}; {stays}"
        if file.list is not None:
            return True
    file.list = found
    return True


def _read(path: Path, size: int) -> Denylist:
    if size > DENYLIST_BYTES_MAX:
        raise StoreFault(f"The denylist is larger than {DENYLIST_BYTES_MAX // 1024**2} MiB", where=str(path))
    with told(path, "read"), path.open("rb") as file:
        return parse(_lines(file))


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    """Yield lines; of one that is too long, only so much that it is seen to be."""
    while line := file.readline(DENYLIST_LINE_BYTES_MAX + 1):
        rest = line
        while not rest.endswith(b"\n") and (rest := file.readline(DENYLIST_LINE_BYTES_MAX)):
            pass
        yield line
