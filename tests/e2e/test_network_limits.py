"""Limits of the line: true on pincrew's own node, and on average on a Kubo, whose pins are held up."""

from __future__ import annotations

import os
import time

import pytest

from pincrew.kubo_process import KuboProcess
from support.machines import Crew, Machine

pytestmark = [pytest.mark.slow, pytest.mark.long]
MEGABYTE = 1_000_000


def fetched(crew: Crew, node: str, files: int, size: int, rate: int) -> tuple[Machine, float]:
    """Follow a list of files through a limit; return the follower, and the bytes a second at which they came."""
    curator, follower = crew.machine("curator"), crew.machine("follower")
    made = curator.create("archive", node="embedded")
    ready = curator.serve("archive", "--publish", "127.0.0.1:0")
    for number in range(files):
        (curator.folder / f"{number}").write_bytes(os.urandom(size))
    curator.json_lines("add", *(str(number) for number in range(files)))
    follower.run("limits", "--download", str(rate))
    follower.follow(f"{ready['publish']}#{made['id']}", "--all", node=node)
    began = time.monotonic()
    follower.until_state("archive", "complete", 180)
    return follower, files * size / (time.monotonic() - began)


def test_a_true_limit(crew: Crew) -> None:
    rate = 10 * MEGABYTE
    follower, speed = fetched(crew, "embedded", 1, 200 * MEGABYTE, rate)
    assert 0.75 * rate < speed < 1.1 * rate, speed
    assert follower.json("limits")["network"]["is_approximate"] is False


@pytest.mark.kubo
def test_a_kubo_is_steered(crew: Crew, kubo: KuboProcess) -> None:
    rate = 5 * MEGABYTE
    follower, speed = fetched(crew, kubo.url, 40, 8 * MEGABYTE, rate)
    assert speed < 1.5 * rate, speed
    assert speed > 0.5 * rate, speed
    said = follower.run("limits")
    assert "approximately" in said.err
