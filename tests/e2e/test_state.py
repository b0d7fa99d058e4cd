"""The list as a file: backed up while the daemon runs, restored elsewhere, compared."""

from __future__ import annotations

import json

import pytest

from support.machines import Crew, made_up_cids

pytestmark = pytest.mark.slow


def test_a_list_is_backed_up_and_restored(crew: Crew) -> None:
    machine, other = crew.machine("machine"), crew.machine("other")
    first, second, third = made_up_cids(3, "state")
    machine.create("archive")
    machine.run_daemon()
    machine.run("pin", "add", first, "--name", "one", "--metadata", "by=ana", "--expire-in", "30d")
    machine.run("pin", "add", second, "--replication-min", "-1", "--mode", "direct", "--origins", "/ip4/1.2.3.4/tcp/1")
    machine.run("pin", "update", first, third)

    backup = str(crew.folder / "backup.jsonl")
    said = machine.json("state", "export", "-o", backup)
    assert (said["pins"], said["lossy"]) == (3, 0)
    assert machine.json("state", "verify", backup)["equal"] == 3
    assert "Nothing to do" in machine.run("state", "import", backup).err

    # Removed, changed and added meanwhile: the file wins.
    machine.run("pin", "rm", second)
    machine.run("pin", "add", third, "--name", "changed")
    (fourth,) = made_up_cids(1, "state, later")
    machine.run("pin", "add", fourth)
    differences = machine.json("state", "verify", backup, code=1)
    assert differences["first"] == {"only_file": [second], "only_store": [fourth], "different": [third]}
    said = machine.run("state", "import", backup, "--replace", code=2)
    assert "1 pin of archive" in said.err and "--yes" in said.err
    assert fourth in machine.cids("archive")
    answer = machine.json("state", "import", backup, "--replace", "--yes")
    assert [answer[key] for key in ("added", "changed", "unchanged", "removed")] == [1, 1, 1, 1]
    machine.run("state", "verify", backup)
    machine.stop()
    machine.run("state", "verify", backup)
    assert "daemon start" in machine.run("state", "import", backup, code=3).err

    # Another cluster, which then writes the same file, times included.
    other.create("copy")
    other.run_daemon()
    assert other.json("state", "import", backup)["added"] == 3
    exported = other.run("state", "export").out
    as_sets = [sorted(text.splitlines()) for text in (exported, (crew.folder / "backup.jsonl").read_text())]
    assert as_sets[0] == as_sets[1]
    assert all(json.loads(line)["cid"] in (first, second, third) for line in exported.splitlines())


def test_a_follower_backs_its_list_up_and_may_not_write_it(crew: Crew) -> None:
    curator, follower = crew.machine("curator"), crew.machine("follower")
    (cid,) = made_up_cids(1, "followed state")
    curator.create("archive")
    curator.serve("archive")
    curator.run("pin", "add", cid)
    curator.run("publish", "-o", "archive.toml")
    follower.follow(str(curator.folder / "archive.toml"))
    follower.until("archive", lambda summary: summary.pins.total == 1, "the list arrives")
    backup = str(crew.folder / "backup.jsonl")
    follower.run("state", "export", "-o", backup)
    curator.run("state", "verify", backup)
    assert "follows archive" in follower.run("state", "import", backup, code=8).err
