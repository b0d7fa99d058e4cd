"""A real terminal multiplexer whose screen can be read: tmux, on a socket of its own.

It is a terminal that somebody else wrote: what it shows is what a user sees, after all escape codes.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

NO_TMUX = "tmux is not installed"
PATIENCE_S = 60.0
_POLL_S = 0.05


def find_tmux() -> str | None:
    """Return tmux's program, where there is one."""
    return shutil.which("tmux")


class Multiplexer:
    """One session with one window, in which a command runs."""

    def __init__(
        self,
        words: Sequence[str],
        *,
        environment: Mapping[str, str],
        folder: Path,
        size: tuple[int, int] = (100, 30),
    ) -> None:
        self._socket = folder / "tmux.sock"
        line = shlex.join(["env", "-i", *(f"{name}={value}" for name, value in environment.items()), *words])
        width, height = (str(each) for each in size)
        stays = f"{line}; echo ended with $?; exec sleep 600"
        self._folder = folder
        # tmux's own locale decides whether it takes UTF-8 for what it is.
        self._environment = {"PATH": environment["PATH"], "LANG": "C.UTF-8", "HOME": environment["HOME"]}
        self._run("-f", "/dev/null", "new-session", "-d", "-x", width, "-y", height, "-c", str(folder), stays)

    def press(self, *keys: str) -> None:
        """Press keys, by tmux's names (Enter, Escape, C-p) or letters."""
        self._run("send-keys", *keys)

    def type(self, text: str) -> None:
        """Type text as it is."""
        self._run("send-keys", "-l", text)

    def resize(self, width: int, height: int) -> None:
        """Make the window of another size."""
        self._run("resize-window", "-x", str(width), "-y", str(height))

    @property
    def screen(self) -> str:
        """What a user sees."""
        return self._run("capture-pane", "-p")

    def until(self, *texts: str, without: str = "\0", patience_s: float = PATIENCE_S) -> str:
        """Wait until all of ``texts`` are on the screen, and ``without`` is not; return it."""
        deadline = time.monotonic() + patience_s
        while True:
            screen = self.screen
            if all(text in screen for text in texts) and without not in screen:
                return screen
            assert time.monotonic() < deadline, f"{texts} did not come:\n{screen}"
            time.sleep(_POLL_S)

    def end(self) -> None:
        """End what runs in it, and it."""
        self._run("kill-server", is_checked=False)

    def _run(self, *arguments: str, is_checked: bool = True) -> str:
        command = ["tmux", "-S", str(self._socket), *arguments]
        done = subprocess.run(
            command, env=self._environment, cwd=self._folder, capture_output=True, text=True, timeout=30, check=False
        )
        assert not is_checked or done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout
