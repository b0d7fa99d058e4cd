"""A limit on both kinds of node: it holds at every sample, and everything around it is said and decidable."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pincrew.api.shapes import PinRequest
from pincrew.kubo_process import KuboProcess
from support.machines import Crew, Machine, until

pytestmark = [pytest.mark.slow]
MEGABYTE = 1_000_000
LIMIT = 72 * MEGABYTE
FILES, FILE_BYTES = 24, 4 * MEGABYTE


def content(curator: Machine) -> list[str]:
    """Add files to the curator's node, every second of which shares half of its blocks with the one before."""
    names = []
    shared = b""
    for number in range(FILES):
        half = FILE_BYTES // 2 // 262_144 * 262_144
        shared = os.urandom(half) if number % 2 == 0 else shared
        name = f"file-{number:02}"
        (curator.folder / name).write_bytes(shared + os.urandom(FILE_BYTES - half))
        names.append(name)
    return [one["cid"] for one in curator.json_lines("add", *names)]


@contextmanager
def sampled(machine: Machine, files: Path | None) -> Iterator[list[int]]:
    """Sample, as often as can be, what is kept and reserved, and where ``files`` is given how large those are."""
    highest = [0, 0]
    done = threading.Event()

    def sample() -> None:
        while not done.wait(0.02):
            if files is not None:
                sizes = [one.stat().st_size for one in files.parent.glob(f"{files.name}*") if one.exists()]
                highest[1] = max(highest[1], sum(sizes))
            limits = machine.client.limits("archive")
            highest[0] = max(highest[0], limits.kept + limits.reserved)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield highest
    finally:
        done.set()
        thread.join()


@pytest.mark.parametrize("node", ["embedded", pytest.param("kubo", marks=pytest.mark.kubo)])
def test_a_limit_holds_whatever_the_hints_say(crew: Crew, node: str, request: pytest.FixtureRequest) -> None:
    curator, follower = crew.machine("curator"), crew.machine("follower")
    made = curator.create("archive", node="embedded")
    ready = curator.serve("archive", "--publish", "127.0.0.1:0")
    cids = content(curator)
    # A third is said to be ten times as large as it is, a third a tenth of it, of a third nothing is said.
    lies = [10 * FILE_BYTES, FILE_BYTES // 10, None]
    curator.client.write_pins("archive", [PinRequest(cid, size=lies[at % 3]) for at, cid in enumerate(cids)])
    address = node
    files = None
    if node == "kubo":
        kubo: KuboProcess = request.getfixturevalue("kubo")
        address = kubo.url
    else:
        files = follower.folder / "home" / "node" / "blocks.db"
    source = f"{ready['publish']}#{made['id']}"
    for wrong in ("0", "-5GB", "10 parsecs"):
        assert "Nothing" not in follower.follow(source, "--limit", wrong, node=address, code=2).out
    joined = follower.follow(source, "--all", "--limit", f"{LIMIT}", "--keep-free", "0", node=address)
    assert "72.0 MB" in joined.all
    with sampled(follower, files) as highest:
        summary = follower.until_state("archive", "full", 180)
    assert highest[0] <= LIMIT and highest[1] <= LIMIT, highest
    assert summary.bytes.limit == LIMIT and summary.pins.error == 0
    # The embedded store's own log takes half of so small a limit, and what was stopped is not collected at once.
    assert summary.pins.pinned >= 5 and summary.pins.skipped == FILES - summary.pins.pinned
    assert "limit" in [reason.code for reason in summary.reasons]
    assert "limit 72.0 MB" in follower.run("status").out

    # Without a limit the rest comes; what is kept is not lowered without a word.
    follower.run("limits", "--limit", "none")
    follower.until_state("archive", "complete", 180)
    refused = follower.run("limits", "--limit", "70MB", code=2)
    assert "--unpin" in refused.err and "--leave" in refused.err
    assert follower.json("limits")["limit"] is None
    kept = 17
    plan = follower.json("limits", "--limit", "70MB", "--dry-run")
    assert plan["pins"] == FILES - kept and plan["is_dry_run"]
    follower.run("limits", "--limit", "70MB", "--leave")
    assert follower.json("status")["clusters"][0]["pins"]["pinned"] == FILES
    follower.run("limits", "--limit", "70MB", "--unpin")
    until(lambda: follower.json("status")["clusters"][0]["pins"]["pinned"] <= kept, "pins are unpinned")
    until(lambda: not follower.json("status")["clusters"][0]["pins"]["unpinning"], "they are gone")
    assert follower.json("limits")["kept"] <= 70 * MEGABYTE

    # With no daemon the settings are changed, and hold from its next start.
    follower.run("daemon", "stop")
    assert "only the daemon unpins" in follower.run("limits", "--limit", "68MB", "--unpin", code=None).all
    assert follower.json("limits")["limit"] == 70 * MEGABYTE
    follower.run("limits", "--keep-free", "3")
    follower.run("daemon", "start")
    assert follower.json("limits")["keep_free"] == 3
