"""The real daemon under a service manager: what that hears of it, on a socket in the place of systemd's."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import sys
from pathlib import Path

import pytest

from support.machines import NOBODY, Crew, Machine, until

pytestmark = pytest.mark.slow


class Manager:
    """Listens as systemd does."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.socket.setblocking(False)
        self.heard: list[str] = []

    def hears(self, line: str) -> bool:
        while True:
            try:
                self.heard += self.socket.recv(4_096).decode().splitlines()
            except BlockingIOError:
                return line in self.heard

    def __enter__(self) -> Manager:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


def daemon_under(machine: Machine, address: str, **variables: str) -> int:
    machine.environment |= {"NOTIFY_SOCKET": address, **variables}
    return machine.run_daemon()


def test_it_hears_when_work_is_accepted_how_it_goes_and_when_it_ends(crew: Crew, tmp_path: Path) -> None:
    machine = crew.machine("curator")
    machine.create("archive", node=NOBODY)
    with Manager(str(tmp_path / "notify")) as manager:
        pid = daemon_under(machine, str(tmp_path / "notify"), WATCHDOG_USEC="500000")
        until(lambda: manager.hears("READY=1"), "it is ready")
        assert machine.client.daemon().pid == pid, "the API answers by then"
        until(lambda: manager.hears("STATUS=archive: waiting"), f"it says how it goes: {manager.heard}")
        until(lambda: manager.hears("WATCHDOG=1") and manager.heard.count("WATCHDOG=1") > 3, "it says that it lives")
        assert not manager.hears("STOPPING=1")
        os.kill(pid, signal.SIGSTOP)  # as while the machine sleeps
        os.kill(pid, signal.SIGCONT)
        assert machine.client.daemon().pid == pid
        machine.stop()
        assert manager.hears("STOPPING=1")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has abstract socket names")
def test_an_abstract_name_and_children_that_do_not_speak_in_its_name(crew: Crew) -> None:
    machine = crew.machine("curator")
    machine.create("archive", node="embedded")
    address = f"@pincrew-{secrets.token_hex(8)}"
    with Manager(address) as manager:
        daemon_under(machine, address)
        until(lambda: manager.hears("READY=1"), "it is ready")
        environ = Path(f"/proc/{machine.node_pid()}/environ").read_bytes()
        assert b"NOTIFY_SOCKET" not in environ
        machine.stop()
