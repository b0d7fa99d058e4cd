"""The embedded node as a process of the test: loopback only, alone, and ended by its process id."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

STOP_TIMEOUT_S = 20.0
STORAGE_LIMIT = "10GB"


class EmbeddedProcess:
    """A home and the node in it. ``start``, ``stop``, ``kill`` block until they are true."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.peer = ""
        self.gateway = ""
        self._rpc = ""
        self._process: subprocess.Popen[str] | None = None

    def init(self) -> None:
        """Write the node's settings: loopback only, and nothing that looks for others."""
        folder = self.home / "node"
        folder.mkdir(parents=True, mode=0o700, exist_ok=True)
        (folder / "node.toml").write_text(
            f'format = 1\nlisten = ["/ip4/127.0.0.1/tcp/0"]\nstorage_limit = "{STORAGE_LIMIT}"\n'
        )

    @property
    def url(self) -> str:
        """The RPC's address, as `--ipfs` takes it."""
        return self._rpc

    @property
    def socket(self) -> Path:
        """The RPC's socket."""
        return Path(self._rpc.removeprefix("unix:"))

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it; return once it says that it answers."""
        assert not self.running
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.home), "PINCREW_HOME": str(self.home)}
        with (self.home / "node.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "pincrew", "node", "run"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.startswith("ready node "):
            self.kill()
            raise RuntimeError(f"the node did not start:\n{line}{self.log()}")
        told = dict(word.partition("=")[::2] for word in line.split()[2:])
        self.peer, self._rpc, self.gateway = told["peer"], told["rpc"], told.get("gateway", "")

    def stop(self) -> None:
        """Ask it to end, and wait; one that does not listen is killed, which fails the test."""
        if not self.running:
            return
        self._end(signal.SIGTERM)

    def wait(self) -> None:
        """Return when it has ended by itself, and well."""
        assert self._process is not None
        assert self._process.wait(STOP_TIMEOUT_S) == 0

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Start it again."""
        self.stop()
        self.start()

    def log(self) -> str:
        """Return the end of what it wrote."""
        path = self.home / "node.log"
        return path.read_text(errors="replace")[-4_000:] if path.exists() else ""

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(number)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_TIMEOUT_S)
            raise
        finally:
            assert process.stdout is not None
            process.stdout.close()


@contextlib.contextmanager
def running_embedded(home: Path) -> Iterator[EmbeddedProcess]:
    """A node that is ready; ended with the block, whatever happened in it."""
    node = EmbeddedProcess(home)
    node.init()
    try:
        node.start()
        yield node
    finally:
        node.stop()
