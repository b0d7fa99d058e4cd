"""The machines of `pincrew demo`: for each a home, a daemon and an IPFS node, as real processes and real commands."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from pincrew.api.client import Client
from pincrew.api.shapes import Summary
from pincrew.errors import Conflict, DaemonNotRunning, NotFound, PincrewError, WorldFault
from pincrew.files import last_words, private_folder
from pincrew.kubo_process import KuboProcess
from pincrew.node_address import NodeKind
from pincrew.node_calls import NodeCalls
from pincrew.node_finding import address_of
from pincrew.paths import Home
from pincrew.settings import NodeSettings
from pincrew.settings_files import save

START_TIMEOUT_S = 60.0
COMMAND_TIMEOUT_S = 180.0
STOP_TIMEOUT_S = 60.0
_POLL_S = 0.1
LISTEN = "/ip4/127.0.0.1/tcp/0"


class Machine:
    """One of the demo's machines, in a folder of its own."""

    def __init__(self, name: str, folder: Path, kubo: Path | None, environment: Mapping[str, str]) -> None:
        """``kubo`` is the program of its IPFS node; None: its daemon runs pincrew's own."""
        self.name = name
        self.folder = private_folder(folder)
        self.home = Home(folder / "home")
        self.kubo = KuboProcess(kubo, folder / "ipfs") if kubo is not None else None
        self.daemon: subprocess.Popen[bytes] | None = None
        # What the user set for real clusters must not reach the demo's.
        kept = {key: value for key, value in environment.items() if not key.startswith(("PINCREW_", "IPFS_"))}
        self.environment = {**kept, "PINCREW_HOME": str(self.home.root), "PINCREW_MDNS": "false", "NO_COLOR": "1"}
        self.client = Client(self.home.daemon_socket(self.environment))

    @property
    def log(self) -> Path:
        """What its daemon says."""
        return self.folder / "daemon.log"

    def prepare_node(self) -> None:
        """Start its Kubo; or have its own node listen on loopback alone, at a port of its own."""
        if self.kubo is not None:
            self.kubo.start()
            return
        private_folder(self.home.root)
        private_folder(self.home.node.folder)
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            listen = f"/ip4/127.0.0.1/tcp/{probe.getsockname()[1]}"
        save(self.home.node.settings, NodeSettings(listen=(listen,)))

    @property
    def node_choice(self) -> str:
        """What `--ipfs` is given for its node."""
        return self.kubo.url if self.kubo is not None else NodeKind.EMBEDDED.value

    def sha256(self, path: str) -> str:
        """Return the SHA-256 of a file's bytes (`CID` or `CID/inside`) as its node alone has them; empty if not."""
        digest = hashlib.sha256()
        node = NodeCalls(address_of(self.node_choice, self.home, self.environment))
        try:
            for chunk in node.cat(path):
                digest.update(chunk)
        except PincrewError:
            return ""
        return digest.hexdigest()

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
        """Run a command with `--json` as a user of this machine would; return the one object that it printed."""
        (only,) = self.run_lines(*arguments)
        return only

    def run_lines(self, *arguments: str) -> list[dict[str, Any]]:
        """Run a command with `--json`; return the objects that it printed."""
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
        return [json.loads(line) for line in answer.stdout.splitlines()]

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
        """End daemon and node: its own goes with the daemon."""
        try:
            self.stop_daemon()
        finally:
            if self.kubo is not None:
                self.kubo.stop()

    @property
    def processes(self) -> list[int]:
        """The ids of what is to be ended."""
        running = (self.daemon, self.kubo.process if self.kubo is not None else None)
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
