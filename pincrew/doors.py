"""The daemon's doors: its unix socket, a TCP address where the user asked for one, and streams of another host."""

from __future__ import annotations

import math
import os
import socket
import ssl
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import hypercorn.config
import hypercorn.trio
import trio
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState
from hypercorn.utils import wrap_app

from pincrew import limits
from pincrew.errors import Misuse, PortInUse, leaf
from pincrew.http_connections import Connection, Room, settle_server

LOCAL_HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})


@dataclass(frozen=True, slots=True)
class Tls:
    """A certificate, with those that lead to its authority, and its key: PEM files that fit each other."""

    certificate: Path
    key: Path


def checked_tls(certificate: Path, key: Path, chosen_by: str) -> Tls:
    """Return a pair that can be served with. Raises Misuse."""

    def no_password() -> str:  # OpenSSL would ask the terminal, where there is one
        raise ValueError("the key is encrypted")

    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key, no_password)
    except (OSError, ValueError) as error:
        raise Misuse(
            f"{certificate} and {key} cannot be served with: {getattr(error, 'strerror', None) or error}",
            where=chosen_by,
            means="Nothing listens there",
            next_step="Give a certificate and its own key, both PEM and not encrypted",
        ) from error
    return Tls(certificate, key)


def checked_local(address: str, chosen_by: str, whoever: str) -> str:
    """Return HOST:PORT of this machine alone. Raises Misuse, which says what ``whoever`` reaches another could do."""
    if address.rpartition(":")[0] not in LOCAL_HOSTS:
        raise Misuse(
            f"Whoever reaches {address} could {whoever}",
            where=chosen_by,
            means="Nothing listens there",
            next_step="Choose an address of this machine, like `127.0.0.1:0`",
        )
    return address


def _http_config(
    bind: str | None, tls: Tls | None = None, *, connections_max: int | None = None, stall_s: float = math.inf
) -> hypercorn.config.Config:
    config = hypercorn.config.Config()
    if bind is not None:
        config.bind = [bind]
    config.room = None if connections_max is None else Room(connections_max)
    config.stall_s = stall_s
    config.h11_max_incomplete_size = limits.HTTP_HEAD_BYTES_MAX
    config.keep_alive_timeout = limits.HTTP_IDLE_TIMEOUT_S
    config.ssl_handshake_timeout = limits.HTTP_HANDSHAKE_TIMEOUT_S
    config.alpn_protocols = ["http/1.1"]
    if tls is not None:
        config.certfile, config.keyfile = str(tls.certificate), str(tls.key)
    config.graceful_timeout = 1
    config.keep_alive_max_requests = limits.HTTP_REQUESTS_PER_CONNECTION_MAX
    config.accesslog = None
    config.errorlog = None
    return config


class StreamDoor:
    """Speaks HTTP on streams that somebody else takes in: each a trio stream with a `socket` that knows its ends."""

    def __init__(self, app: Any) -> None:
        settle_server()
        self._app = wrap_app(app, 0, "asgi")
        self._config = _http_config(None)

    async def serve(self, stream: Any) -> None:
        """Answer what is asked on one, until it ends."""
        await Connection(self._app, self._config, WorkerContext(None), ConnectionState({}), stream).run()


async def serve_socket(
    app: Any,
    path: Path,
    stopping: trio.Event,
    *,
    connections_max: int | None = None,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve on a unix socket that only this user can reach; a file left by a crash is replaced (we hold the lock)."""
    settle_server()
    _clear(path)
    try:
        async with trio.open_nursery() as nursery:
            config = _http_config(_bound_privately(path), connections_max=connections_max)
            await nursery.start(partial(hypercorn.trio.serve, app, config, shutdown_trigger=stopping.wait))
            task_status.started()
    finally:
        _clear(path)


def _bound_privately(path: Path) -> str:
    """Bind a socket that only this user can reach and return hypercorn's name of it.

    The mask is that of the whole process, in which other clusters make files and folders: it is theirs again at once.
    """
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        made.bind(str(path))
        return f"fd://{made.detach()}"
    finally:
        os.umask(before)
        made.close()


def _bound(address: str) -> str:
    """Bind a socket to HOST:PORT and return hypercorn's name of it; hypercorn itself leaks one that it cannot bind."""
    host, _, port = address.rpartition(":")
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host.strip("[]"), int(port)))
        made.listen()  # from here on nobody else can have the address
        return f"fd://{made.detach()}"
    finally:
        made.close()


def _clear(path: Path) -> None:
    path.unlink(missing_ok=True)


async def serve_tcp(
    app: Any,
    address: str,
    chosen_by: str,
    stopping: trio.Event,
    *,
    tls: Tls | None = None,
    connections_max: int | None = None,
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve on HOST:PORT; started with the URL, which names the port also where 0 was asked for.

    Raises PortInUse, which names the option or setting that the address was ``chosen_by``, and Misuse for no address.
    """
    port = address.rpartition(":")[2]
    if not port.isdecimal() or int(port) > 65_535:
        raise Misuse(f"{address!r} is not HOST:PORT", where=chosen_by, next_step="Write it like `127.0.0.1:0`")
    settle_server()
    try:
        async with trio.open_nursery() as nursery:
            stall_s = math.inf if connections_max is None else limits.HTTP_SEND_STALL_S
            config = _http_config(_bound(address), tls, connections_max=connections_max, stall_s=stall_s)
            binds: list[str] = await nursery.start(
                partial(hypercorn.trio.serve, app, config, shutdown_trigger=stopping.wait)
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
