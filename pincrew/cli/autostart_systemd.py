"""Starting the daemon with the user's systemd: the unit, and what is asked of `systemctl --user`.

The hardening is what works in a user's manager everywhere and leaves the user's folders as they are: it takes away
privileges and odd system calls, and hides nothing. A manager that does not answer (over `su`, in a container) is no
hindrance: being enabled is a link in a folder, which it reads at the next login.
"""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from pincrew.cli.autostart_entry import Entry, sealed
from pincrew.errors import WorldFault
from pincrew.files import private_folder, told

NAME = "systemd"
LINGERING = Path("/var/lib/systemd/linger")
BOOTED = Path("/run/systemd/system")  # there where systemd runs the machine, as sd_booted(3) says
_TIMEOUT_S = 90.0
_STOP_LIMIT_S = 60  # the daemon and its node take at most half of it

_UNIT = """\
[Unit]
Description=pincrew, keeping data sets alive on IPFS{title}
# Where the user's manager knows of no network, the daemon waits for it by itself.
After=network.target network-online.target
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart={command}
{environment}StandardOutput=append:{log}
StandardError=append:{log}
Restart=on-failure
RestartSec=30
# What is wrong with the command line or the settings is as wrong the next time.
RestartPreventExitStatus=2
TimeoutStartSec=120
TimeoutStopSec={stop_s}
WatchdogSec=300
# The daemon ends its clusters before the IPFS node that it runs; a node that ran out of memory it starts again.
KillMode=mixed
OOMPolicy=continue
UMask=0077
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallArchitectures=native

[Install]
WantedBy=default.target
"""


def usual_home(environment: Mapping[str, str]) -> Path:
    """Return the home that a daemon finds by itself: systemd knows nothing of what a shell exports."""
    return Path(environment.get("HOME") or Path.home()) / ".local" / "share" / "pincrew"


def unit_text(entry: Entry) -> str:
    """Return the unit of an entry."""
    variable = f"PINCREW_HOME={entry.home.root}"
    text = _UNIT.format(
        title="" if entry.is_usual_home else f" ({_percent(str(entry.home.root))})",
        command=" ".join(_quoted(word).replace("$", "$$") for word in entry.command),
        environment="" if entry.is_usual_home else f"Environment={_quoted(variable)}\n",
        log=_percent(str(entry.home.daemon_log)),
        stop_s=_STOP_LIMIT_S,
    )
    return sealed(text, "# ")


def is_here() -> bool:
    """Tell whether systemd starts things on this machine."""
    return BOOTED.is_dir() and shutil.which("systemctl") is not None


class Systemd:
    """The user's manager, whether it answers or not."""

    name = NAME

    def __init__(self, entry: Entry, environment: Mapping[str, str]) -> None:
        self._environment = environment
        folder = environment.get("XDG_CONFIG_HOME", "")
        root = Path(folder) if folder.startswith("/") else Path(environment.get("HOME") or Path.home()) / ".config"
        self.unit = f"{entry.name('pincrew')}.service"
        self.path = root / "systemd" / "user" / self.unit
        self.text = unit_text(entry)
        self.start_line = f"systemctl --user start {self.unit}"
        self._link = self.path.parent / "default.target.wants" / self.unit

    @property
    def is_enabled(self) -> bool:
        """Whether it is started at the next login."""
        return self._link.is_symlink()

    @property
    def answers(self) -> bool:
        """Whether there is a manager that hears us."""
        return shutil.which("systemctl") is not None and self._ask("show", "--property=Version").returncode == 0

    @property
    def is_running(self) -> bool:
        """Whether the daemon that it started runs."""
        return self.answers and self._ask("is-active", "--quiet", self.unit).returncode == 0

    @property
    def is_lingering(self) -> bool | None:
        """Whether the manager starts with the machine and outlives the last logout."""
        return (LINGERING / getpass.getuser()).exists()

    def enable(self) -> None:
        """Have it started at every login from now on. Raises WorldFault."""
        if self.answers:
            self._must("daemon-reload")
            self._must("enable", "--quiet", self.unit)
        elif not self._link.is_symlink():
            private_folder(self._link.parent)
            with told(self._link, "make"):
                self._link.symlink_to(self.path)

    def start(self) -> None:
        """Start it now, and return once its API answers. Raises WorldFault."""
        self._must("start", self.unit)

    def disable(self) -> None:
        """Start it no more; one that runs goes on."""
        if self.answers:
            self._must("disable", "--quiet", self.unit)
        with told(self._link, "remove"):
            self._link.unlink(missing_ok=True)

    def forget(self) -> None:
        """Let the manager notice that the unit is gone."""
        if self.answers:
            self._must("daemon-reload")

    def _must(self, *words: str) -> None:
        done = self._ask(*words)
        if done.returncode != 0:
            text = done.stderr.strip().splitlines() or ["it does not say why"]
            raise WorldFault(
                f"systemd refuses `{words[0]}`: {text[0]}",
                where=str(self.path),
                next_step=f"See `systemctl --user status {self.unit}` and the daemon's log",
            )

    def _ask(self, *words: str) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                ["systemctl", "--user", *words],
                env={**os.environ, **self._environment},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(words, 1, "", f"no answer within {_TIMEOUT_S:.0f} s")


def _quoted(word: str) -> str:
    escaped = _percent(word).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"' if escaped != word or " " in word or "'" in word or not word else word


def _percent(text: str) -> str:
    return text.replace("%", "%%")
