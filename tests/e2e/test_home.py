"""The daemon and its home: one at a time, ports, versions, room on the disk, and ending in order."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.machines import Crew, made_up_cids, until
from support.small_disk import MEBIBYTE, SmallDisk, small_disk

pytestmark = pytest.mark.slow


def test_a_second_daemon_on_one_home_gives_way(crew: Crew) -> None:
    machine = crew.machine("machine")
    first = machine.run_daemon()
    said = machine.run("daemon", "run", code=1)
    assert f"process {first}" in said.err and "daemon stop" in said.err
    assert machine.run("daemon", "start").err == "It was running already.\n"
    assert machine.json("daemon", "status")["pid"] == first
    machine.run("daemon", "stop")
    assert "not running" in machine.run("daemon", "status", code=3).out
    machine.run("daemon", "start")
    second = machine.adopt()
    machine.kill()
    assert machine.json("daemon", "status", code=3)["running"] is False
    assert machine.json("status", code=3)["clusters"] == []
    machine.run("daemon", "start")
    assert machine.adopt() not in (first, second)


def test_serve_ends_in_order_and_leaves_a_running_daemon_running(crew: Crew) -> None:
    machine = crew.machine("machine")
    machine.create("archive")
    alone = machine.start("serve", "archive")
    assert alone.stdout is not None and alone.stdout.readline().startswith("ready archive ")
    door = machine.home.daemon_socket(machine.environment)
    assert door.exists()
    alone.send_signal(signal.SIGTERM)
    assert alone.wait(30) == 0
    assert not door.exists()
    assert alone.stdout.read() == "", "one line is all that scripts read"

    machine.create("other")
    pid = machine.run_daemon()
    until(lambda: len(machine.client.status().clusters) == 2, "both run")
    machine.client.stop_cluster("archive")
    guest = machine.start("serve", "archive")
    assert guest.stdout is not None and guest.stdout.readline().startswith("ready archive ")
    assert machine.client.daemon().clusters == ["archive", "other"]
    guest.send_signal(signal.SIGINT)
    assert guest.wait(30) == 0
    assert machine.client.daemon().clusters == ["other"]
    assert machine.client.daemon().pid == pid
    assert machine.client.ready("other").peer


def test_a_port_in_use_is_told_at_serve(crew: Crew) -> None:
    machine = crew.machine("machine")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        machine.json("create", "archive", "--listen", f"/ip4/127.0.0.1/tcp/{port}", code=None)
        machine.create("other")
        if machine.home.cluster("archive").settings.exists():
            said = machine.run("serve", "archive", code=1)
            assert str(port) in said.err and said.out == ""
        said = machine.run("serve", "other", "--publish", f"127.0.0.1:{port}", code=1)
        assert str(port) in said.err and "`--publish HOST:PORT`" in said.err and said.out == ""
        machine.run_daemon()
        machine.until("other", lambda summary: summary.state != "joining", "the other cluster runs")
        said = machine.run("serve", "other", "--publish", f"127.0.0.1:{port}", code=1)
        assert str(port) in said.err and said.out == ""


def test_a_store_of_a_newer_version_stops_its_cluster_alone(crew: Crew) -> None:
    machine = crew.machine("machine")
    machine.create("future")
    machine.create("present")
    machine.run_daemon()
    until(lambda: len(machine.client.status().clusters) == 2, "both run")
    assert machine.client.ready("future") and machine.client.ready("present")
    machine.stop()
    with contextlib.closing(sqlite3.connect(machine.home.cluster("future").state)) as store:
        store.execute("PRAGMA user_version=99")
    assert {one["name"]: one["state"] for one in machine.json("status", code=3)["clusters"]} == {
        "future": "failed",
        "present": "stopped",
    }
    machine.run_daemon()
    text = machine.until_reason("future", "newer_store")
    assert "newer" in text and "99" in text
    (cid,) = made_up_cids(1, "present")
    machine.run("pin", "add", "-c", "present", cid)
    assert "newer" in machine.run("pin", "add", "-c", "future", cid, code=1).err
    assert "newer" in machine.run("serve", "future", code=1).err
    assert "newer" in machine.run("doctor", code=1).all
    machine.run("status", "-q", code=5)  # the other one waits for its node, which comes first
    with contextlib.closing(sqlite3.connect(machine.home.cluster("future").state)) as store:
        assert store.execute("PRAGMA user_version").fetchone() == (99,), "it was left as it is"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "small", 24 * MEBIBYTE) as made:
        yield made


def test_a_full_disk_refuses_in_words_and_loses_nothing(crew: Crew, disk: SmallDisk) -> None:
    machine = crew.machine("machine", PINCREW_HOME=str(disk.folder / "home"))
    machine.within = disk.within
    machine.create("archive")
    machine.serve("archive")
    cids = made_up_cids(4_000, "disk")
    acknowledged = cids[:1_000]
    machine.run("pin", "add", "-", stdin="\n".join(acknowledged))
    disk.fill(300 * 1024)

    refused = machine.run("pin", "add", "-", stdin="\n".join(cids[1_000:]), code=1)
    assert "room" in refused.err and "by itself" in refused.err
    assert refused.out == ""
    listed = {line["cid"] for line in machine.json_lines("pin", "ls")}
    assert set(acknowledged) <= listed
    machine.run("status")

    disk.make_room()
    machine.run("pin", "add", "-", stdin="\n".join(cids[2_000:]))
    acknowledged += cids[2_000:]
    os.kill(int((disk.outside / "home" / "daemon.lock").read_text()), signal.SIGKILL)
    until(lambda: machine.processes[-1].poll() is not None, "it is gone")
    machine.serve("archive")
    listed = {line["cid"] for line in machine.json_lines("pin", "ls")}
    assert set(acknowledged) <= listed


def test_leaving_ones_own_cluster_keeps_the_owner_key(crew: Crew) -> None:
    machine = crew.machine("machine")
    made = machine.create("archive")
    key = Path(made["owner_key"]).read_bytes()
    machine.run_daemon()
    until(lambda: bool(machine.client.status().clusters), "it runs")
    plan = machine.json("leave", "-c", "archive", "--dry-run")
    assert Path(made["owner_key"]).exists()
    left = machine.json("leave", "-c", "archive", "--yes")
    assert left["owner_key"] == plan["owner_key"]
    assert Path(left["owner_key"]).read_bytes() == key
    assert not Path(made["home"]).exists()
