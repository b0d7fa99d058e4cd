"""Disks that are full or cannot be written: it is refused in words, nothing is lost, and work goes on by itself."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.ingest import Ingest
from support.machines import Crew, Machine, made_up_cids, until
from support.small_disk import MEBIBYTE, SmallDisk, small_disk
from support.three import NAME, agree

pytestmark = [pytest.mark.slow, pytest.mark.thorough]
SIZE_BYTES = 24 * MEBIBYTE
SPARE_BYTES = 300 * 1024
HEAL_S = 60.0


@pytest.fixture
def disk() -> Iterator[SmallDisk]:
    # Its sockets are named through /proc, and a socket's name has room for no more than this.
    with tempfile.TemporaryDirectory(prefix="pc-") as folder, small_disk(Path(folder, "d"), SIZE_BYTES) as made:
        yield made


def on(disk: SmallDisk, crew: Crew, name: str) -> Machine:
    """A machine whose home is on a disk."""
    machine = crew.machine(name)
    disk.give(machine)
    return machine


def joined(curator: Machine, follower: Machine) -> None:
    curator.create(NAME)
    curator.serve(NAME)
    document = str(curator.folder / "books.toml")
    curator.run("publish", "-o", document)
    follower.follow(document)
    follower.until(NAME, lambda summary: summary.peers.connected > 0, "they meet")


def test_a_curator_whose_disk_fills_up_while_it_is_written(disk: SmallDisk, crew: Crew) -> None:
    curator, follower = on(disk, crew, "curator"), crew.machine("follower")
    joined(curator, follower)
    cids = made_up_cids(20_000, "full")
    with Ingest(curator, NAME, cids[:10_000], 500) as ingest:
        until(lambda: len(ingest.acknowledged) >= 1_000, "some are acknowledged")
        disk.fill(SPARE_BYTES)
        ingest.join()
    assert ingest.refused is not None and "no room" in ingest.refused.sentence
    assert "by itself" in str(ingest.refused.next_step)
    acknowledged = ingest.acknowledged
    until(lambda: set(acknowledged) <= follower.cids(NAME), "what was acknowledged reaches the follower all the same")

    disk.make_room()
    with Ingest(curator, NAME, cids[10_000:], 500) as ingest:
        ingest.join()
    assert ingest.refused is None, "the same daemon goes on"
    print(f"the same list {agree((curator, follower), [*acknowledged, *cids[10_000:]], patience_s=HEAL_S):.1f} s later")


def test_a_follower_whose_disk_fills_up_while_it_follows(disk: SmallDisk, crew: Crew) -> None:
    curator, follower = crew.machine("curator"), on(disk, crew, "follower")
    joined(curator, follower)
    pid = follower.adopt()
    cids = made_up_cids(20_000, "full")
    curator.run("pin", "add", "-", stdin="\n".join(cids[:1_000]))
    until(lambda: len(follower.cids(NAME)) == 1_000, "the first have come")
    disk.fill(SPARE_BYTES)
    with Ingest(curator, NAME, cids[1_000:], 500) as ingest:
        ingest.join()
    assert ingest.refused is None, "a follower's disk is nothing to its curator"
    text = follower.until_reason(NAME, "disk_low")
    assert "no room" in text
    assert "Free some space" in follower.run("status", code=None).all

    disk.make_room()
    print(f"the same list {agree((curator, follower), cids, patience_s=HEAL_S):.1f} s after there was room again")
    assert follower.adopt() == pid, "it is the same daemon"


def test_a_disk_that_cannot_be_written(disk: SmallDisk, crew: Crew) -> None:
    curator, follower = crew.machine("curator"), on(disk, crew, "follower")
    joined(curator, follower)
    cids = made_up_cids(2_000, "read-only")
    curator.run("pin", "add", "-", stdin="\n".join(cids[:1_000]))
    until(lambda: len(follower.cids(NAME)) == 1_000, "the first have come")
    follower.stop()
    disk.set_writable(False)
    for words in (("daemon", "run"), ("daemon", "start")):
        said = follower.run(*words, code=1)
        assert "Read-only file system" in said.err, said
    follower.run("doctor", code=1)
    # SQLite writes beside a store even to read it.
    assert "cannot be used" in follower.run("pin", "ls", "-c", NAME, code=1).err
    curator.run("pin", "add", "-", stdin="\n".join(cids[1_000:]))

    disk.set_writable(True)
    follower.run_daemon()
    agree((curator, follower), cids, patience_s=HEAL_S)
