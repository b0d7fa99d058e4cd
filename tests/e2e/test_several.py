"""Several clusters in one daemon, and which of them a command means; with no daemon, what the disk knows."""

from __future__ import annotations

import pytest

from support.machines import Crew, made_up_cids

pytestmark = pytest.mark.slow


def test_one_daemon_follows_one_cluster_and_curates_others(crew: Crew) -> None:
    away, home = crew.machine("away"), crew.machine("home")
    (theirs, ours) = made_up_cids(2, "several")
    away.create("theirs")
    home.create("ours")
    away.serve("theirs")
    away.run("pin", "add", theirs)
    away.run("publish", "-o", "theirs.toml")
    home.run_daemon()
    home.follow(str(away.folder / "theirs.toml"))
    home.until("theirs", lambda summary: summary.pins.total == 1, "the list arrives")

    assert {one["name"]: one["role"] for one in home.json("status")["clusters"]} == {
        "ours": "curator",
        "theirs": "follower",
    }
    assert [one["name"] for one in home.json("status", "-c", "ours")["clusters"]] == ["ours"]
    assert home.json("pin", "add", ours)["cluster"] == "ours", "only one of them can be written"
    assert (home.cids("ours"), home.cids("theirs")) == ({ours}, {theirs})
    assert "follows theirs" in home.run("pin", "add", "-c", "theirs", ours, code=8).err
    assert "follows theirs" in home.run("pin", "rm", "-c", "theirs", theirs, code=8).err
    assert "follows theirs" in home.run("publish", "-c", "theirs", code=8).err
    said = home.run("pins", code=2)
    assert "ours, theirs" in said.err and "-c" in said.err
    assert "Did you mean" in home.run("pins", "-c", "their", code=1).err
    home.run("create", "another", "--listen", "/ip4/127.0.0.1/tcp/0")
    said = home.run("pin", "add", ours, code=2)
    assert "another, ours" in said.err and "theirs" not in said.err

    home.stop()
    status = home.json("status", code=3)
    assert {one["name"]: one["state"] for one in status["clusters"]} == dict.fromkeys(
        ("another", "ours", "theirs"), "stopped"
    )
    assert [one["pins"]["total"] for one in status["clusters"]] == [0, 1, 1]
    assert "daemon start" in home.run("status", code=3).err
    assert home.run("status", "-q", code=3).out == ""
    assert [line["cid"] for line in home.json_lines("pins", "-c", "theirs")] == [theirs]
    assert theirs in home.run("pin", "ls", "-c", "theirs").out, "the list is on this disk"
    for words in (("peers",), ("pin", "status"), ("removals", "show"), ("leave", "--yes")):
        said = home.run(*words, "-c", "theirs", code=3)
        assert "daemon" in said.err and said.out == ""
    assert "daemon" in home.run("pin", "add", ours, "-c", "ours", code=3).err
    assert "not running" in home.run("daemon", "status", code=3).out
    assert "not running" in home.run("daemon", "stop").err


def test_bad_input_is_a_sentence_and_writes_nothing(crew: Crew) -> None:
    machine = crew.machine("machine")
    (cid,) = made_up_cids(1, "bad input")
    machine.create("archive")
    machine.serve("archive")
    for arguments, words in {
        ("pin", "add", "nonsense"): "CID",
        ("pin", "add", cid, "nonsense"): "CID",
        ("pin", "add", cid, "--replication-min", "3", "--replication-max", "2"): "3 to 2",
        ("pin", "add", cid, "--expire-in", "90"): "90",
        ("pin", "add", cid, "--nmae", "x"): "--name",
        ("pin", "addd", cid): "add",
        ("pin", "add", cid, "--allocations", "nobody"): "nobody",
        ("pin", "add", cid, "--timeout", "5m"): "--wait",
        ("pins", "--state", "pined"): "pinned",
        ("follow", "ftp://example.org/x"): "ftp",
        ("create", "archive2", "--listen", "nonsense"): "nonsense",
    }.items():
        said = machine.run(*arguments, code=2)
        assert words in said.err and said.out == "", said
        assert len(said.err.splitlines()) <= 3, said
    assert machine.cids("archive") == set()
    assert "already" in machine.run("create", "archive", code=1).err
    assert "pin" in machine.run("pin", "update", cid, cid, code=2).err
