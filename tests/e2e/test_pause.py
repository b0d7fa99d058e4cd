"""`pause` in the middle of a pin (of PINCREW_PAUSED_MB): it stops, survives a restart, and goes on where it was."""

from __future__ import annotations

import os

import pytest

from pincrew.kubo_process import KuboProcess
from support.machines import Crew, pins_of, until

pytestmark = [pytest.mark.slow]
MEGABYTE = 1_000_000
SIZE = int(os.environ.get("PINCREW_PAUSED_MB", "32")) * MEGABYTE


@pytest.mark.parametrize(
    "node",
    ["embedded", pytest.param("kubo", marks=[pytest.mark.kubo, pytest.mark.long])],
)
def test_in_the_middle_of_a_pin(crew: Crew, node: str, request: pytest.FixtureRequest) -> None:
    curator, follower = crew.machine("curator"), crew.machine("follower")
    made = curator.create("archive", node="embedded")
    ready = curator.serve("archive", "--publish", "127.0.0.1:0")
    (curator.folder / "film").write_bytes(os.urandom(SIZE))
    (one,) = curator.json_lines("add", "film")
    kubo: KuboProcess | None = request.getfixturevalue("kubo") if node == "kubo" else None
    address = node if kubo is None else kubo.url
    # What sends it is what is slow: so there is a middle, on both kinds of node.
    curator.node.object("pincrew/limits", [("upload", str(SIZE // 30))])
    follower.follow(f"{ready['publish']}#{made['id']}", "--all", node=address)

    def arrived() -> int:
        return max((pin.get("bytes_done") or 0 for pin in follower.json_lines("pins")), default=0)

    until(lambda: arrived() > SIZE // 10, "some of it is here")
    going = follower.summary("archive")
    assert going is not None and going.progress is not None and going.progress.flights[0].cid == one["cid"]
    said = follower.run("pause", "--for", "1h")
    assert "paused until" in said.out
    summary = follower.until_state("archive", "paused")
    assert summary.paused_until is not None
    assert "nothing new is fetched" in follower.run("status").out
    until(lambda: follower.json("status")["clusters"][0]["pins"]["queued"] == 1, "it waits")
    assert follower.json_lines("pins")[0]["tries"] == 0

    follower.run("daemon", "stop")
    follower.run("daemon", "start")
    assert follower.until_state("archive", "paused").paused_until == summary.paused_until
    assert follower.json("status")["clusters"][0]["pins"]["pinned"] == 0
    curator.node.object("pincrew/limits", [("upload", "none")])
    follower.run("resume")
    follower.until_state("archive", "complete")
    assert follower.json("pause")["until"] is None
    held = follower.own_pins() if kubo is None else pins_of(kubo)
    assert one["cid"] in held
