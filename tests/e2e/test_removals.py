"""What leaves the list leaves followers' nodes late, never in a flood, and never what is the user's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from pincrew.kubo_process import KuboProcess
from support.fatal_door import fatal_door
from support.kubo_process import running_kubo
from support.machines import Crew, add_content, pin_by_hand, pins_of, until

pytestmark = [pytest.mark.kubo, pytest.mark.slow]


def test_removals_wait_and_a_flood_of_them_asks(crew: Crew, kubo: KuboProcess, other_kubo: KuboProcess) -> None:
    curator = crew.machine("curator")
    follower = crew.machine("follower", PINCREW_UNPIN_GRACE="1s")
    cids = add_content(kubo, *(b"removals %d" % number for number in range(200)))
    own, single, first, second = cids[0], cids[1], cids[2:27], cids[27:52]
    add_content(other_kubo, b"removals 0")
    pin_by_hand(other_kubo, own)
    made = curator.create("archive", node=kubo.url)
    ready = curator.serve("archive", "--publish", "127.0.0.1:0")
    curator.run("pin", "add", "-", stdin="\n".join(cids))
    follower.follow(f"{ready['publish']}#{made['id']}", "--wait", "--timeout", "2m", node=other_kubo.url)
    assert follower.json("removals", "show")["state"] == "none"

    curator.run("pin", "rm", own, single)
    until(lambda: single not in pins_of(other_kubo), "after its grace it is unpinned")
    follower.until("archive", lambda summary: summary.pins.unpinning == 0, "the other one is settled too")
    assert pins_of(other_kubo)[own] == "", "the user's own pin stays as it was"
    assert single not in pins_of(kubo), "curators' own peers obey at once"

    curator.run("pin", "rm", *first)
    follower.until_state("archive", "consent")
    assert set(first) <= set(pins_of(other_kubo))
    assert "mass_removal" in follower.run("status", "--json").out
    assert "removals" in follower.run("status").out
    shown = follower.json("removals", "show")
    assert (shown["state"], shown["pins"]) == ("consent", 25)
    assert "removals accept" in follower.run("removals", "show").all
    assert "--yes" in follower.run("removals", "accept", code=2).err
    assert follower.json("removals", "reject", "--yes")["state"] != "consent"
    follower.until("archive", lambda s: s.state == "complete" and s.pins.unpinning == 0, "the word is carried out")
    kept = pins_of(other_kubo)
    assert set(first) <= set(kept), "rejected: they stay"
    assert not [cid for cid in first if kept[cid].startswith("pincrew:")], "as the user's own"

    curator.run("pin", "rm", *second)
    follower.until_state("archive", "consent")
    follower.json("removals", "accept", "--yes")
    until(lambda: not set(second) & set(pins_of(other_kubo)), "accepted: they go")
    follower.until_state("archive", "complete")
    assert set(first) <= set(pins_of(other_kubo))
    assert {"unpinned", "removals_decided"} <= {event["kind"] for event in follower.json_lines("events")}


def test_a_revoked_curators_peer_is_a_guest_again(crew: Crew, kubo: KuboProcess, other_kubo: KuboProcess) -> None:
    ana, bob = crew.machine("ana"), crew.machine("bob", PINCREW_UNPIN_GRACE="1s")
    cids = add_content(kubo, *(b"guest %d" % number for number in range(30)))
    ana.create("archive", node=kubo.url)
    ana.serve("archive")
    ana.run("publish", "-o", "archive.toml")
    ana.run("pin", "add", "-", stdin="\n".join(cids))
    bob.follow(str(ana.folder / "archive.toml"), "--wait", "--timeout", "2m", node=other_kubo.url)
    bob_id = bob.client.ready("archive").peer
    ana.run("trust", "add", bob_id)
    bob.until_reason("archive", "curator_named")
    bob.serve("archive")
    bob.until("archive", lambda summary: summary.role == "curator", "it is a curator")
    ana.run("pin", "rm", cids[0])
    until(lambda: cids[0] not in pins_of(other_kubo), "it obeys")

    ana.run("trust", "revoke", bob_id)
    until(lambda: bob.client.trust("archive").record == 2, "it knows")
    ana.run("pin", "rm", *cids[1:26])
    bob.until_state("archive", "consent")
    assert set(cids[1:]) <= set(pins_of(other_kubo))


def test_leaving_unpins_only_what_that_cluster_alone_holds(
    crew: Crew, kubo_program: Path, kubo: KuboProcess, tmp_path: Path
) -> None:
    curator, follower = crew.machine("curator"), crew.machine("follower")
    only_one, only_two, shared = add_content(kubo, b"only one" * 99, b"only two" * 99, b"shared" * 99)
    curator.create("one", node=kubo.url)
    curator.create("two", node=kubo.url)
    curator.run_daemon()
    for name, own in (("one", only_one), ("two", only_two)):
        curator.run("pin", "add", "-c", name, own, shared)
        curator.run("publish", "-c", name, "-o", f"{name}.toml")
    with running_kubo(kubo_program, tmp_path / "ipfs") as node:
        for name in ("one", "two"):
            follower.follow(str(curator.folder / f"{name}.toml"), "--wait", "--timeout", "2m", node=node.url)
        assert {only_one, only_two, shared} <= set(pins_of(node))

        plan = follower.json("leave", "-c", "one", "--dry-run")
        assert plan["dry_run"] and plan["cluster"] == "one"
        assert (plan["pins"], plan["kept"]) == (1, 1)
        assert plan["bytes"] == len(b"only one" * 99), "what both have does not count"
        assert {only_one, only_two, shared} <= set(pins_of(node))
        assert "--yes" in follower.run("leave", "-c", "one", code=2).err
        left = follower.json("leave", "-c", "one", "--yes")
        assert (left["pins"], left["bytes"], left["kept"], left["rest"]) == (1, plan["bytes"], 1, None)
        assert set(pins_of(node)) & {only_one, only_two, shared} == {only_two, shared}
        assert [path.name for path in follower.home.clusters.iterdir()] == ["two"]
        follower.until_state("two", "complete")

        node.kill()
        said = follower.run("leave", "-c", "two", "--yes", code=1)
        assert "2 pins are still held" in said.all and "again" in said.all
        assert follower.home.cluster("two").settings.exists()
        [rest] = follower.json("status")["clusters"]
        assert (rest["name"], rest["state"]) == ("two", "leaving")
        node.start()
        assert follower.json("leave", "-c", "two", "--yes")["pins"] == 2
        assert not set(pins_of(node)) & {only_one, only_two, shared}
        assert list(follower.home.clusters.iterdir()) == []
        assert follower.json("status")["clusters"] == []


def test_a_daemon_that_is_killed_while_it_leaves_goes_on_afterwards(
    crew: Crew, kubo_program: Path, kubo: KuboProcess, tmp_path: Path
) -> None:
    curator, follower = crew.machine("curator"), crew.machine("follower")
    cids = add_content(kubo, *(b"killed %d" % number * 99 for number in range(200)))
    curator.create("archive", node=kubo.url)
    curator.serve("archive")
    curator.run("pin", "add", *cids)
    curator.run("publish", "-o", "archive.toml")
    with running_kubo(kubo_program, tmp_path / "ipfs") as node:
        add_content(node, b"killed 0" * 99)
        pin_by_hand(node, cids[0])  # the user's own from before
        follower.follow(str(curator.folder / "archive.toml"), "--wait", "--timeout", "2m", node=node.url)
        leaving = follower.start("leave", "--yes")
        until(lambda: len(set(cids) & set(pins_of(node))) < 190, "some are gone")
        follower.kill()
        leaving.wait(30)
        left = set(cids) & set(pins_of(node))
        assert cids[0] in left
        (one,) = follower.json("status", code=3)["clusters"]
        assert one["name"] == "archive"
        follower.run_daemon()
        until(lambda: follower.json("status")["clusters"][0]["state"] == "leaving", "it does not follow again")
        assert follower.json("leave", "--yes")["rest"] is None
        assert set(cids) & set(pins_of(node)) == {cids[0]}
        assert list(follower.home.clusters.iterdir()) == []
        node.stop()


def test_leaving_with_a_node_that_dies_midway_says_what_is_left_and_goes_on(
    crew: Crew, kubo_program: Path, kubo: KuboProcess, tmp_path: Path
) -> None:
    curator, follower = crew.machine("curator"), crew.machine("follower")
    cids = add_content(kubo, *(b"midway %d" % number * 99 for number in range(5)))
    curator.create("archive", node=kubo.url)
    curator.serve("archive")
    curator.run("pin", "add", *cids)
    curator.run("publish", "-o", "archive.toml")
    with running_kubo(kubo_program, tmp_path / "ipfs") as node, fatal_door(node, "pin/rm", 3) as door:
        follower.follow(str(curator.folder / "archive.toml"), "--wait", "--timeout", "2m", node=door.url)
        left = follower.json("leave", "--yes", code=1)
        assert left["pins"] == 2, "what was done is counted"
        assert "again" in left["rest"]
        assert left["removed"] == []
        assert follower.home.cluster("archive").settings.exists()
        (one,) = follower.json("status")["clusters"]
        assert one["state"] == "leaving"
        assert "being left" in follower.run("doctor").all
        assert "Start the node" in follower.run("leave", "--yes", code=1).all

        node.start()
        assert len(set(cids) & set(pins_of(node))) == 3
        assert follower.json("leave", "--yes")["pins"] == 3
        assert not set(cids) & set(pins_of(node))
        assert list(follower.home.clusters.iterdir()) == []
        node.stop()
