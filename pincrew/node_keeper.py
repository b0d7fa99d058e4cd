"""Keeps the embedded node running as a child of the daemon, for as long as a cluster needs it.

    idle --needed--> starting --ready line--> up --ended--> resting --delay--> starting
      '--needed, and one answers that somebody else started--> foreign --it ended--> starting

Who asks a `KeptNode` for its identity needs the node, until he closes it; a cluster does both. The child's standard
input is a pipe that only the daemon holds: it ends with the daemon, however that ends. A child that ends by itself is
started again after a delay that doubles, until one has lived for a while.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from enum import Enum, auto
from pathlib import Path

import trio

from pincrew.bell import Bell
from pincrew.errors import NodeDown, NodeRefused, NodeStarting, StoreFault
from pincrew.files import last_words, private_folder
from pincrew.kubo_rpc import KuboRpc
from pincrew.limits import (
    NODE_LINGER_S,
    NODE_LOG_BYTES_MAX,
    NODE_LOOK_INTERVAL_S,
    NODE_READY_LINE_BYTES_MAX,
    NODE_RESTART_DELAY_S_MAX,
    NODE_RESTART_DELAY_S_MIN,
    NODE_START_TIMEOUT_S,
    NODE_STARTING_PROBE_DELAY_S,
    NODE_STEADY_S,
    NODE_STOP_TIMEOUT_S,
)
from pincrew.node_address import NodeKind
from pincrew.node_client import Node, NodeIdentity
from pincrew.node_finding import address_of
from pincrew.paths import Home

_log = logging.getLogger("pincrew.node_keeper")


class _State(Enum):
    IDLE = auto()
    STARTING = auto()
    UP = auto()
    RESTING = auto()
    FOREIGN = auto()


class NodeKeeper:
    """The one embedded node of ``home``. ``run`` until cancelled; `client` may be called in any thread."""

    def __init__(self, home: Home, environment: Mapping[str, str]) -> None:
        self._home = home
        self._environment = environment
        self._users: set[KeptNode] = set()
        self._bell = Bell()
        self._state = _State.IDLE
        self._trouble = ""
        self._failures = 0
        self.pid: int | None = None
        # Called before each start, in a thread: what the node's settings are to say by then.
        self.prepare: Callable[[], None] = lambda: None

    def client(self, *, no_progress_timeout_s: float) -> KeptNode:
        """Return a client of the node."""
        return KeptNode(self, self._home, self._environment, no_progress_timeout_s)

    def expect(self, node: Node) -> None:
        """Begin to start the node if ``node`` is a client of it: it takes as long as what its user does meanwhile."""
        if isinstance(node, KeptNode):
            self.need(node)

    # ---- for its clients -----------------------------------------------------------------------------------------

    def need(self, user: KeptNode) -> None:
        """Have the node run as long as ``user`` is not done with it."""
        if user not in self._users:
            self._users.add(user)
            self._bell.ring()

    def done(self, user: KeptNode) -> None:
        """``user`` needs it no more."""
        self._users.discard(user)
        self._bell.ring()

    def why_down(self, error: NodeDown) -> NodeDown:
        """Return what a person should read while the node does not answer."""
        if self._state is _State.FOREIGN:
            self._bell.ring()  # it is gone, maybe
            return error
        if self._state is _State.RESTING:
            return NodeDown(
                f"pincrew's own IPFS node ended: {self._trouble.rstrip('.')}. It is started again",
                where=str(self._home.node.log),
                means="What is pinned stays on its disk; pinning goes on when it is back",
            )
        return NodeStarting("pincrew's own IPFS node is starting")

    # ---- life ----------------------------------------------------------------------------------------------------

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep it until cancelled; then it is ended in order."""
        task_status.started()
        while True:
            while not self._users:
                self._state = _State.IDLE
                await self._bell.wait()
            if await self._answers():
                self._state = _State.FOREIGN
                await self._bell.wait(NODE_LOOK_INTERVAL_S)
                continue
            lived_s = await self._live()
            if lived_s is None:
                continue  # nobody needed it; somebody may by now
            self._failures = 1 if lived_s >= NODE_STEADY_S else self._failures + 1
            self._state = _State.RESTING
            delay_s = min(NODE_RESTART_DELAY_S_MAX, NODE_RESTART_DELAY_S_MIN * 2.0 ** min(self._failures - 1, 16))
            _log.warning("the embedded node ended: %s; started again in %.1f s", self._trouble, delay_s)
            await trio.sleep(delay_s)

    async def _answers(self) -> bool:
        """Whether a node answers that somebody else started."""
        async with KuboRpc(address_of(NodeKind.EMBEDDED, self._home, self._environment)) as node:
            try:
                await node.id()
            except NodeDown:
                return False
            except NodeRefused:
                return True
        return True

    async def _live(self) -> float | None:
        """Start a node and stay until it ends; return for how long it was ready, None if it was ended as unneeded."""
        self._state = _State.STARTING
        log = self._home.node.log
        try:
            process, length = await self._spawn(log)
        except (OSError, StoreFault) as error:
            self._trouble = error.what if isinstance(error, StoreFault) else os.strerror(error.errno or 0)
            return 0.0
        self.pid = process.pid
        ready_at: list[float] = []
        is_unneeded = False
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._until_unneeded, nursery.cancel_scope)
                nursery.start_soon(self._hear, process, ready_at)
                await process.wait()
                nursery.cancel_scope.cancel()
            is_unneeded = process.returncode is None
        finally:
            with trio.CancelScope(shield=True):
                await _end(process)
            self.pid = None
        if is_unneeded:
            return None
        self._trouble = await trio.to_thread.run_sync(_why_ended, process.returncode, log, length)
        return trio.current_time() - ready_at[0] if ready_at else 0.0

    async def _spawn(self, log: Path) -> tuple[trio.Process, int]:
        private_folder(self._home.node.folder)
        await trio.to_thread.run_sync(self.prepare)
        descriptor = _opened(log)
        try:
            length = os.fstat(descriptor).st_size  # before it writes anything
            process = await trio.lowlevel.open_process(
                # -P: a folder named pincrew in the current directory must not pass for the program.
                [sys.executable, "-P", "-m", "pincrew", "node", "run", "--attached"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=descriptor,
                env={**self._environment, "PINCREW_HOME": str(self._home.root)},
                start_new_session=True,  # a Ctrl-C is for the daemon, which ends its clusters before the node
            )
            return process, length
        finally:
            os.close(descriptor)

    async def _hear(self, process: trio.Process, ready_at: list[float]) -> None:
        """Wait for the ready line; what else the node writes there is nobody's."""
        assert process.stdout is not None
        line = b""
        while data := await process.stdout.receive_some():
            line = (line + data)[:NODE_READY_LINE_BYTES_MAX]
            if line.startswith(b"ready ") and not ready_at:
                self._state = _State.UP
                ready_at.append(trio.current_time())
                _log.info("the embedded node runs: process %d", process.pid)

    async def _until_unneeded(self, scope: trio.CancelScope) -> None:
        while True:
            if self._users:
                await self._bell.wait()
            elif not await self._bell.wait(NODE_LINGER_S):
                scope.cancel()
                return


class KeptNode(KuboRpc):
    """A client of the embedded node: to ask who it is says that it is needed, and to close it that it is not."""

    def __init__(
        self, keeper: NodeKeeper, home: Home, environment: Mapping[str, str], no_progress_timeout_s: float
    ) -> None:
        super().__init__(address_of(NodeKind.EMBEDDED, home, environment), no_progress_timeout_s=no_progress_timeout_s)
        self._keeper = keeper
        self._stores_in = str(home.node.folder)

    async def id(self) -> NodeIdentity:
        """Return who it is. Raises NodeStarting while it comes up, NodeDown with the reason where it cannot."""
        self._keeper.need(self)
        try:
            return await super().id()
        except NodeDown as error:
            raise self._keeper.why_down(error) from error

    async def _folder(self) -> str | None:
        return self._stores_in

    async def limit_storage(self, limit: int | None) -> None:
        """Let its files become so large at most, also after a restart. Raises NodeDown or NodeRefused."""
        await self._object("pincrew/limits", [("storage", "none" if limit is None else str(limit))])

    async def limit_network(self, download: str, upload: str) -> None:
        """Let it take and send so many bytes a second at most, also after a restart; "" leaves one as it is.

        Raises NodeDown or NodeRefused.
        """
        await self._object("pincrew/limits", [("download", download), ("upload", upload)])

    async def be_silent(self, seconds: float) -> None:
        """Let it serve nobody for so long; 0: serve again. Raises NodeDown or NodeRefused."""
        await self._object("pincrew/silence", [("seconds", str(round(seconds)))])

    async def aclose(self) -> None:
        """Close every connection, and need it no more."""
        self._keeper.done(self)
        await super().aclose()


async def identity_once_started(node: Node) -> NodeIdentity:
    """Return who a node is; one that is just starting is waited for. Raises NodeDown or NodeRefused."""
    with trio.move_on_after(NODE_START_TIMEOUT_S):
        while True:
            try:
                return await node.id()
            except NodeStarting:
                await trio.sleep(NODE_STARTING_PROBE_DELAY_S)
    return await node.id()


async def _end(process: trio.Process) -> None:
    """Ask it to end, by the end of its input and by a signal; one that does not listen is killed."""
    assert process.stdin is not None and process.stdout is not None
    await process.stdin.aclose()
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
        with trio.move_on_after(NODE_STOP_TIMEOUT_S):
            await process.wait()
        if process.returncode is None:
            _log.error("the embedded node (process %d) does not end: it is killed", process.pid)
            process.kill()
            await process.wait()
    await process.stdout.aclose()


def _opened(log: Path) -> int:
    """Open a log for writing; one that has grown too large is put aside, in place of the one before."""
    if log.exists() and log.stat().st_size > NODE_LOG_BYTES_MAX:
        log.replace(log.with_name(f"{log.name}.1"))
    return os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def _why_ended(code: int | None, log: Path, length: int) -> str:
    if code is not None and code < 0:
        return f"it was ended by {signal.Signals(-code).name}"
    return last_words(log, length)
