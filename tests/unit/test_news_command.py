"""Real commands: what they are given, and what becomes of those that fail, print without end or hang."""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import trio

from pincrew.cli.background import is_alive
from pincrew.errors import WorldFault
from pincrew.limits import TELLING_OUTPUT_BYTES_MAX
from pincrew.news_command import EventCommand

FIELDS: Mapping[str, object] = {
    "kind": "trouble",
    "cluster": "books",
    "state": "waiting",
    "before": None,
    "code": "node_down",
    "text": "$(touch never) `x` ; 'y'",
    "time": "2026-01-01T00:00:00Z",
}
BODY = json.dumps(FIELDS).encode() + b"\n"


def tell(line: str, *, timeout_s: float = 20.0, body: bytes = BODY) -> str:
    async def main() -> str:
        with trio.fail_after(60):
            return await EventCommand(line, os.environ, timeout_s=timeout_s).tell(FIELDS, body)

    return trio.run(main)


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], str]:
    def written(text: str) -> str:
        path = tmp_path / "hook script"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return shlex.quote(str(path))

    return written


def test_it_gets_the_event_as_json_and_as_variables(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    code = (
        f"import json, os, sys; json.dump([sys.stdin.read(), dict(os.environ)], open({str(out)!r}, 'w')); print('ok')"
    )
    assert tell(shlex.join([sys.executable, "-c", code])) == "ok"
    body, environment = json.loads(out.read_text())
    assert body.encode() == BODY
    assert environment["PINCREW_EVENT_TEXT"] == FIELDS["text"]
    assert (environment["PINCREW_EVENT_KIND"], environment["PINCREW_EVENT_BEFORE"]) == ("trouble", "")


def test_no_shell_reads_it_unless_its_user_wrote_one() -> None:
    assert tell("echo $HOME ; false") == "$HOME ; false"
    assert tell("sh -c 'echo $PINCREW_EVENT_CLUSTER'") == "books"


def test_it_need_not_read_what_it_is_told() -> None:
    assert tell("true", body=b"x" * 1_000_000) == ""


def test_what_it_prints_is_bounded() -> None:
    assert len(tell("head -c 300000 /dev/zero")) <= TELLING_OUTPUT_BYTES_MAX


def test_failures_are_told_in_words(script: Callable[[str], str]) -> None:
    with pytest.raises(WorldFault, match=r"exit code 3\. no such list\."):
        tell(script("echo no such list >&2; exit 3"))
    with pytest.raises(WorldFault, match="cannot be started: No such file"):
        tell("/no/such/program")


@pytest.mark.slow
def test_one_that_hangs_is_ended_with_all_that_it_started(script: Callable[[str], str], tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    line = script(f"sleep 1000 & echo $! $$ > {shlex.quote(str(pids))}; trap '' TERM; wait")

    async def main() -> None:
        with pytest.raises(WorldFault, match=r"ended after 0\.5 s"):
            await EventCommand(line, os.environ, timeout_s=0.5).tell(FIELDS, BODY)

    trio.run(main)
    deadline = time.monotonic() + 20  # the kernel ends what nobody waits for in its own time
    for pid in map(int, pids.read_text().split()):
        while is_alive(pid):
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.mark.slow
def test_what_it_leaves_behind_is_not_waited_for(script: Callable[[str], str], tmp_path: Path) -> None:
    """A notifier in the background holds the pipe open; that is no hanging command."""
    pid = tmp_path / "pid"
    assert tell(script(f"sleep 1000 & echo $! > {shlex.quote(str(pid))}; echo done")) == "done"
    os.kill(int(pid.read_text()), 9)
