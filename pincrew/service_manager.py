"""What is said to the service manager that started us: systemd's notification protocol, sd_notify(3).

It names a datagram socket in NOTIFY_SOCKET, and wants to hear READY=1, STOPPING=1, STATUS=... and, where it asks with
WATCHDOG_USEC, WATCHDOG=1 at least so often. The variables are taken out of the environment, so that no child of ours
speaks in our name. Where nobody asked, nothing is said; a manager that does not listen is no trouble of ours.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, MutableMapping

import trio

from pincrew.limits import SERVICE_STATUS_CHARACTERS_MAX, SERVICE_STATUS_INTERVAL_S

_log = logging.getLogger("pincrew.service_manager")
_VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


class ServiceManager:
    """Whoever started us and wants to hear how we are; maybe nobody."""

    def __init__(self, address: str, watchdog_s: float | None) -> None:
        """``address`` is a path or, beginning with `@`, an abstract name; empty: nobody listens."""
        self._address = b"\0" + os.fsencode(address[1:]) if address.startswith("@") else os.fsencode(address)
        self._watchdog_s = watchdog_s

    @classmethod
    def taken_from(cls, environment: MutableMapping[str, str], pid: int) -> ServiceManager:
        """Return the manager that ``environment`` names to the process ``pid``, and take its variables out of it."""
        address, interval, watched = (environment.pop(name, "") for name in _VARIABLES)
        is_usable = address.startswith(("/", "@")) and len(address) > 1
        is_asked = interval.isascii() and interval.isdigit() and int(interval[:18]) > 0 and watched in ("", str(pid))
        return cls(address if is_usable else "", int(interval[:18]) / 1e6 if is_asked else None)

    def ready(self) -> None:
        """Say that we accept work."""
        self._say("READY=1")

    def stopping(self) -> None:
        """Say that we are ending."""
        self._say("STOPPING=1")

    async def run(
        self, describe: Callable[[], str], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Say how we are whenever ``describe`` says something new, and that we live as often as it is asked for."""
        task_status.started()
        if not self._address:
            return
        # Half of what is asked, as sd_watchdog_enabled(3) advises: the loop being busy for a moment is no death.
        interval_s = min(SERVICE_STATUS_INTERVAL_S, (self._watchdog_s or float("inf")) / 2)
        told = ""
        while True:
            text = " ".join(describe().split())[:SERVICE_STATUS_CHARACTERS_MAX]
            lines = [f"STATUS={text}"] * (text != told) + ["WATCHDOG=1"] * (self._watchdog_s is not None)
            if lines:
                self._say("\n".join(lines))
            told = text
            await trio.sleep(interval_s)

    def _say(self, text: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
                datagrams.setblocking(False)  # we must not wait for the manager: what finds no room is lost
                datagrams.sendto(text.encode(), self._address)
        except OSError as error:
            _log.debug("the service manager was not told: %s", error)
