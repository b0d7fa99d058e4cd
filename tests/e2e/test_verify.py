"""`verify` by hand: damage on both kinds of node is found and mended, also where the daemon is killed in the middle."""

from __future__ import annotations

import base64
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from pincrew.cid import parse_cid
from pincrew.kubo_process import KuboProcess
from pincrew.node.multihash import multihash_of
from pincrew.node.store.schema import MULTIHASH
from support.machines import Crew, Machine, pins_of, read_content, until

pytestmark = [pytest.mark.slow]
FILE_BYTES = 1_000_000


def serving(crew: Crew) -> tuple[Machine, str, str, bytes]:
    """A curator of one file; return it, what others follow, the file's CID and its content."""
    curator = crew.machine("curator")
    made = curator.create("archive", node="embedded")
    ready = curator.serve("archive", "--publish", "127.0.0.1:0")
    (curator.folder / "film").write_bytes(content := os.urandom(FILE_BYTES))
    (one,) = curator.json_lines("add", "film")
    return curator, f"{ready['publish']}#{made['id']}", one["cid"], content


def a_leaf(curator: Machine, cid: str) -> bytes:
    """A block somewhere in the middle of a file."""
    return parse_cid([line["Ref"] for line in curator.node.lines("refs", [("arg", cid)])][1])


def spoil_embedded(machine: Machine, cid: bytes) -> None:
    with closing(sqlite3.connect(machine.home.node.blocks, timeout=20.0)) as database:
        before = database.total_changes
        database.execute(f"UPDATE blocks SET data=zeroblob(length(data)) WHERE {MULTIHASH}=?", (multihash_of(cid),))
        assert database.total_changes == before + 1
        database.commit()


def spoil_kubo(kubo: KuboProcess, cid: bytes) -> None:
    key = base64.b32encode(multihash_of(cid)).decode().rstrip("=")
    (path,) = (kubo.repository / "blocks").rglob(f"{key}.data")
    size = path.stat().st_size
    path.chmod(0o600)
    path.write_bytes(b"x" * size)


def test_an_embedded_node_is_mended(crew: Crew) -> None:
    curator, source, cid, content = serving(crew)
    follower = crew.machine("follower")
    follower.follow(source, "--all", node="embedded")
    follower.until_state("archive", "complete")
    assert [one["result"] for one in follower.json_lines("verify", "--all")] == ["sound"]
    assert follower.json_lines("pins")[0]["checked"] is not None
    spoil_embedded(follower, a_leaf(curator, cid))
    (found,) = follower.json_lines("verify", cid)
    assert (found["result"], found["damaged"] + found["missing"]) == ("repaired", 1)
    assert follower.held(cid) == content
    assert [one["result"] for one in follower.json_lines("verify", "--sample")] == ["sound"]


@pytest.mark.kubo
@pytest.mark.long
def test_a_kubo_is_mended_and_a_crash_in_the_middle_loses_nothing(crew: Crew, kubo: KuboProcess) -> None:
    curator, source, cid, content = serving(crew)
    follower = crew.machine("follower")
    follower.follow(source, "--all", node=kubo.url)
    follower.until_state("archive", "complete")
    spoil_kubo(kubo, a_leaf(curator, cid))
    assert [one["result"] for one in follower.json_lines("verify", cid)] == ["repaired"]
    assert read_content(kubo, cid) == content

    # Nobody sends what is bad, so that mending stays in its middle: the pin is off, and what there is set aside.
    curator.node.object("pincrew/silence", [("seconds", "600")])
    spoil_kubo(kubo, a_leaf(curator, cid))
    with verifying(follower, cid):
        until(lambda: cid not in pins_of(kubo), "it is unpinned, to be mended")
        follower.kill()
    kubo.ipfs("repo", "gc")
    curator.node.object("pincrew/silence", [("seconds", "0")])
    follower.run("daemon", "start")
    follower.adopt()
    until(lambda: cid in pins_of(kubo), "it is mended and pinned again", 150)
    assert read_content(kubo, cid) == content
    follower.until_state("archive", "complete")
    # By itself it would look some minutes after the start, which has other things to do.
    assert [one["result"] for one in follower.json_lines("verify", cid)] == ["sound"]
    assert kubo.ipfs("files", "ls", "/").strip() == b"", "nothing is set aside any more"


@contextmanager
def verifying(follower: Machine, cid: str) -> Iterator[None]:
    """`verify` in the background."""
    process = follower.start("verify", cid)
    try:
        yield
    finally:
        assert process.wait(60) != 0, "it says that it was not done"
