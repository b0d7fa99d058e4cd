"""Every exit code of `pincrew`, in one place (docs/commands.md tells the same to users)."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from pincrew.api.shapes import Summary


class ExitCode(IntEnum):
    """What the shell is told. 4, 5 and 6 come only from `status -q`."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NO_DAEMON = 3
    ERRORS = 4
    WAITING = 5
    FULL = 6
    TIMED_OUT = 7
    NOT_ALLOWED = 8
    INTERRUPTED = 130


MEANING: dict[ExitCode, str] = {
    ExitCode.DONE: "done",
    ExitCode.FAILED: "failed",
    ExitCode.USAGE: "usage, bad input, or it would have to ask without a terminal",
    ExitCode.NO_DAEMON: "the daemon is not running",
    ExitCode.ERRORS: "`status -q`: there are pins in error, or a cluster failed",
    ExitCode.WAITING: "`status -q`: a cluster waits for its node, for peers or for a curator",
    ExitCode.FULL: "`status -q`: a cluster is full",
    ExitCode.TIMED_OUT: "`--wait` ran out of time",
    ExitCode.NOT_ALLOWED: "not allowed: a follower was asked to write",
    ExitCode.INTERRUPTED: "interrupted with Ctrl-C",
}


def of_clusters(clusters: Iterable[Summary], *, is_daemon_running: bool) -> ExitCode:
    """Return what `status -q` says: of several, the first of no daemon, waiting, errors, full."""
    if not is_daemon_running:
        return ExitCode.NO_DAEMON
    found = {_of_cluster(cluster) for cluster in clusters}
    for code in (ExitCode.WAITING, ExitCode.ERRORS, ExitCode.FULL):
        if code in found:
            return code
    return ExitCode.DONE


def _of_cluster(cluster: Summary) -> ExitCode:
    if cluster.state == "waiting":
        return ExitCode.WAITING
    if cluster.state == "failed" or cluster.pins.error:
        return ExitCode.ERRORS
    return ExitCode.FULL if cluster.state == "full" else ExitCode.DONE
