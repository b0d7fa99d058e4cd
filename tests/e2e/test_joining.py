"""Joining while no curator is there: another follower has everything, and everything is verified."""

from __future__ import annotations

from pathlib import Path

import pytest

from pincrew.keys import SigningKey, peer_id
from pincrew.kubo_process import KuboProcess
from support.kubo_process import running_kubo
from support.machines import Crew, Machine, add_content, made_up_cids, read_content

pytestmark = [pytest.mark.kubo, pytest.mark.slow]


def test_a_newcomer_gets_the_whole_list_and_the_content_from_a_follower(
    crew: Crew, kubo_program: Path, kubo: KuboProcess, other_kubo: KuboProcess, tmp_path: Path
) -> None:
    curator, first, second = (crew.machine(name) for name in ("curator", "first", "second"))
    document = crew.folder / "archive.toml"
    contents = [f"joining {number}".encode() * 500 for number in range(3)]
    cids = add_content(kubo, *contents)
    curator.create("archive", node=kubo.url)
    curator.serve("archive")
    elsewhere = made_up_cids(2_000, "joining")
    nobody_here = peer_id(SigningKey.from_seed(bytes(32)).public)
    listing = "".join(f'{{"cid":"{cid}","allocations":["{nobody_here}"]}}\n' for cid in elsewhere)
    curator.run("pin", "add", "-", stdin=listing)
    curator.run("pin", "add", *cids, "--name", "joining", "--metadata", "kind=test")
    curator.run("publish", "-o", str(document))
    first.follow(str(document), "--wait", "--timeout", "2m", "--peer-name", "Ana's cellar", node=other_kubo.url)
    curator.until("archive", lambda summary: summary.peers.known == 1, "the follower announced itself")
    assert [peer["name"] for peer in curator.json_lines("peers")] == ["Ana's cellar"]
    published = curator.json("publish", "-o", str(document))
    follower_id = first.client.ready("archive").peer
    assert f"/p2p/{follower_id}" in document.read_text()
    rows = _rows(curator)
    assert len(rows) == 2_003
    curator.stop()

    with running_kubo(kubo_program, tmp_path / "third-kubo") as third:
        source = published["follow"].removeprefix("pincrew follow ")
        second.follow(source, "--wait", "--timeout", "2m", node=third.url)
        for cid, content in zip(cids, contents, strict=True):
            assert read_content(third, cid) == content

        assert _rows(second) == rows == _rows(first)
        summary = second.summary("archive")
        assert summary is not None
        assert (summary.pins.pinned, summary.pins.remote) == (3, 2_000)
        assert summary.curators.connected == 0
        assert [reason.code for reason in summary.reasons] == ["no_curator"]

        # The curator comes back and writes: the newcomer, who never met it, hears of it.
        curator.serve("archive")
        (late,) = add_content(kubo, b"after the break" * 99)
        curator.run("pin", "add", late, "--wait", "3", "--timeout", "1m")
        assert read_content(third, late) == b"after the break" * 99


def _rows(machine: Machine) -> list[str]:
    """Every pin with all that was written of it; each peer lists them in its own order."""
    return sorted(machine.run("pin", "ls", "--json").out.splitlines())
