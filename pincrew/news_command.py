"""Telling news to a command of the user's (`on_event`): the item as JSON on its standard input, its main fields as
variables. No shell reads it unless the user wrote one. A command that hangs is ended, with all that it started."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress

import trio

from pincrew.errors import WorldFault
from pincrew.limits import TELLING_COMMAND_TIMEOUT_S, TELLING_OUTPUT_BYTES_MAX

_PIPE_PATIENCE_S = 0.5  # for what a command that ended has written last
_VARIABLES = ("kind", "cluster", "state", "before", "code", "text", "time")


class EventCommand:
    """The command."""

    name = "on_event"

    def __init__(
        self, line: str, environment: Mapping[str, str], *, timeout_s: float = TELLING_COMMAND_TIMEOUT_S
    ) -> None:
        self._words = shlex.split(line)
        self._environment = environment
        self._timeout_s = timeout_s

    async def tell(self, fields: Mapping[str, object], body: bytes) -> str:
        """Run it once; return the beginning of what it printed. Raises WorldFault when it cannot start or fails."""
        environment = dict(self._environment)
        environment |= {f"PINCREW_EVENT_{name.upper()}": _variable(fields[name]) for name in _VARIABLES}
        try:
            process = await trio.lowlevel.open_process(
                self._words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,  # a group of its own, which can be ended whole
            )
        except (OSError, ValueError) as error:
            reason = os.strerror(error.errno or 0) if isinstance(error, OSError) else str(error)
            raise WorldFault(f"It cannot be started: {reason}") from error
        printed = bytearray()
        is_over = False
        try:
            with trio.move_on_after(self._timeout_s):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_feed, process, body)
                    nursery.start_soon(_read, process, printed)
                    await process.wait()
                    is_over = True
                    nursery.cancel_scope.deadline = trio.current_time() + _PIPE_PATIENCE_S
        finally:
            with trio.CancelScope(shield=True):
                if process.returncode is None:
                    with suppress(ProcessLookupError, PermissionError):
                        os.killpg(process.pid, signal.SIGKILL)
                    await process.wait()
                for pipe in (process.stdin, process.stdout):
                    assert pipe is not None
                    await pipe.aclose()
        text = " ".join(printed.decode(errors="replace").split())
        if not is_over:
            raise WorldFault(f"It was ended after {self._timeout_s:g} s", means=text)
        if process.returncode:
            raise WorldFault(f"It failed with exit code {process.returncode}", means=text)
        return text


async def _feed(process: trio.Process, body: bytes) -> None:
    assert process.stdin is not None
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):  # it need not read what it is told
        async with process.stdin:
            await process.stdin.send_all(body)


async def _read(process: trio.Process, printed: bytearray) -> None:
    """Keep the beginning; the rest is read and dropped, so that it never waits for us."""
    assert process.stdout is not None
    async for data in process.stdout:
        printed += data[: TELLING_OUTPUT_BYTES_MAX - len(printed)]


def _variable(value: object) -> str:
    return "" if value is None else str(value).replace("\0", "")
