"""What ends a command early, and the exit codes of ipfs-cluster-ctl."""

from __future__ import annotations

from enum import IntEnum

from pincrew.rest.shapes import Fault


class Exit(IntEnum):
    """What the shell is told."""

    DONE = 0
    FAILED = 1  # usage, a local file, or no answer
    REFUSED = 2  # the peer answered with an error
    NO_SUCH_COMMAND = 3
    OUT_OF_TIME = 62  # `--wait`
    INTERRUPTED = 130


class Stopped(Exception):
    """Something on this side does not work: told on stderr as `error <doing>: <cause>`."""

    def __init__(self, doing: str, cause: str, code: Exit = Exit.FAILED) -> None:
        super().__init__(f"error {doing}: {cause}")
        self.code = code


class UsageFault(Exception):
    """A command line that cannot be understood."""

    def __init__(self, text: str, code: Exit = Exit.FAILED) -> None:
        super().__init__(text)
        self.code = code


class Refused(Exception):
    """The peer answered with an error, or (code 0) did not answer: told on stdout, where ipfs-cluster-ctl tells it."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(f"{fault.message} ({fault.code})")
        self.fault = fault

    @property
    def code(self) -> Exit:
        """Return the exit code."""
        return Exit.REFUSED if self.fault.code else Exit.FAILED


def no_answer(message: str) -> Refused:
    """Return what is told where no answer came."""
    return Refused(Fault(code=0, message=message))
