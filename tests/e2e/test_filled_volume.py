"""Somebody else fills the volume of a follower's own node: it stops in time, says so, loses nothing, and goes on."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from support.machines import Crew
from support.small_disk import MEBIBYTE, small_disk

pytestmark = [pytest.mark.slow, pytest.mark.thorough]
FILES, FILE_BYTES = 12, 8 * MEBIBYTE
DISK_BYTES = 320 * MEBIBYTE


@pytest.mark.parametrize(
    "spare",
    [
        pytest.param(24 * MEBIBYTE, id="less than is to stay free", marks=pytest.mark.long),
        pytest.param(200 * 1024, id="nothing at all"),
    ],
)
def test_a_volume_that_others_fill(crew: Crew, spare: int) -> None:
    curator, follower = crew.machine("curator"), crew.machine("follower")
    made = curator.create("archive", node="embedded")
    ready = curator.serve("archive", "--publish", "127.0.0.1:0")
    for number in range(FILES):
        (curator.folder / f"file-{number}").write_bytes(os.urandom(FILE_BYTES))
    curator.json_lines("add", *(f"file-{number}" for number in range(FILES)))
    with tempfile.TemporaryDirectory(prefix="pc-") as folder, small_disk(Path(folder, "d"), DISK_BYTES) as disk:
        disk.give(follower)
        try:
            follower.run("limits", "--download", "8MB")
            follower.follow(f"{ready['publish']}#{made['id']}", "--all", "--keep-free", "10", node="embedded")
            follower.until("archive", lambda seen: seen.pins.pinned >= 2, "some of it is here")
            disk.fill(spare)
            # Which of them sees it first, the node that writes or the follower that looks, is a matter of moments.
            follower.until(
                "archive",
                lambda seen: any(reason.code in ("disk_low", "limit") for reason in seen.reasons),
                "it says that there is no room",
            )
            # It has seen the volume as it is: of one that was full for a moment the node's refusal is believed longer.
            summary = follower.until("archive", lambda seen: (seen.bytes.volume_free or 0) < 64 * MEBIBYTE, "it looked")
            assert summary.pins.pinned < FILES and summary.pins.error == 0
            kept = summary.pins.pinned
            assert len(follower.own_pins()) >= kept, "what was pinned stays"
            assert follower.run("status", code=None).code == 0
            disk.make_room()
            follower.run("limits", "--download", "none")
            follower.until_state("archive", "complete", 120)
            assert len(follower.own_pins()) == FILES
        finally:
            follower.end_everything()  # before its disk goes
