"""A small disk for one machine: a file system in a mount namespace, which can be filled up and made read-only."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pincrew.api.client import Client
from pincrew.paths import Home
from support.machines import Machine, until

NO_MOUNT = "this system lets nobody mount a file system of his own"
MEBIBYTE = 1024 * 1024


class SmallDisk:
    """The disk at ``folder``, for those who run ``within``; everybody else sees it ``outside``."""

    def __init__(self, folder: Path, holder: int) -> None:
        self.folder = folder
        self.within = ("nsenter", "-t", str(holder), "-U", "-m", "--preserve-credentials")
        self.outside = Path(f"/proc/{holder}/root{folder}")

    def give(self, machine: Machine) -> None:
        """Have a machine that was never used keep its home here."""
        inside = Home(self.folder / "home")
        machine.within = self.within
        machine.environment["PINCREW_HOME"] = str(inside.root)
        machine.home = Home(self._seen(inside.root))
        machine.client = Client(self._seen(inside.daemon_socket(machine.environment)))

    def _seen(self, path: Path) -> Path:
        """Where a path is for those outside; it is the same where it is on no disk of this kind."""
        return self.outside / path.relative_to(self.folder) if path.is_relative_to(self.folder) else path

    def fill(self, spare_bytes: int) -> None:
        """Leave only so much room."""
        room = os.statvfs(self.outside)
        # Others write at the same time: then it is full before all of this is there, which is as good.
        with contextlib.suppress(OSError):
            (self.outside / "ballast").write_bytes(bytes(room.f_bavail * room.f_frsize - spare_bytes))

    def make_room(self) -> None:
        """Take away what fills it."""
        (self.outside / "ballast").unlink()

    def set_writable(self, is_writable: bool) -> None:
        """Mount it anew so that it can or cannot be written; nobody may have a file open for writing."""
        how = "remount,rw" if is_writable else "remount,ro"
        words = [*self.within, "mount", "-o", how, str(self.folder)]
        # A process that is gone has its files open for a moment longer, while its threads end.
        until(lambda: subprocess.run(words, capture_output=True, timeout=30, check=False).returncode == 0, how)


@contextlib.contextmanager
def small_disk(folder: Path, size_bytes: int) -> Iterator[SmallDisk]:
    """A disk for as long as the block; skips the test where the system lets nobody have one."""
    folder.mkdir()
    script = f"mount -t tmpfs -o size={size_bytes},mode=0700 none '{folder}' && echo mounted && exec sleep 3600"
    try:
        holder = subprocess.Popen(["unshare", "-Urm", "sh", "-c", script], stdout=subprocess.PIPE, text=True)
    except FileNotFoundError:
        pytest.skip(NO_MOUNT)
    try:
        assert holder.stdout is not None
        if holder.stdout.readline() != "mounted\n":
            pytest.skip(NO_MOUNT)
        yield SmallDisk(folder, holder.pid)
    finally:
        holder.kill()
        holder.wait()
        assert holder.stdout is not None
        holder.stdout.close()
