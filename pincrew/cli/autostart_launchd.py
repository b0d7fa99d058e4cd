"""Starting the daemon with macOS's launchd: an agent of the user, started at login and again when it fails."""

from __future__ import annotations

import os
import plistlib
import subprocess
from collections.abc import Mapping
from pathlib import Path

from pincrew.cli.autostart_entry import Entry, sealed
from pincrew.errors import WorldFault
from pincrew.files import told

NAME = "launchd"
_LABEL = "org.pincrew.daemon"
_TIMEOUT_S = 60.0


def usual_home(environment: Mapping[str, str]) -> Path:
    """Return the home that a daemon finds by itself."""
    return Path(environment.get("HOME") or Path.home()) / "Library" / "Application Support" / "pincrew"


def agent_text(entry: Entry) -> str:
    """Return the property list of an entry."""
    agent = {
        "Label": entry.name(_LABEL),
        "ProgramArguments": list(entry.command),
        "EnvironmentVariables": {"PINCREW_HOME": str(entry.home.root)},
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": 30,
        "ExitTimeOut": 60,
        "ProcessType": "Background",
        "LowPriorityIO": True,
        "Umask": 0o077,
        "StandardOutPath": str(entry.home.daemon_log),
        "StandardErrorPath": str(entry.home.daemon_log),
    }
    return sealed(plistlib.dumps(agent, sort_keys=False).decode(), "<!-- ", " -->")


class Launchd:
    """The user's launchd."""

    name = NAME
    is_lingering: bool | None = None  # nothing of a user runs before the login

    def __init__(self, entry: Entry, environment: Mapping[str, str]) -> None:
        self._label = entry.name(_LABEL)
        self._domain = f"gui/{os.getuid()}"
        self.path = Path(environment.get("HOME") or Path.home()) / "Library" / "LaunchAgents" / f"{self._label}.plist"
        self.text = agent_text(entry)
        self.start_line = f"launchctl bootstrap {self._domain} '{self.path}'"

    @property
    def is_enabled(self) -> bool:
        """Whether it is started at the next login."""
        return self.path.exists()

    @property
    def answers(self) -> bool:
        """Whether there is a session that hears us."""
        return self._ask("print", self._domain).returncode == 0

    @property
    def is_running(self) -> bool:
        """Whether the daemon that it started runs."""
        return "state = running" in self._ask("print", f"{self._domain}/{self._label}").stdout

    def enable(self) -> None:
        """Nothing: launchd starts what is in its folder."""

    def start(self) -> None:
        """Start it now. Raises WorldFault."""
        done = self._ask("bootstrap", self._domain, str(self.path))
        if done.returncode != 0:
            text = done.stderr.strip().splitlines() or ["it does not say why"]
            raise WorldFault(
                f"launchd refuses: {text[0]}", where=str(self.path), next_step="See Console, or log in again"
            )

    def disable(self) -> None:
        """Nothing: what is not in its folder any more is not started at the next login; one that runs goes on."""

    def forget(self) -> None:
        """Nothing, for the same reason."""

    def _ask(self, *words: str) -> subprocess.CompletedProcess[str]:
        with told(Path("launchctl"), "run"):
            try:
                return subprocess.run(
                    ["launchctl", *words],
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    timeout=_TIMEOUT_S,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                return subprocess.CompletedProcess(words, 1, "", f"no answer within {_TIMEOUT_S:.0f} s")
