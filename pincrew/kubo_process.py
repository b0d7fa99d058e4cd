"""A Kubo of our own, for `pincrew demo` and for tests: loopback only, alone, ended by its process id.

Blocking. Nothing here touches a Kubo or an IPFS repository that the user has. The first start takes free ports; they
are then written into the config, so that a Kubo that was restarted is found where it was.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from pincrew.errors import WorldFault

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
COMMAND_TIMEOUT_S = 300.0
_POLL_S = 0.05
# Nothing that looks for others, nothing but TCP: its peers are those that pincrew names.
_CONFIG: dict[str, object] = {
    "Swarm.Transports.Network": {"QUIC": False, "WebTransport": False, "WebRTCDirect": False, "Websocket": False},
    "Swarm.RelayClient": {"Enabled": False},
    "Swarm.RelayService": {"Enabled": False},
    "Swarm.EnableHolePunching": False,
    "Routing.Type": "none",
    "Provide.Enabled": False,
    "AutoNAT.ServiceMode": "disabled",
    "Version.SwarmCheckEnabled": False,
}


def find_kubo(environment: Mapping[str, str]) -> Path | None:
    """Return the `ipfs` program: on PATH, else the newest in $PINCREW_KUBO_CACHE (default ~/.cache/pincrew-dev)."""
    on_path = shutil.which("ipfs", path=environment.get("PATH"))
    if on_path:
        return Path(on_path)
    named = environment.get("PINCREW_KUBO_CACHE")
    cache = Path(named) if named else Path.home() / ".cache" / "pincrew-dev"
    built = [path for path in sorted(cache.glob("kubo-*/ipfs")) if os.access(path, os.X_OK)]
    return built[-1] if built else None


class KuboProcess:
    """One repository and the daemon on it."""

    def __init__(self, program: Path, repository: Path) -> None:
        self.program = program
        self.repository = repository
        self.log = repository / "daemon.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(repository.parent),
            "IPFS_PATH": str(repository),
            "IPFS_TELEMETRY": "off",
        }

    @property
    def running(self) -> bool:
        """Whether the daemon is there."""
        return self.process is not None and self.process.poll() is None

    @property
    def url(self) -> str:
        """The address of its RPC."""
        host, port = (self.repository / "api").read_text().strip().split("/")[2::2]
        return f"http://{host}:{port}"

    def start(self) -> None:
        """Make the repository where there is none, and start the daemon; return once its RPC answers."""
        assert not self.running
        if not (self.repository / "config").exists():
            self.ipfs("init", "-p", "test")
            self._configure(_CONFIG)
        (self.repository / "api").unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [str(self.program), "daemon"],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and self.process.poll() is None:
            if (self.repository / "api").exists() and (identity := self._run("id")).returncode == 0:
                self._keep_ports(json.loads(identity.stdout)["Addresses"])
                return
            time.sleep(_POLL_S)  # a process tells nobody that it is ready: its condition is polled
        self.stop()
        tail = self.log.read_text(errors="replace").strip().splitlines()[-1:]
        raise WorldFault(f"Kubo did not start: {tail[0] if tail else 'no word from it'}", where=str(self.repository))

    def stop(self) -> None:
        """End the daemon and wait for it; one that does not listen is killed."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the daemon as a power cut would."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        process, self.process = self.process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(number)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_TIMEOUT_S)

    def ipfs(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """Run `ipfs` on this repository. Raises WorldFault with its complaint."""
        answer = self._run(*arguments, stdin=stdin)
        if answer.returncode != 0:
            complaint = answer.stderr.decode(errors="replace").strip() or f"exit code {answer.returncode}"
            raise WorldFault(f"`ipfs {arguments[0]}` failed: {complaint}", where=str(self.repository))
        return answer.stdout

    def _run(self, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [str(self.program), *arguments],
            env=self._environment,
            input=stdin,
            capture_output=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )

    def _keep_ports(self, addresses: list[str]) -> None:
        swarm = next(address for address in addresses if address.startswith("/ip4/127.0.0.1/tcp/"))
        api = (self.repository / "api").read_text().strip()
        self._configure({"Addresses.API": api, "Addresses.Swarm": [swarm.partition("/p2p/")[0]]})

    def _configure(self, settings: Mapping[str, object]) -> None:
        """Write settings in one go: `ipfs config` takes a quarter of a second for each."""
        path = self.repository / "config"
        config = json.loads(path.read_text())
        for dotted, value in settings.items():
            *folders, key = dotted.split(".")
            table = config
            for folder in folders:
                table = table.setdefault(folder, {})
            table[key] = value
        path.write_text(json.dumps(config, indent=2))
