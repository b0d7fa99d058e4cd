"""A real Kubo as a process of the test: loopback only, alone, and ended by its process id.

The first start takes free ports; they are then written into its config, so that a restarted Kubo is found where it was.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
_POLL_S = 0.02


class KuboProcess:
    """One repository and the daemon on it. ``start``, ``stop``, ``kill`` block until they are true."""

    def __init__(self, program: Path, repository: Path) -> None:
        self.program = program
        self.repository = repository
        self._process: subprocess.Popen[bytes] | None = None
        self._environment = {"PATH": os.environ["PATH"], "HOME": str(repository), "IPFS_PATH": str(repository)}

    def init(self) -> None:
        """Make the repository: profile `test`, TCP on loopback only, and nothing that looks for others."""
        self._run("init", "-p", "test")
        for key, value in {
            "Swarm.Transports.Network": {
                "QUIC": False,
                "WebTransport": False,
                "WebRTCDirect": False,
                "Websocket": False,
            },
            "Swarm.RelayClient": {"Enabled": False},
            "Swarm.RelayService": {"Enabled": False},
            "Swarm.EnableHolePunching": False,
            "Routing.Type": "none",
            "Provide.Enabled": False,
            "AutoNAT.ServiceMode": "disabled",
            "Version.SwarmCheckEnabled": False,
        }.items():
            self._run("config", "--json", key, json.dumps(value))

    @property
    def url(self) -> str:
        """The RPC's address."""
        host, port = (self.repository / "api").read_text().split("/")[2::2]
        return f"http://{host}:{port}"

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the daemon; return once its RPC answers."""
        assert not self.running
        (self.repository / "api").unlink(missing_ok=True)
        with (self.repository / "daemon.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self.program), "daemon"],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._wait_until_it_answers()
        self._keep_ports()

    def stop(self) -> None:
        """Ask it to end, and wait; a Kubo that does not listen is killed."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Start it again, on the ports that it had."""
        if self.running:
            self.stop()
        self.start()

    def ipfs(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """Run a command of Kubo's own on this repository and return what it printed."""
        return subprocess.run(
            [str(self.program), *arguments],
            env=self._environment,
            input=stdin,
            capture_output=True,
            timeout=START_TIMEOUT_S,
            check=True,
        ).stdout

    def log(self) -> str:
        """Return the end of what the daemon wrote."""
        path = self.repository / "daemon.log"
        return path.read_text(errors="replace")[-4_000:] if path.exists() else ""

    def _wait_until_it_answers(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(f"Kubo ended with {self._process.returncode}:\n{self.log()}")
            if (self.repository / "api").exists():
                answer = self._run("id", "--format=<id>", check=False)
                if answer.returncode == 0:
                    return
            time.sleep(_POLL_S)  # a process tells nobody that it is ready: its condition is polled
        self.kill()
        raise RuntimeError(f"Kubo was not ready in {START_TIMEOUT_S} s:\n{self.log()}")

    def _keep_ports(self) -> None:
        config_path = self.repository / "config"
        config = json.loads(config_path.read_text())
        if not config["Addresses"]["API"].endswith("/tcp/0"):
            return
        identity = json.loads(self._run("id").stdout)
        swarm = next(address for address in identity["Addresses"] if address.startswith("/ip4/127.0.0.1/tcp/"))
        config["Addresses"]["API"] = (self.repository / "api").read_text().strip()
        config["Addresses"]["Swarm"] = [swarm.partition("/p2p/")[0]]
        config_path.write_text(json.dumps(config))

    def _run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [str(self.program), *arguments],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=START_TIMEOUT_S,
            check=check,
        )

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(number)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_TIMEOUT_S)


@contextlib.contextmanager
def running_kubo(program: Path, repository: Path) -> Iterator[KuboProcess]:
    """A Kubo that is ready; ended with the block, whatever happened in it."""
    kubo = KuboProcess(program, repository)
    kubo.init()
    try:
        kubo.start()
        yield kubo
    finally:
        kubo.stop()
