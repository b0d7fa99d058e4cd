"""A network of its own for the machines of one test: network namespaces, joined by veth pairs to a bridge.

Nobody needs to be root: all of it belongs to a user namespace of the test. It is gone with the processes that hold it.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator

from support.machines import Machine

_HOLD = "echo made && exec sleep 3600"


class Bridge:
    """The namespace in which the bridge is; ``plug`` gives a machine its own, and a cable to it."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        """Raises OSError where the system allows none of this."""
        self._stack = stack
        self._holder = self._hold("unshare", "-Urn")
        self._within = ("nsenter", "-t", str(self._holder), "-U", "-n", "--preserve-credentials")
        self._cables: dict[str, str] = {}
        self._ip("link", "add", "bridge", "type", "bridge")
        self._ip("link", "set", "bridge", "up")

    def plug(self, machine: Machine) -> None:
        """Have a machine run in a namespace of its own, at an address that only this bridge knows."""
        number = len(self._cables) + 1
        cable, address = f"cable{number}", f"10.77.0.{number}"
        holder = str(self._hold(*self._within, "unshare", "-n"))
        within = ("nsenter", "-t", holder, "-U", "-n", "--preserve-credentials")
        self._ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", holder)
        self._ip("link", "set", cable, "master", "bridge", "up")
        for words in (f"addr add {address}/24 dev eth0", "link set eth0 up", "link set lo up"):
            _run(*within, "ip", *words.split())
        self._cables[machine.name] = cable
        machine.within = within
        machine.listen = f"/ip4/{address}/tcp/0"

    def cut(self, *machines: Machine) -> None:
        """Take the cables of these machines down: what they send is lost, and nobody tells them."""
        for machine in machines:
            self._ip("link", "set", self._cables[machine.name], "down")

    def heal(self, *machines: Machine) -> None:
        """Take them up again."""
        for machine in machines:
            self._ip("link", "set", self._cables[machine.name], "up")

    def _ip(self, *words: str) -> None:
        _run(*self._within, "ip", *words)

    def _hold(self, *command: str) -> int:
        """Start what holds a namespace; return its process id once the namespace is made."""
        process = subprocess.Popen(
            [*command, "sh", "-c", _HOLD], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._stack.callback(_end, process)
        assert process.stdout is not None
        if process.stdout.readline() != "made\n":
            raise OSError(f"{command[0]} made no namespace")
        return process.pid


def _run(*command: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=30)
    except subprocess.CalledProcessError as error:
        raise OSError(f"{' '.join(command)}: {error.stderr}") from error


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


@contextlib.contextmanager
def bridge() -> Iterator[Bridge]:
    """A bridge without machines. Raises OSError where the system lets nobody have one."""
    with contextlib.ExitStack() as stack:
        yield Bridge(stack)
