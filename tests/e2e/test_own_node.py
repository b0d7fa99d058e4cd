"""pincrew's own IPFS node under the daemon: no Kubo anywhere, mixed crews, crashes, and moving between nodes."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from pincrew.kubo_process import KuboProcess
from pincrew.limits import NODE_NICENESS
from support.machines import Crew, Machine, add_content, pin_by_hand, pins_of, read_content, until

pytestmark = [pytest.mark.slow]
EMBEDDED = "embedded"


def serving(machine: Machine, node: str = EMBEDDED) -> str:
    """Have ``machine`` curate `archive`; return what others follow."""
    made = machine.create("archive", node=node)
    ready = machine.serve("archive", "--publish", "127.0.0.1:0")
    return f"{ready['publish']}#{made['id']}"


def niceness(pid: int) -> int:
    """What the system says of every thread of a process, which is the same of all."""
    (one,) = {int(stat.read_text().rpartition(")")[2].split()[16]) for stat in Path(f"/proc/{pid}/task").glob("*/stat")}
    return one


def test_with_no_kubo_at_all_a_volunteer_and_a_curator_have_what_they_need(crew: Crew) -> None:
    curator, follower = crew.machine("curator"), crew.machine("follower")
    folder = curator.folder / "films"
    (folder / "inside").mkdir(parents=True)
    (folder / "one.bin").write_bytes(first := os.urandom(900_000))
    (folder / "inside" / "two.txt").write_bytes(b"two")
    (folder / ".hidden").write_bytes(b"not for others")
    for machine in (curator, follower):
        # Port 5001 may be in use on the machine that tests. Where a Kubo was once, `api` names its port.
        no_kubo = Path(machine.environment["IPFS_PATH"])
        no_kubo.mkdir()
        (no_kubo / "api").write_text("/ip4/127.0.0.1/tcp/1")
    source = serving(curator, "auto")

    (added,) = curator.json_lines("add", "films")
    assert (added["path"], added["name"], added["bytes"]) == ("films", "films", 900_003)
    assert added["blocks"] == 8, "two folders, a file of four leaves and its root, and one leaf"
    said = curator.run("add", "-", "--name", "of stdin", stdin="from a pipe")
    piped, name = said.out.strip().split("  ")
    assert name == "of stdin"
    assert curator.node.object("dag/stat", [("arg", added["cid"])])["DagStats"][0]["NumBlocks"] == added["blocks"]
    assert {(pin.cid, pin.name) for pin in curator.client.pinset("archive", [])} == {
        (added["cid"], "films"),
        (piped, "of stdin"),
    }
    curator.until_state("archive", "complete")

    joined = follower.follow(source, "--wait", "--timeout", "2m", node="auto")
    assert "pincrew's own: it runs with the daemon" in joined.all
    assert follower.held(f"{added['cid']}/one.bin") == first
    assert follower.held(piped) == b"from a pipe"
    assert (niceness(follower.node_pid()), niceness(curator.node_pid())) == (NODE_NICENESS, 0)
    assert set(follower.own_pins()) == {added["cid"], piped}
    (cluster,) = follower.json("status")["clusters"]
    assert (cluster["state"], cluster["node"]["kind"], cluster["node"]["state"]) == ("complete", "embedded", "up")
    assert cluster["progress"]["serving"] in (0, 1), "pincrew's own node says who sent blocks, within ten seconds"
    assert cluster["db_bytes"] > 0 and cluster["rev"] > 0

    status = follower.json("node", "status")
    assert (status["running"], status["peer_id"]) == (True, cluster["node"]["peer_id"])
    assert status["gateway"].startswith("http://127.0.0.1:") and status["blocks"] >= 9
    assert status["peer_id"] in follower.run("node", "status").out
    assert follower.json("node", "gc")["blocks"] == 0
    assert "FAIL" not in follower.run("doctor").out
    pid = follower.node_pid()
    follower.run("daemon", "stop")
    assert follower.has_ended(pid)
    assert follower.json("node", "status", code=3)["running"] is False
    assert "is not running" in follower.run("node", "status", code=3).out


def test_what_cannot_be_added_leaves_the_list_as_it_is(crew: Crew) -> None:
    curator = crew.machine("curator")
    serving(curator)
    (curator.folder / "good.txt").write_bytes(b"good")
    bad = curator.folder / "bad"
    bad.mkdir()
    os.mkfifo(bad / "pipe")
    said = curator.run("add", "good.txt", "bad", code=1)
    assert "neither a file nor a folder" in said.all and said.out == ""
    assert "no such file" in curator.run("add", "good.txt", "missing", code=1).err
    assert "Give one: `--name" in curator.run("add", "-", stdin="x", code=2).all
    assert curator.run("add", "good.txt", "good.txt", "--name", "x", code=2).out == ""
    assert curator.cids("archive") == set() and curator.own_pins() == {}
    curator.stop()
    assert curator.run("add", "good.txt", code=3).out == ""


@pytest.mark.kubo
def test_a_mixed_crew_replicates_in_both_directions(crew: Crew, kubo: KuboProcess, other_kubo: KuboProcess) -> None:
    content = os.urandom(1_500_000)
    own, with_kubo = crew.machine("own"), crew.machine("with-kubo")
    source = serving(own)
    (own.folder / "noise.bin").write_bytes(content)
    (added,) = own.json_lines("add", "noise.bin")
    with_kubo.follow(source, "--wait", "--timeout", "2m", node=other_kubo.url)
    assert read_content(other_kubo, added["cid"]) == content

    other_content = os.urandom(1_500_000)
    curator, follower = crew.machine("curator"), crew.machine("follower")
    source = serving(curator, kubo.url)
    (curator.folder / "noise.bin").write_bytes(other_content)
    (other,) = curator.json_lines("add", "noise.bin")
    assert other["blocks"] == 7
    follower.follow(source, "--wait", "--timeout", "2m", node=EMBEDDED)
    assert follower.held(other["cid"]) == other_content
    expected = kubo.ipfs("add", "-Q", "-n", "--cid-version=1", stdin=content).decode().strip()
    assert added["cid"] == expected, "the CID is the one that Kubo gives"


@pytest.mark.kubo
def test_a_node_that_is_killed_in_the_middle_comes_back_and_goes_on(crew: Crew, kubo: KuboProcess) -> None:
    curator, follower = crew.machine("curator"), crew.machine("follower")
    content = os.urandom(2_000_000)
    (cid,) = add_content(kubo, content)
    # A part of it is nowhere, so that its pin is still under way when the node is killed.
    leaf = kubo.ipfs("refs", cid).split()[-1].decode()
    kubo.ipfs("block", "rm", leaf)
    source = serving(curator, kubo.url)
    curator.run("pin", "add", cid)
    follower.follow(source, node=EMBEDDED)
    follower.until("archive", lambda summary: summary.pins.pinning == 1, "the pin is under way")
    until(lambda: int(follower.node.object("repo/stat")["NumObjects"]) >= 5, "blocks are there")
    pid = follower.node_pid()
    os.kill(pid, signal.SIGKILL)
    follower.until("archive", lambda s: s.node.state != "up", "the loss is shown")
    follower.until("archive", lambda s: s.node.state == "up" and s.pins.pinning == 1, "it goes on by itself")
    assert follower.node_pid() != pid
    assert int(follower.node.object("repo/stat")["NumObjects"]) >= 5, "nothing is lost"
    assert add_content(kubo, content) == [cid]
    follower.until_state("archive", "complete")
    assert follower.held(cid) == content


def test_the_node_ends_with_its_daemon_and_a_users_own_is_used(crew: Crew) -> None:
    curator = crew.machine("curator")
    serving(curator)
    pid = curator.node_pid()
    curator.kill()
    until(lambda: curator.has_ended(pid), "the node ends by itself")

    process = curator.start("node", "run")
    assert process.stdout is not None and process.stdout.readline().startswith("ready node peer=")
    curator.run_daemon()
    curator.until("archive", lambda summary: summary.node.state == "up", "it is used")
    assert curator.node_pid() == process.pid
    assert "Another" in curator.run("node", "run", code=1).err
    curator.stop()
    assert process.poll() is None, "it was not the daemon's"


@pytest.mark.kubo
def test_a_cluster_moves_from_kubo_to_its_own_node_and_back(
    crew: Crew, kubo: KuboProcess, kubo_program: Path, tmp_path: Path
) -> None:
    curator = crew.machine("curator")
    contents = [b"moving %d" % number * 9_000 for number in range(4)]
    cids = add_content(kubo, *contents)
    pin_by_hand(kubo, cids[0])
    serving(curator, kubo.url)
    curator.run("pin", "add", *cids)
    curator.until_state("archive", "complete")

    switched = curator.json("node", "switch", "embedded")
    assert (switched["node"], switched["before"], switched["was_there"]) == ("embedded", kubo.url, False)
    curator.until("archive", lambda s: s.state == "complete" and s.node.kind == "embedded", "all is there")
    assert [curator.held(cid) for cid in cids] == contents
    until(lambda: not set(cids[1:]) & set(pins_of(kubo)), "the old node lets go")
    assert cids[0] in pins_of(kubo), "what its user had pinned stays"
    until(lambda: "ipfs_before" not in _settings(curator) or "ipfs_before = []" in _settings(curator), "it is noted")
    assert curator.json("node", "switch", "embedded")["was_there"] is True

    curator.json("node", "switch", kubo.url, "--keep-old")
    curator.until("archive", lambda s: s.state == "complete" and s.node.kind == "kubo", "all is back")
    assert set(cids) <= set(pins_of(kubo)) and set(cids) == set(curator.own_pins() or cids)


@pytest.mark.kubo
def test_a_move_that_was_interrupted_goes_on(crew: Crew, kubo_program: Path, kubo: KuboProcess) -> None:
    curator = crew.machine("curator")
    serving(curator)
    (curator.folder / "noise.bin").write_bytes(content := os.urandom(600_000))
    (added,) = curator.json_lines("add", "noise.bin")
    curator.until_state("archive", "complete")
    curator.run("node", "switch", kubo.url)
    curator.kill()
    curator.run_daemon()
    curator.until("archive", lambda s: s.state == "complete" and s.node.kind == "kubo", "it goes on")
    assert read_content(kubo, added["cid"]) == content
    until(lambda: "ipfs_before = []" in _settings(curator), "the old node has let go")
    process = curator.start("node", "run")
    until(lambda: curator.own_pins() == {}, "nothing is pinned there")
    process.terminate()


def _settings(machine: Machine) -> str:
    return machine.home.cluster("archive").settings.read_text()


@pytest.mark.kubo
def test_a_gateway_that_a_volunteer_named_gives_what_no_node_has(crew: Crew, kubo: KuboProcess) -> None:
    """Nobody tells the follower's node of that Kubo; the curator's node does not have the content either."""
    curator, follower = crew.machine("curator"), crew.machine("follower")
    content = os.urandom(600_000)
    (cid,) = add_content(kubo, content)
    source = serving(curator)
    curator.run("pin", "add", cid)

    said = follower.follow(source, "--router", "http://127.0.0.1:1", code=2)
    assert "--ipfs embedded" in said.err
    assert "not" in follower.follow(source, "--gateway", "ftp://nowhere", node=EMBEDDED, code=2).err
    where = (kubo.repository / "gateway").read_text().strip()
    joined = follower.follow(source, "--gateway", where, "--wait", "--timeout", "2m", node=EMBEDDED)
    assert where in joined.all
    assert follower.held(cid) == content
