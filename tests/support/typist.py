"""Somebody who types: at a stream, and at a real terminal."""

from __future__ import annotations

import codecs
import fcntl
import io
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

PATIENCE_S = 60.0


class Keyboard(io.StringIO):
    """A stream that passes for a terminal."""

    def isatty(self) -> bool:
        return True


class Terminal:
    """A command at a terminal of its own. Waits for what is shown, never for a time."""

    def __init__(
        self, words: Sequence[str], *, environment: Mapping[str, str], folder: Path, columns: int = 80
    ) -> None:
        self.shown = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._read = 0
        self._screen, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        self.process = subprocess.Popen(
            words,
            env={"TERM": "xterm", **environment},
            cwd=folder,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
            preexec_fn=_take_terminal,  # Ctrl-C comes from it
        )
        os.close(terminal)

    def until(self, text: str, patience_s: float = PATIENCE_S) -> None:
        """Wait until something new with ``text`` is shown."""
        deadline = time.monotonic() + patience_s
        while text not in self.shown[self._read :]:
            if not self._see(deadline):
                raise AssertionError(f"{text!r} was not shown:\n{self.shown}")
        self._read = self.shown.index(text, self._read) + len(text)

    def type(self, line: str) -> None:
        """Type a line."""
        os.write(self._screen, f"{line}\n".encode())

    def press(self, keys: str) -> None:
        """Press keys, without an end of line."""
        os.write(self._screen, keys.encode())

    def interrupt(self) -> None:
        """Type Ctrl-C."""
        os.write(self._screen, b"\x03")

    def end(self, patience_s: float = PATIENCE_S) -> int:
        """Wait until the command ends; return its exit code."""
        deadline = time.monotonic() + patience_s
        try:
            while self._see(deadline):
                pass
            return self.process.wait(max(1.0, deadline - time.monotonic()))
        finally:
            self.process.kill()
            self.process.wait()
            os.close(self._screen)

    def _see(self, deadline: float) -> bool:
        """Read what is shown next; whether there was anything before the command's end and the deadline."""
        ready, _, _ = select.select([self._screen], [], [], max(0.0, deadline - time.monotonic()))
        try:
            new = os.read(self._screen, 65_536) if ready else b""
        except OSError:  # the other side is closed: so Linux tells the end of a terminal
            new = b""
        self.shown += self._decoder.decode(new).replace("\r\n", "\n")
        return bool(new)


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
