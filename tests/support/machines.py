"""Machines of the e2e tests: for each a home of its own and the real `pincrew` on it, as processes.

Commands run as a user types them, in a sealed environment. A daemon is known by its process id alone and ended by it.
Conditions are polled up to a deadline, because a process tells nobody when it is so far; nothing waits for a time.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx

from pincrew.api.client import Client
from pincrew.api.shapes import Summary
from pincrew.errors import PincrewError
from pincrew.files import private_folder
from pincrew.kubo_process import KuboProcess
from pincrew.node_address import NodeKind
from pincrew.node_calls import NodeCalls
from pincrew.node_finding import address_of
from pincrew.paths import Home
from pincrew.settings import NodeSettings
from pincrew.settings_files import save

PATIENCE_S = 60.0
COMMAND_TIMEOUT_S = 150.0
STOP_TIMEOUT_S = 30.0
_POLL_S = 0.05
LISTEN = "/ip4/127.0.0.1/tcp/0"
NOBODY = "/ip4/127.0.0.1/tcp/1"  # where no IPFS node ever answers
Value = TypeVar("Value")


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit code."""

    command: str
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[Any]:
        """Its JSON Lines."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def object(self) -> Any:
        """Its one JSON object."""
        (only,) = self.lines
        return only

    @property
    def all(self) -> str:
        """Both streams with lines joined, so that a sentence is found however it was wrapped."""
        return " ".join((self.out + "\n" + self.err).split())


def until(condition: Callable[[], Value], what: str, patience_s: float = PATIENCE_S) -> Value:
    """Return the first true answer of ``condition``; fail with the last one after ``patience_s``."""
    deadline = time.monotonic() + patience_s
    while True:
        last = condition()
        if last:
            return last
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {patience_s:g} s: {what} (last: {last!r})")
        time.sleep(_POLL_S)


class Machine:
    """One user's machine. ``crew`` ends its processes, whatever happens to the test."""

    def __init__(self, name: str, folder: Path, runtime: Path, settings: dict[str, str]) -> None:
        self.name = name
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.home = Home(folder / "home")
        self.environment = {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(folder / "user"),
            "IPFS_PATH": str(folder / "no-ipfs-here"),
            "XDG_RUNTIME_DIR": str(runtime),
            "PINCREW_HOME": str(self.home.root),
            "PINCREW_MDNS": "false",
            **settings,
        }
        (folder / "user").mkdir(exist_ok=True)
        # A node of pincrew's own stays on loopback, and finds nobody by itself.
        private_folder(self.home.root)
        private_folder(self.home.node.folder)
        save(self.home.node.settings, NodeSettings(listen=(f"/ip4/127.0.0.1/tcp/{free_port()}",)))
        self.client = Client(self.home.daemon_socket(self.environment))
        self.processes: list[subprocess.Popen[str]] = []
        self.daemon: int | None = None
        self.within: tuple[str, ...] = ()  # a command that runs the others elsewhere, as nsenter does
        self.listen = LISTEN
        self.announced: tuple[str, ...] = ()  # `--announce ADDRESS`, where others are to know it elsewhere

    # ---- commands ---------------------------------------------------------------------------------------------

    def run(self, *arguments: str, stdin: str | None = None, code: int | None = 0) -> Said:
        """Run a command; its exit code must be ``code`` (None: any), and no traceback must be seen."""
        done = subprocess.run(
            [*self.within, *command(*arguments)],
            env=self.environment,
            cwd=self.folder,
            input="" if stdin is None else stdin,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
        said = Said(" ".join(arguments)[:200], done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in said.all, said
        assert "inside pincrew" not in said.all, said
        assert code is None or said.code == code, f"{said}\n--- log of {self.name}\n{self.log()}"
        return said

    def json(self, *arguments: str, stdin: str | None = None, code: int | None = 0) -> Any:
        """Run a command with `--json` and return its one object."""
        return self.run(*arguments, "--json", stdin=stdin, code=code).object

    def json_lines(self, *arguments: str, code: int | None = 0) -> list[Any]:
        """Run a command with `--json` and return its lines."""
        return self.run(*arguments, "--json", code=code).lines

    def create(self, name: str, *arguments: str, node: str = NOBODY) -> Any:
        """Make a cluster on a free port."""
        return self.json("create", name, "--listen", self.listen, *self.announced, "--ipfs", node, *arguments)

    def follow(self, source: str, *arguments: str, node: str = NOBODY, code: int = 0) -> Said:
        """Join, and remember the daemon that this may have started."""
        try:
            where = ("--listen", self.listen, *self.announced)
            # What is usual depends on the disk of whoever runs the tests.
            usual = () if "--limit" in arguments else ("--limit", "none")
            return self.run("follow", source, "--yes", *where, "--ipfs", node, *usual, *arguments, code=code)
        finally:
            self.adopt()

    # ---- processes --------------------------------------------------------------------------------------------

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command that stays; its stdout can be read, its stderr goes to the log."""
        with self.log_file.open("ab") as log:
            process = subprocess.Popen(
                [*self.within, *command(*arguments)],
                env=self.environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.processes.append(process)
        return process

    def run_daemon(self) -> int:
        """Start `daemon run`; return its process id once the API answers."""
        process = self.start("daemon", "run")
        self._until_it_answers(process)
        return self.adopt()

    def serve(self, cluster: str, *arguments: str) -> dict[str, str]:
        """Start `serve`; return the fields of its ready line."""
        process = self.start("serve", cluster, *arguments)
        assert process.stdout is not None
        line = process.stdout.readline().split()
        assert line[:2] == ["ready", cluster], f"{line}: {process.poll()}\n{self.log()}"
        self.adopt()
        return dict(field.split("=", 1) for field in line[2:])

    def adopt(self) -> int:
        """Note the process id in the daemon's lock as one to be ended."""
        with contextlib.suppress(OSError, ValueError):
            self.daemon = int(self.home.daemon_lock.read_text())
        return self.daemon or 0

    def kill(self) -> None:
        """End the daemon as a power cut would, and wait until it is gone."""
        assert self.daemon is not None
        os.kill(self.daemon, signal.SIGKILL)
        self._gone(self.daemon)

    def stop(self) -> None:
        """Ask the daemon to end, and wait until it is gone."""
        assert self.daemon is not None
        os.kill(self.daemon, signal.SIGTERM)
        self._gone(self.daemon)

    def end_everything(self) -> None:
        """End whatever was started here, by its process id."""
        ids = {process.pid for process in self.processes} | ({self.adopt()} - {0})
        for number, patience_s in ((signal.SIGTERM, STOP_TIMEOUT_S), (signal.SIGKILL, STOP_TIMEOUT_S)):
            alive = [pid for pid in ids if not self._is_gone(pid) and self._is_ours(pid)]
            for pid in alive:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            with contextlib.suppress(AssertionError):
                until(lambda alive=alive: all(map(self._is_gone, alive)), "its processes end", patience_s)
        for process in self.processes:
            if process.stdout is not None:
                process.stdout.close()

    def _gone(self, pid: int) -> None:
        until(lambda: self._is_gone(pid), f"process {pid} of {self.name} ends", STOP_TIMEOUT_S)
        self.daemon = None

    def _is_gone(self, pid: int) -> bool:
        for process in self.processes:
            if process.pid == pid:
                return process.poll() is not None
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        return _is_zombie(pid)

    def _is_ours(self, pid: int) -> bool:
        """Whether a process is known to be this machine's: a process id in an old lock may be anybody's by now."""
        if any(process.pid == pid for process in self.processes):
            return True
        with contextlib.suppress(PincrewError):
            return self.client.daemon().pid == pid
        environ = Path(f"/proc/{pid}/environ")
        return environ.exists() and str(self.home.root).encode() in environ.read_bytes()

    def _until_it_answers(self, process: subprocess.Popen[str]) -> None:
        def answers() -> bool:
            assert process.poll() is None, self.log()
            with contextlib.suppress(PincrewError):
                return bool(self.client.daemon())
            return False

        until(answers, f"the daemon of {self.name} answers")

    @property
    def log_file(self) -> Path:
        """What its processes in the foreground say on stderr."""
        return self.folder / "stderr.log"

    def log(self) -> str:
        """The end of everything that its processes said."""
        files = (self.log_file, self.home.daemon_log)
        return "\n".join(path.read_text(errors="replace")[-4_000:] for path in files if path.exists())

    # ---- its own IPFS node ----------------------------------------------------------------------------------------

    @property
    def node(self) -> NodeCalls:
        """The RPC of pincrew's own node here."""
        return NodeCalls(address_of(NodeKind.EMBEDDED, self.home, self.environment))

    def node_pid(self) -> int:
        """The process id of its own node, once it runs."""

        def found() -> int:
            with contextlib.suppress(PincrewError):
                self.node.object("id")
                ids = processes_naming(str(self.home.root))
                return next((pid for pid in ids if b"\0node\0run" in Path(f"/proc/{pid}/cmdline").read_bytes()), 0)
            return 0

        return until(found, f"the node of {self.name} runs")

    def has_ended(self, pid: int) -> bool:
        """Whether a process is gone."""
        return self._is_gone(pid)

    def held(self, cid: str) -> bytes:
        """A file from what its own node holds; it asks nobody else."""
        return b"".join(self.node.cat(cid))

    def own_pins(self) -> dict[str, str]:
        """The recursive pins of its own node, and their names."""
        lines = self.node.lines("pin/ls", [("type", "recursive"), ("names", "true"), ("stream", "true")])
        return {line["Cid"]: line.get("Name", "") for line in lines}

    # ---- looking, without the price of a command --------------------------------------------------------------

    def summary(self, cluster: str) -> Summary | None:
        """The cluster at a glance; None while it cannot be had."""
        try:
            return next((one for one in self.client.status().clusters if one.name == cluster), None)
        except PincrewError:
            return None

    def until(
        self, cluster: str, condition: Callable[[Summary], object], what: str, patience_s: float = PATIENCE_S
    ) -> Summary:
        """Wait until a cluster's summary is as wanted, and return it."""
        last: list[Summary | None] = [None]

        def holds() -> bool:
            last[0] = self.summary(cluster)
            return last[0] is not None and bool(condition(last[0]))

        try:
            until(holds, what, patience_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{last[0]}\n--- log of {self.name}\n{self.log()}") from None
        assert last[0] is not None
        return last[0]

    def until_state(self, cluster: str, state: str, patience_s: float = PATIENCE_S) -> Summary:
        """Wait for a state."""
        return self.until(cluster, lambda summary: summary.state == state, f"{cluster} is {state}", patience_s)

    def until_reason(self, cluster: str, code: str, patience_s: float = PATIENCE_S) -> str:
        """Wait for a reason and return its text."""
        summary = self.until(cluster, lambda s: code in [r.code for r in s.reasons], code, patience_s)
        return next(reason.text for reason in summary.reasons if reason.code == code)

    def cids(self, cluster: str) -> set[str]:
        """Return what is on its list."""
        return {pin.cid for pin in self.client.pinset(cluster, [])}


class Crew:
    """The machines of one test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # Sockets have short paths; a folder of pytest's is too long for them.
        self._runtime = Path(tempfile.mkdtemp(prefix="pincrew-"))
        self._machines: list[Machine] = []

    def machine(self, name: str, folder: Path | None = None, **settings: str) -> Machine:
        """A machine with an empty home; ``settings`` are environment variables."""
        made = Machine(name, folder or self.folder / name, self._runtime, settings)
        self._machines.append(made)
        return made

    def end(self) -> None:
        """End every process, and check that none is left."""
        try:
            for machine in self._machines:
                machine.end_everything()
            assert processes_naming(str(self.folder)) == []
        finally:
            shutil.rmtree(self._runtime, ignore_errors=True)


def command(*arguments: str) -> list[str]:
    """The command line of `pincrew` in the Python that runs the tests."""
    return [sys.executable, "-P", "-m", "pincrew", *arguments]


def processes_naming(text: str) -> list[int]:
    """Return the processes in whose environment ``text`` stands; none where the system does not tell."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"PINCREW_HOME={text}".encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
    return [pid for pid in found if not _is_zombie(pid)]


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return Path("/proc/self").exists()


def free_port() -> int:
    """A port of loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def made_up_cids(count: int, seed: str) -> list[str]:
    """CIDs of which no node has the content: what a list needs, and nothing else."""
    digests = (hashlib.sha256(f"{seed} {number}".encode()).digest() for number in range(count))
    return ["b" + base64.b32encode(b"\x01\x55\x12\x20" + digest).decode().lower().rstrip("=") for digest in digests]


# ---- Kubo by its RPC, as a user's own tools speak to it -----------------------------------------------------------


def add_content(kubo: KuboProcess, *contents: bytes) -> list[str]:
    """Put files into a node without pinning them; return their CIDs."""
    cids = []
    with httpx.Client(base_url=f"{kubo.url}/api/v0", timeout=PATIENCE_S) as rpc:
        for content in contents:
            answer = rpc.post("/add?cid-version=1&pin=false", files={"file": content}).raise_for_status()
            cids.append(str(answer.json()["Hash"]))
    return cids


def read_content(kubo: KuboProcess, cid: str) -> bytes:
    """Return a file from what the node itself holds; it asks nobody else."""
    answer = httpx.post(f"{kubo.url}/api/v0/cat?offline=true&arg={cid}", timeout=PATIENCE_S)
    return answer.raise_for_status().content


def pins_of(kubo: KuboProcess) -> dict[str, str]:
    """Return the node's recursive pins and their names."""
    answer = httpx.post(f"{kubo.url}/api/v0/pin/ls?type=recursive&names=true", timeout=PATIENCE_S)
    keys: dict[str, dict[str, str]] = answer.raise_for_status().json().get("Keys", {})
    return {cid: fields.get("Name", "") for cid, fields in keys.items()}


def pin_by_hand(kubo: KuboProcess, cid: str) -> None:
    """Pin as the node's own user would."""
    httpx.post(f"{kubo.url}/api/v0/pin/add?arg={cid}", timeout=PATIENCE_S).raise_for_status()


@contextlib.contextmanager
def crew_in(folder: Path) -> Iterator[Crew]:
    """Machines that are gone when the block is left."""
    crew = Crew(folder)
    try:
        yield crew
    finally:
        crew.end()
