"""The terminal view: what it costs to leave it open, and how fast a list of a million pins is under the fingers.

The process is the real `pincrew tui` at a pseudo-terminal of 120x40, against a real daemon with a list of pins; the
table alone is tried on a million rows in this process, headless.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

from pincrew.tui.line_table import Column
from pincrew.tui.paged_table import Page, PagedTable
from textual.app import App, ComposeResult

from tests.bench.machine import Machine, machines
from tests.bench.pinset import pins

Note = Callable[[str, float, str, str, bool, str], None]
_NAME = "bench"
_PINS_MAX = 20_000
_SETTLE_S, _IDLE_S, _BUSY_S = 10.0, 15.0, 15.0
_SIZE = (40, 120)
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_JUMPS = 20
_STARTS = 7


def measure(folder: Path, wanted: int, note: Note) -> None:
    """Run it."""
    _imports(note)
    asyncio.run(_table(wanted, note))
    curator = Machine(folder / "curator")
    with machines(curator):
        curator.create(_NAME)
        count = min(wanted, _PINS_MAX)
        curator.client.write_pins(_NAME, pins(0, count))
        _process(curator, count, note)


def _imports(note: Note) -> None:
    """Whether the view is free of what the daemon is made of."""
    code = "import sys, pincrew.tui.app; print(*{'libp2p', 'pycrdt', 'trio'} & set(sys.modules))"
    reader, writer = os.pipe()
    process = os.posix_spawn(
        sys.executable, [sys.executable, "-c", code], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, writer, 1)]
    )
    os.close(writer)
    with os.fdopen(reader) as output:
        found = output.read().split()
    os.waitpid(process, 0)
    note("imports of libp2p, pycrdt, trio", len(found), "", "0", not found, "import pincrew.tui.app")


class Terminal:
    """`pincrew tui` at a pseudo-terminal whose bytes are counted."""

    def __init__(self, machine: Machine) -> None:
        self.begun = time.monotonic()
        self.shown = b""
        self.pid, self._screen = pty.fork()
        if self.pid == 0:
            environment = machine.environment | {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
            program = str(Path(sys.executable).with_name("pincrew"))  # as users start it, without runpy
            os.execve(program, [program, "tui"], environment)
        fcntl.ioctl(self._screen, termios.TIOCSWINSZ, struct.pack("HHHH", *_SIZE, 0, 0))

    def until(self, text: str) -> float:
        """Read until something is shown; return the seconds since the start."""
        while text.encode() not in self.shown:
            self.read(10.0)
        return time.monotonic() - self.begun

    def read(self, patience_s: float) -> int:
        """Read what is there; return how much that was."""
        if not select.select([self._screen], [], [], patience_s)[0]:
            return 0
        data = os.read(self._screen, 1 << 16)
        self.shown = self.shown[-100_000:] + data
        return len(data)

    def count_for(self, seconds: float) -> tuple[int, float]:
        """Read for a while; return how many bytes came, and which share of a core the view took."""
        begun, count, cpu = time.monotonic(), 0, self.cpu_s()
        while (left := seconds - (time.monotonic() - begun)) > 0:
            count += self.read(left)
        return count, (self.cpu_s() - cpu) / (time.monotonic() - begun)

    def cpu_s(self) -> float:
        """How long the view has had a processor."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S

    def rss_mib(self) -> float:
        """What it holds in memory."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self._screen, keys.encode())

    def end(self) -> None:
        """Close it."""
        os.kill(self.pid, signal.SIGTERM)
        os.waitpid(self.pid, 0)
        os.close(self._screen)


def _first_frame(machine: Machine) -> tuple[float, float]:
    """Return the seconds until it stands, and those of a processor that it took."""
    terminal = Terminal(machine)
    try:
        return terminal.until("pincrew"), terminal.cpu_s()
    finally:
        terminal.end()


def _process(machine: Machine, count: int, note: Note) -> None:
    condition = f"120x40, {count:,} pins"
    starts = sorted(_first_frame(machine) for _ in range(_STARTS))
    frame, cpu = starts[_STARTS // 2]
    how = f"{condition}, from exec, median of {_STARTS}; {cpu:.2f} s of a processor"
    note("first frame", frame, "s", "< 0.4 s", frame < 0.4, how)
    terminal = Terminal(machine)
    try:
        page = terminal.until("queued")
        cpu = terminal.cpu_s()
        note("first figures and rows", page, "s", "< 0.9 s", page < 0.9, f"{condition}; {cpu:.2f} s of a processor")
        terminal.count_for(_SETTLE_S)
        size, share = terminal.count_for(_IDLE_S)
        note("idle processor", 100 * share, "% of a core", "< 2 %", share < 0.02, condition)
        note("idle bytes a tick", size / _IDLE_S / 1024, "KiB", "< 5 KiB", size / _IDLE_S < 5_120, condition)
        terminal.press("s")
        terminal.count_for(1.0)
        size, share = _busy(machine, terminal, count)
        note("bytes a tick, one pin a second", size / 1024, "KiB", "< 5 KiB", size < 5_120, f"{condition}, by name")
        note("processor, one pin a second", 100 * share, "% of a core", "< 5 %", share < 0.05, condition)
        terminal.press("G")
        terminal.count_for(1.0)
        memory = terminal.rss_mib()
        note("memory", memory, "MiB", "<= 60 MiB", memory <= 60, condition)
    finally:
        terminal.end()


def _busy(machine: Machine, terminal: Terminal, count: int) -> tuple[float, float]:
    """Return the bytes a second and the share of a core while a pin is added each second."""
    total, begun, cpu = 0, time.monotonic(), terminal.cpu_s()
    for number in range(int(_BUSY_S)):
        machine.client.write_pins(_NAME, pins(count + number, 1))
        total += terminal.count_for(1.0)[0]
    seconds = time.monotonic() - begun
    return total / seconds, (terminal.cpu_s() - cpu) / seconds


class _TableApp(App[None]):
    """A list that answers at once."""

    def __init__(self, total: int) -> None:
        super().__init__()
        self.total = total

    def compose(self) -> ComposeResult:
        columns = (Column("state", "State", 10), Column("name", "Name", 0), Column("size", "Size", 9, is_right=True))
        yield PagedTable(columns, self._page, lambda row: row, lambda row: row[1], lambda column, row: "")

    async def _page(self, offset: int, limit: int) -> Page[tuple[str, str, str]]:
        rows = [("✓ pinned", f"a/name/{n:09}.bin", "1 MB") for n in range(offset, min(self.total, offset + limit))]
        return Page(rows, self.total)


async def _table(total: int, note: Note) -> None:
    app = _TableApp(total)
    condition = f"{total:,} rows, headless, through the pilot"
    async with app.run_test(size=(120, 40)) as pilot:
        table = app.query_one(PagedTable)
        tracemalloc.start()
        begun = time.monotonic()
        table.wake()
        table.reload()
        while not table.is_counted:
            await pilot.pause(0.001)
        first = time.monotonic() - begun
        note("table: first page", first, "s", "< 0.5 s", first < 0.5, condition)
        slowest = 0.0
        for number in range(_JUMPS):
            begun = time.monotonic()
            table.cursor = number * (total // _JUMPS)
            while table.current is None:  # noqa: ASYNC110 (an event would need a hook in what is measured)
                await asyncio.sleep(0)
            table.render_line(1)
            slowest = max(slowest, time.monotonic() - begun)
            await pilot.pause()
        held = tracemalloc.get_traced_memory()[0] / 1024**2
        tracemalloc.stop()
        note("table: slowest jump", 1000 * slowest, "ms", "< 100 ms", slowest < 0.1, condition)
        note("table: memory after 20 jumps", held, "MiB", "< 10 MiB", held < 10, condition)
