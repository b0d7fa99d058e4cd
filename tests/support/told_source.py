"""A web server in a thread that serves what the test tells it, now this, now that."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class ToldSource:
    """``body`` is served at every path; ``redirect_to`` is answered instead where it is set, and nothing at all while
    ``is_silent``."""

    def __init__(self) -> None:
        self.body = b""
        self.redirect_to = ""
        self.is_silent = False
        self._is_over = threading.Event()
        told = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if told.is_silent:
                    told._is_over.wait()
                    return
                self.send_response(302 if told.redirect_to else 200)
                if told.redirect_to:
                    self.send_header("Location", told.redirect_to)
                self.send_header("Content-Length", str(len(told.body)))
                self.end_headers()
                with contextlib.suppress(OSError):  # a client may have enough before the end
                    self.wfile.write(told.body)

            def log_message(self, format: str, *args: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/archive.toml"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Be down: connections are refused."""
        self._is_over.set()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


@contextlib.contextmanager
def told_source() -> Iterator[ToldSource]:
    """A source that is down after the block."""
    source = ToldSource()
    source.start()
    try:
        yield source
    finally:
        source.stop()
