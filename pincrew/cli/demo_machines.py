"""The machines of `pincrew demo`: for each a home, a daemon and an IPFS node, as real processes and real commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pincrew.api.client import Client
from pincrew.api.shapes import Summary
from pincrew.cli.background import last_words
from pincrew.errors import Conflict, DaemonNotRunning, NotFound, PincrewError, WorldFault
from pincrew.files import private_folder
from pincrew.kubo_process import KuboProcess
from pincrew.paths import Home

START_TIMEOUT_S = 60.0
COMMAND_TIMEOUT_S = 180.0
STOP_TIMEOUT_S = 60.0
_POLL_S = 0.1
LISTEN = "/ip4/127.0.0.1/tcp/0"


class Machine:
    """One of the demo's machines, in a folder of its own."""

    def __init__(self, name: str, folder: Path, kubo: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self.folder = private_folder(folder)
        self.home = Home(folder / "home")
        self.node = KuboProcess(kubo, folder / "ipfs")
        self.daemon: subprocess.Popen[bytes] | None = None
        # What the user set for real clusters must not reach the demo's.
        kept = {key: value for key, value in environment.items() if not key.startswith(("PINCREW_", "IPFS_"))}
        self.environment = {**kept, "PINCREW_HOME": str(self.home.root), "PINCREW_MDNS": "false", "NO_COLOR": "1"}
        self.client = Client(self.home.daemon_socket(self.environment))

    @property
    def log(self) -> Path:
        """What its daemon says."""
        return self.folder / "daemon.log"

    def start(self, *arguments: str, is_ready: Callable[[], object]) -> None:
        """Start the daemon with a command (`daemon run`, `serve NAME`) and wait until ``is_ready`` raises no more."""
        with self.log.open("ab") as log:
            length = log.tell()
            self.daemon = subprocess.Popen(
                _command(*arguments),
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            try:
                is_ready()
                return
            except (DaemonNotRunning, NotFound, Conflict):
                if self.daemon.poll() is not None:
                    break
            time.sleep(_POLL_S)
        raise WorldFault(
            f"The daemon of {self.name} did not start: {last_words(self.log, length)}", where=str(self.log)
        )

    def run(self, *arguments: str) -> dict[str, Any]:
        """Run a command with `--json` as a user of this machine would; return what it printed."""
        answer = subprocess.run(
            [*_command(*arguments), "--json"],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
        if answer.returncode != 0:
            complaint = answer.stderr.decode(errors="replace").strip().splitlines()
            said = complaint[-1].removeprefix("pincrew: ") if complaint else f"exit code {answer.returncode}"
            raise WorldFault(f"`pincrew {' '.join(arguments[:2])}` failed on {self.name}: {said}", where=str(self.log))
        fields: dict[str, Any] = json.loads(answer.stdout)
        return fields

    def summary(self, cluster: str) -> Summary | None:
        """Return how far it is; None while it cannot say."""
        try:
            return self.client.summary(cluster)
        except PincrewError:
            return None

    def stop_daemon(self) -> None:
        """End the daemon and wait for it; one that does not listen is killed."""
        process, self.daemon = self.daemon, None
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_TIMEOUT_S)

    def stop(self) -> None:
        """End daemon and node."""
        try:
            self.stop_daemon()
        finally:
            self.node.stop()

    @property
    def processes(self) -> list[int]:
        """The ids of what runs."""
        running = (self.daemon, self.node.process)
        return [process.pid for process in running if process is not None and process.poll() is None]


def _command(*arguments: str) -> list[str]:
    # -P: a folder named pincrew in the current directory must not pass for the program.
    return [sys.executable, "-P", "-m", "pincrew", *arguments]


def write_files(folder: Path) -> list[Path]:
    """Make what the demo pins: random bytes, a text, a folder with both; some MiB in all."""
    folder.mkdir()
    noise = folder / "noise.bin"
    noise.write_bytes(os.urandom(5 * 1024 * 1024 + 17))
    text = folder / "poem.txt"
    text.write_text("".join(f"{n:>6}  What many hold, nobody can lose.\n" for n in range(1, 20_001)))
    album = folder / "album"
    (album / "inside").mkdir(parents=True)
    for number in range(1, 4):
        (album / f"picture-{number}.bin").write_bytes(os.urandom(700_000 * number))
    (album / "inside" / "notes.txt").write_text("A folder within a folder.\n")
    return [noise, text, album]
