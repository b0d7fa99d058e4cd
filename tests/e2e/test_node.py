"""A node that is absent, or goes in the middle of a pin: a state that is shown, and work that goes on by itself."""

from __future__ import annotations

import os
from pathlib import Path

import httpx
import pytest

from pincrew.kubo_process import KuboProcess
from support.kubo_process import running_kubo
from support.machines import Crew, add_content, made_up_cids, pins_of, read_content

pytestmark = [pytest.mark.kubo, pytest.mark.slow]


def test_an_absent_node_is_a_state_and_work_goes_on_when_it_comes(
    crew: Crew, kubo_program: Path, kubo: KuboProcess, tmp_path: Path
) -> None:
    curator, follower = crew.machine("curator"), crew.machine("follower")
    contents = [b"absent %d" % number * 700 for number in range(3)]
    cids = add_content(kubo, *contents)
    made = curator.create("archive", node=kubo.url)
    ready = curator.serve("archive", "--publish", "127.0.0.1:0")
    curator.run("pin", "add", *cids)
    with running_kubo(kubo_program, tmp_path / "ipfs") as node:
        address = node.url
        node.stop()
        said = follower.follow(f"{ready['publish']}#{made['id']}", "--wait", "--timeout", "3s", node=address, code=7)
        assert "Following goes on" in said.err
        (cluster,) = follower.json("status")["clusters"]
        assert (cluster["state"], cluster["node"]["state"]) == ("waiting", "down")
        assert cluster["pins"]["queued"] == 3
        assert "node_down" in [reason["code"] for reason in cluster["reasons"]]
        assert follower.run("status", "-q", code=5).out == ""
        assert "FAIL" in follower.run("doctor", code=1).out

        node.start()
        follower.until_state("archive", "complete")
        assert set(cids) <= set(pins_of(node))

        # Half of this is nowhere, so that its pin is still under way when the node is killed.
        whole = os.urandom(4 * 1024 * 1024)
        (slow,) = add_content(kubo, whole)
        leaf = kubo.ipfs("refs", slow).split()[-1].decode()
        httpx.post(f"{kubo.url}/api/v0/block/rm?arg={leaf}").raise_for_status()
        curator.run("pin", "add", slow)
        follower.until("archive", lambda summary: summary.pins.pinning == 1, "the pin is under way")
        node.kill()
        follower.until_state("archive", "waiting")
        node.start()
        follower.until("archive", lambda summary: summary.pins.pinning == 1, "it goes on by itself")
        assert add_content(kubo, whole) == [slow]
        follower.until_state("archive", "complete")
        assert read_content(node, slow) == whole


def test_what_nobody_had_is_tried_again_when_told(crew: Crew, other_kubo: KuboProcess) -> None:
    curator = crew.machine("curator")
    follower = crew.machine("follower", PINCREW_PIN_NO_PROGRESS="1s")
    contents = [os.urandom(2_000) for _ in range(3)]
    cids = [other_kubo.ipfs("add", "-Q", "-n", "--cid-version=1", stdin=one).decode().strip() for one in contents]
    made = curator.create("archive")
    ready = curator.serve("archive", "--publish", "127.0.0.1:0")
    curator.run("pin", "add", *cids)
    follower.follow(f"{ready['publish']}#{made['id']}", node=other_kubo.url)
    follower.until("archive", lambda summary: summary.pins.error == 3, "nobody has it")
    assert "pincrew retry" in follower.run("errors").err

    assert add_content(other_kubo, contents[0]) == cids[:1]
    tried = follower.json("retry", cids[0])
    assert (tried["cluster"], tried["pins"], tried["others"]) == ("archive", 1, {})
    follower.until("archive", lambda summary: summary.pins.pinned == 1, "the one that is there now")
    assert add_content(other_kubo, *contents[1:]) == cids[1:]
    assert follower.json("retry", "--all-errors")["pins"] <= 2, "one may be under way by itself just now"
    follower.until_state("archive", "complete")
    assert "is not on the list" in follower.run("retry", *made_up_cids(1, "retry"), code=1).err
    assert follower.run("retry", "--all-errors").err == "No pin is in error.\n"
