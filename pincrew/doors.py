"""The daemon's doors: its unix socket, and a TCP address where the user asked for one."""

from __future__ import annotations

import importlib
import os
from functools import partial
from pathlib import Path
from typing import Any

import hypercorn.config
import hypercorn.trio
import trio
from hypercorn.trio.tcp_server import TCPServer

from pincrew.errors import PortInUse, leaf

LOCAL_HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})


class _Connection(TCPServer):  # type: ignore[misc] # hypercorn's trio side has no types
    """A connection that ends with its server.

    hypercorn shields what it sends from being cancelled: one client that stops reading, a paused download, would keep
    the process from ending.
    """

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._close_at_the_end)
            await super().run()
            nursery.cancel_scope.cancel()

    async def _close_at_the_end(self) -> None:
        try:
            await trio.sleep_forever()
        finally:
            self.stream.socket.close()  # no TLS here; it wakes a send that is stuck


def _settle_server() -> None:
    """Let hypercorn use our connections: it has no parameter for that. Again does no harm."""
    running: Any = importlib.import_module("hypercorn.trio.run")
    running.TCPServer = _Connection


def _http_config(bind: str) -> hypercorn.config.Config:
    config = hypercorn.config.Config()
    config.bind = [bind]
    config.graceful_timeout = 1
    config.accesslog = None
    config.errorlog = None
    return config


async def serve_socket(
    app: Any, path: Path, stopping: trio.Event, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Serve on a unix socket that only this user can reach; a file left by a crash is replaced (we hold the lock)."""
    _settle_server()
    _clear(path)
    before = os.umask(0o177)
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(
                partial(hypercorn.trio.serve, app, _http_config(f"unix:{path}"), shutdown_trigger=stopping.wait)
            )
            os.umask(before)
            task_status.started()
    finally:
        os.umask(before)
        _clear(path)


def _clear(path: Path) -> None:
    path.unlink(missing_ok=True)


async def serve_tcp(
    app: Any,
    address: str,
    chosen_by: str,
    stopping: trio.Event,
    *,
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve on HOST:PORT; started with the URL, which names the port also where 0 was asked for.

    Raises PortInUse, which names the option or setting that the address was ``chosen_by``.
    """
    _settle_server()
    try:
        async with trio.open_nursery() as nursery:
            binds: list[str] = await nursery.start(
                partial(hypercorn.trio.serve, app, _http_config(address), shutdown_trigger=stopping.wait)
            )
            task_status.started(binds[0])
    # Nurseries wrap what failed, and `except*` would wrap what is raised here once more. All of it goes on up.
    except BaseExceptionGroup as group:
        failure = leaf(group)
        if not isinstance(failure, OSError):
            raise
        raise PortInUse(
            f"Nothing can listen on {address}: {failure.strerror or failure}",
            next_step=f"Choose another port with {chosen_by}, or stop the other program",
        ) from group
