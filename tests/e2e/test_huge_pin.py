"""One pin that is said to be larger than any disk, among others: it is left out, in words, and keeps nobody waiting."""

from __future__ import annotations

import os

import pytest

from pincrew.api.shapes import PinRequest
from support.machines import Crew, made_up_cids

pytestmark = [pytest.mark.slow]
FILES, FILE_BYTES = 3, 1_000_000


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        pytest.param(("--limit", "200MB"), "not your part", marks=pytest.mark.long),
        pytest.param(("--limit", "200MB", "--all"), "no room", marks=pytest.mark.long),
        (("--limit", "none"), "no room"),
    ],
    ids=["a part", "all in its order", "no limit but the disk's"],
)
def test_a_pin_of_ten_terabytes(crew: Crew, words: tuple[str, ...], cause: str) -> None:
    curator, follower = crew.machine("curator"), crew.machine("follower")
    made = curator.create("archive", node="embedded")
    ready = curator.serve("archive", "--publish", "127.0.0.1:0")
    names = [f"file-{number}" for number in range(FILES)]
    for name in names:
        (curator.folder / name).write_bytes(os.urandom(FILE_BYTES))
    cids = [one["cid"] for one in curator.json_lines("add", *names)]
    (huge,) = made_up_cids(1, "huge")
    curator.client.write_pins("archive", [PinRequest(huge, name="the whole internet", size=10 * 10**12)])
    follower.follow(f"{ready['publish']}#{made['id']}", *words, "--keep-free", "1", node="embedded")
    # Others that were begun beside it may be stopped with it for a moment, before the disk was looked at.
    summary = follower.until("archive", lambda seen: seen.pins.pinned == FILES and seen.pins.skipped == 1, "the rest")
    assert (follower.until_state("archive", "full").pins.pinned, summary.pins.error) == (FILES, 0)
    assert set(follower.own_pins()) == set(cids)
    (left,) = follower.json_lines("pins", "--state", "skipped")
    assert (left["cid"], left["cause"]) == (huge, cause)
    assert "10.0 TB" in follower.run("status").out
