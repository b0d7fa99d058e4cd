"""A door to a Kubo's RPC that ends the node in the middle of something: at the n-th call of one method."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

from pincrew.kubo_process import KuboProcess

_CHUNK_BYTES = 64 * 1024


class FatalDoor:
    """Passes bytes on. Before the ``calls``-th request of ``method`` reaches the node, the node is killed."""

    def __init__(self, kubo: KuboProcess, method: str, calls: int) -> None:
        self._kubo = kubo
        self._words = f"POST /api/v0/{method}?".encode()
        self._left = calls
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))

    @property
    def url(self) -> str:
        """Where it stands; the same before and after the node's end."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def start(self) -> None:
        self._run(self._accept)

    def stop(self) -> None:
        """Let nobody in any more. The node must have ended, so that no connection is left."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def _run(self, work: object, *given: object) -> None:
        thread = threading.Thread(target=work, args=given, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the listener was closed
            while True:
                client, _ = self._listener.accept()
                self._run(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        address = urlsplit(self._kubo.url)
        with contextlib.suppress(OSError), client, socket.create_connection((address.hostname, address.port)) as node:
            self._run(self._pass_on, node, client)
            while data := client.recv(_CHUNK_BYTES):
                if self._is_fatal(data):
                    self._kubo.kill()
                node.sendall(data)

    def _is_fatal(self, data: bytes) -> bool:
        with self._lock:
            before, self._left = self._left, self._left - data.count(self._words)
            return before > 0 >= self._left

    def _pass_on(self, node: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):  # either side went away: so does the other
            while data := node.recv(_CHUNK_BYTES):
                client.sendall(data)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def fatal_door(kubo: KuboProcess, method: str, calls: int) -> Iterator[FatalDoor]:
    """A door that is open for the length of the block."""
    door = FatalDoor(kubo, method, calls)
    door.start()
    try:
        yield door
    finally:
        door.stop()
