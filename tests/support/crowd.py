"""A crowd of real followers, a few to a process (``crowd_process``), and what each has seen and when.

``with Crowd(...)`` ends the processes by their ids: they end with their stdin.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from types import TracebackType
from typing import IO

PER_PROCESS = 20
_ANSWER_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 30.0
_PROGRAM = Path(__file__).with_name("crowd_process.py")


def _free_ports(count: int) -> int:
    """Return the first of so many ports in a row that nobody has: chosen one by one, two of 200 would be the same."""
    while True:
        first = random.randrange(10_000, 32_000 - count)
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for port in range(first, first + count):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return first


class Crowd:
    """``count`` followers of the cluster whose config document is at ``source``, in homes below ``folder``."""

    def __init__(self, folder: Path, source: str, count: int) -> None:
        self.count = count
        self._folder = folder
        self._source = source
        self._changed = threading.Condition()
        self._seen: dict[int, dict[int, float]] = defaultdict(dict)  # follower -> pins -> when the list first had them
        self._pins: dict[int, int] = dict.fromkeys(range(count), 0)
        self._answers: list[list[int]] = []
        self._processes: list[subprocess.Popen[str]] = []
        self._readers: list[threading.Thread] = []

    def __enter__(self) -> Crowd:
        self._folder.mkdir(parents=True, exist_ok=True)
        port = _free_ports(self.count)
        for first in range(0, self.count, PER_PROCESS):
            self._start(first, min(PER_PROCESS, self.count - first), port + first)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.close()
        for process in self._processes:
            try:
                process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for reader in self._readers:
            reader.join()
        for process in self._processes:
            assert process.stdout is not None
            process.stdout.close()

    def _start(self, first: int, count: int, port: int) -> None:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self._folder),
            "PINCREW_HOME": str(self._folder),  # so that whoever looks for what was left behind finds it
        }
        with (self._folder / "stderr.log").open("ab") as log:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-P",
                    str(_PROGRAM),
                    str(self._folder),
                    self._source,
                    str(first),
                    str(count),
                    str(port),
                ],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert process.stdout is not None
        self._processes.append(process)
        reader = threading.Thread(target=self._read, args=(process.stdout,))
        self._readers.append(reader)
        reader.start()

    def _read(self, lines: IO[str]) -> None:
        for line in lines:
            fact = json.loads(line)
            with self._changed:
                if "neighbours" in fact:
                    self._answers.append(fact["neighbours"])
                else:
                    self._pins[fact["follower"]] = fact["pins"]
                    self._seen[fact["follower"]].setdefault(fact["pins"], fact["at"])
                self._changed.notify_all()

    def until(self, pins: int, timeout_s: float) -> float:
        """Wait until every follower has a list of so many pins; return when the last one had it (monotonic clock).

        Raises TimeoutError, which says how many have how many, and what the processes said on stderr.
        """
        self._wait(lambda: all(have == pins for have in self._pins.values()), timeout_s, f"{pins} pins")
        return max(self.seen(pins))

    def seen(self, pins: int) -> list[float]:
        """When each follower's list first had at least so many pins; followers that had not are left out."""
        with self._changed:
            return [
                min(at for have, at in seen.items() if have >= pins)
                for seen in self._seen.values()
                if any(have >= pins for have in seen)
            ]

    def neighbours(self) -> list[int]:
        """How many neighbours each follower that runs has now."""
        with self._changed:
            self._answers.clear()
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        self._wait(lambda: len(self._answers) == len(self._processes), _ANSWER_TIMEOUT_S, "an answer")
        return [one for answer in self._answers for one in answer]

    @property
    def cpu_s(self) -> float:
        """Processor time of all followers so far, in seconds."""
        ticks = 0
        for process in self._processes:
            fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def _wait(self, condition: object, timeout_s: float, what: str) -> None:
        assert callable(condition)
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while not condition():
                ended = [process.pid for process in self._processes if process.poll() is not None]
                if time.monotonic() >= deadline or ended:
                    have = sorted(self._pins.values())
                    said = (self._folder / "stderr.log").read_text(errors="replace")[-4_000:]
                    raise TimeoutError(f"no {what} within {timeout_s:g} s (pins {have}, ended {ended})\n{said}")
                self._changed.wait(1.0)
