"""Power cuts at both ends, and a disk put back to an old state: what was acknowledged is there and reaches everyone."""

from __future__ import annotations

import shutil

import pytest

from support.ingest import Ingest
from support.machines import Crew, made_up_cids, until

pytestmark = pytest.mark.slow
HEAL_S = 20.0


def test_what_was_acknowledged_survives_a_kill_of_the_curator_and_of_the_follower(crew: Crew) -> None:
    curator, follower = crew.machine("curator"), crew.machine("follower")
    cids = made_up_cids(20_000, "restarts")
    made = curator.create("archive")
    before = curator.serve("archive", "--publish", "127.0.0.1:0")
    follower.follow(f"{before['publish']}#{made['id']}")

    ingest = Ingest(curator, "archive", cids, 500)
    until(lambda: len(ingest.acknowledged) >= 5_000, "a quarter is acknowledged")
    curator.kill()
    ingest.join()
    acknowledged = set(ingest.acknowledged)
    assert len(acknowledged) < len(cids), "the kill came too late to prove anything"

    after = curator.serve("archive")
    assert after["p2p"] == before["p2p"], "the port was chosen once"
    assert acknowledged <= curator.cids("archive")
    follower.until("archive", lambda summary: summary.curators.connected == 1, "they meet again", HEAL_S)
    until(lambda: acknowledged <= follower.cids("archive"), "what was acknowledged reaches the follower", HEAL_S)

    ingest = Ingest(curator, "archive", cids, 500)
    until(lambda: len(ingest.acknowledged) >= 5_000, "a quarter is acknowledged again")
    follower.kill()
    follower.run_daemon()
    ingest.join()
    assert len(ingest.acknowledged) == len(cids)
    curator.kill()
    follower.kill()
    curator.serve("archive")
    follower.run_daemon()
    follower.until("archive", lambda summary: summary.pins.total == len(cids), "everything arrives", HEAL_S)
    assert curator.cids("archive") == follower.cids("archive") == set(cids)


def test_a_curator_whose_disk_was_put_back_goes_on_and_gets_its_own_writes_back(crew: Crew) -> None:
    curator, follower = crew.machine("curator"), crew.machine("follower")
    old, newer, newest = (made_up_cids(50, f"restored {age}") for age in ("old", "newer", "newest"))
    copy = crew.folder / "copy"
    made = curator.create("archive")
    ready = curator.serve("archive", "--publish", "127.0.0.1:0")
    curator.run("pin", "add", "-", stdin="\n".join(old))
    follower.follow(f"{ready['publish']}#{made['id']}")
    curator.stop()
    shutil.copytree(curator.home.root, copy)
    curator.serve("archive")
    curator.run("pin", "add", "-", stdin="\n".join(newer))
    curator.run("pin", "rm", *old[:5])
    wanted = {*old[5:], *newer}
    until(lambda: follower.cids("archive") == wanted, "the follower has it")
    curator.kill()

    shutil.rmtree(curator.home.root)
    copy.rename(curator.home.root)
    curator.serve("archive")
    curator.run("pin", "add", "-", stdin="\n".join(newest))
    wanted |= set(newest)
    until(lambda: follower.cids("archive") == wanted, "the follower has the newest too", HEAL_S)
    until(lambda: curator.cids("archive") == wanted, "the curator has back what it lost", HEAL_S)
    states = [machine.json("status")["clusters"][0]["reasons"] for machine in (curator, follower)]
    assert "session_stopped" not in str(states)
