"""What a service manager hears, on real sockets with a path and with an abstract name."""

from __future__ import annotations

import os
import secrets
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio
import trio.testing

from pincrew.service_manager import ServiceManager

PID = 4_711


@contextmanager
def heard(address: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as found:
        found.bind("\0" + address[1:] if address.startswith("@") else address)
        found.setblocking(False)
        yield found


def all_of(found: socket.socket) -> list[str]:
    messages = []
    while True:
        try:
            messages.append(found.recv(4_096).decode())
        except BlockingIOError:
            return messages


def test_it_hears_the_beginning_and_the_end(tmp_path: Path) -> None:
    environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "OTHER": "x"}
    with heard(environment["NOTIFY_SOCKET"]) as found:
        service = ServiceManager.taken_from(environment, PID)
        assert environment == {"OTHER": "x"}  # so that no child speaks in our name
        service.ready()
        service.stopping()
        assert all_of(found) == ["READY=1", "STOPPING=1"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has abstract socket names")
def test_an_abstract_name() -> None:
    name = f"@pincrew-{os.getpid()}-{secrets.token_hex(4)}"
    with heard(name) as found:
        ServiceManager.taken_from({"NOTIFY_SOCKET": name}, PID).ready()
        assert all_of(found) == ["READY=1"]


@pytest.mark.parametrize(("pid", "is_watched"), [(str(PID), True), ("", True), ("1", False)])
def test_it_hears_news_once_and_that_we_live_as_often_as_it_asked(tmp_path: Path, pid: str, is_watched: bool) -> None:
    environment = {"NOTIFY_SOCKET": str(tmp_path / "n"), "WATCHDOG_USEC": "4000000", "WATCHDOG_PID": pid}
    texts = iter(["books: syncing", "books: syncing", "books:\ncomplete" + "e" * 1_000])

    async def main() -> list[str]:
        with heard(environment["NOTIFY_SOCKET"]) as found:
            service = ServiceManager.taken_from(environment, PID)
            async with trio.open_nursery() as nursery:
                await nursery.start(service.run, lambda: next(texts))
                await trio.sleep(5 if is_watched else 25)
                nursery.cancel_scope.cancel()
            return all_of(found)

    messages = trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    alive = "\nWATCHDOG=1" if is_watched else ""
    assert messages[0] == f"STATUS=books: syncing{alive}"
    assert messages[1:-1] == (["WATCHDOG=1"] if is_watched else [])
    assert messages[-1].startswith("STATUS=books: complete")
    assert len(messages[-1]) < 300


@pytest.mark.parametrize(
    "environment", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "@"}, {"NOTIFY_SOCKET": "vsock:2:3"}]
)
def test_where_nobody_asks_nothing_is_said(environment: dict[str, str]) -> None:
    async def main() -> None:
        service = ServiceManager.taken_from(environment, PID)
        service.ready()
        async with trio.open_nursery() as nursery:
            await nursery.start(service.run, lambda: pytest.fail("nobody listens"))

    trio.run(main)


def test_a_manager_that_does_not_listen_is_no_trouble(tmp_path: Path) -> None:
    ServiceManager.taken_from({"NOTIFY_SOCKET": str(tmp_path / "gone")}, PID).ready()
    with heard(str(tmp_path / "full")):
        service = ServiceManager.taken_from({"NOTIFY_SOCKET": str(tmp_path / "full")}, PID)
        for _ in range(10_000):  # more than any queue of datagrams takes
            service.ready()
