"""A daemon of the benchmark: its own home, no IPFS node unless given one, ended by its process id."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pincrew.api.client import Client
from pincrew.api.shapes import AcceptRequest
from pincrew.errors import PincrewError
from pincrew.paths import Home

NO_NODE = "http://127.0.0.1:9"  # the discard port: a node that is down
START_TIMEOUT_S = 60.0


class Machine:
    """One ``PINCREW_HOME`` with its daemon."""

    def __init__(self, home: Path, ipfs: str = NO_NODE) -> None:
        self.home = home
        self.ipfs = ipfs
        keep = ("PATH", "HOME", "LANG", "TMPDIR")
        self.environment = {key: os.environ[key] for key in keep if key in os.environ}
        self.environment |= {"PINCREW_HOME": str(home), "PINCREW_MDNS": "false", "PINCREW_LOG_LEVEL": "warning"}
        self.client = Client(Home.of(self.environment).daemon_socket(self.environment))
        self.process: subprocess.Popen[bytes] | None = None

    def run(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """Run a command to its end."""
        command = [sys.executable, "-m", "pincrew", *arguments]
        return subprocess.run(command, env=self.environment, input=stdin, check=True, stdout=subprocess.PIPE).stdout

    def start(self) -> float:
        """Start the daemon; return the seconds until its API answered."""
        self.home.mkdir(parents=True, exist_ok=True)
        begun = time.monotonic()
        with (self.home / "bench.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pincrew", "daemon", "run"], env=self.environment, stdout=log, stderr=log
            )
        while True:
            try:
                self.client.daemon()
                return time.monotonic() - begun
            except PincrewError:
                if time.monotonic() - begun > START_TIMEOUT_S:
                    raise
                time.sleep(0.005)

    def stop(self) -> None:
        """End the daemon."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def kill(self) -> None:
        """End the daemon as a power cut would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.process = None

    def create(self, name: str) -> None:
        """Make a cluster here and run it."""
        self.run("create", name, "--listen", "/ip4/127.0.0.1/tcp/0", "--ipfs", self.ipfs)
        self.start()
        self.until(name, lambda: bool(self.client.ready(name).p2p))

    def follow(self, document: Path) -> None:
        """Join a cluster; the daemon runs."""
        offer = self.client.offer(str(document), self.home)
        request = AcceptRequest(offer=offer.offer, ipfs=self.ipfs, listen=["/ip4/127.0.0.1/tcp/0"])
        self.client.accept(request)

    def until(self, name: str, condition: object, timeout_s: float = 3_600.0, *, look_every_s: float = 0.02) -> None:
        """Wait for a condition; a cluster that is just starting counts as not yet. Each look costs the daemon, too."""
        assert callable(condition)
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                if condition():
                    return
            except PincrewError:
                pass
            if time.monotonic() > deadline:
                raise TimeoutError(f"{name}: {self.client.summary(name)}")
            time.sleep(look_every_s)

    def total(self, name: str) -> int:
        """How many pins the list has here."""
        return self.client.summary(name).pins.total

    @property
    def cpu_s(self) -> float:
        """Processor time of the daemon so far, in seconds."""
        assert self.process is not None
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def rss_mb(self) -> float:
        """Resident memory of the daemon now, in MB."""
        assert self.process is not None
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmRSS")) / 1024

    @property
    def peak_mb(self) -> float:
        """Highest resident memory of the daemon so far, in MB."""
        assert self.process is not None
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmHWM")) / 1024


@contextmanager
def machines(*some: Machine) -> Iterator[None]:
    """End them all at the end."""
    try:
        yield
    finally:
        for machine in some:
            machine.stop()
