"""From a curator's pin to a follower's disk, by the commands that a person types."""

from __future__ import annotations

import json

import httpx
import pytest

from pincrew.kubo_process import KuboProcess
from support.machines import Crew, add_content, made_up_cids, pins_of, read_content, until

pytestmark = [pytest.mark.kubo, pytest.mark.slow]


def test_a_pin_reaches_a_follower_and_every_view_tells_the_same(
    crew: Crew, kubo: KuboProcess, other_kubo: KuboProcess
) -> None:
    curator, follower = crew.machine("curator"), crew.machine("follower")
    contents = [f"spine {number}".encode() * 1_000 for number in range(6)]
    cids = add_content(kubo, *contents)

    made = curator.create("archive", node=kubo.url)
    assert set(made) == {"schema", "name", "id", "peer_id", "home", "owner_key", "secret"}
    ready = curator.serve("archive", "--publish", "127.0.0.1:0")
    assert ready["peer"] == made["peer_id"]
    assert ready["p2p"].startswith("/ip4/127.0.0.1/tcp/")
    assert ready["publish"].startswith("http://127.0.0.1:")

    said = curator.run("pin", "add", cids[0], cids[1], "--name", "two")
    assert said.out.split() == cids[:2]
    assert curator.json("pin", "add", "-", stdin=f"{cids[2]}\n\n")["cids"] == [cids[2]]
    lines = "".join(json.dumps({"cid": cid, "name": f"n-{cid[-4:]}"}) + "\n" for cid in cids[3:5])
    assert curator.json("pin", "add", "-", stdin=lines)["added"] == 2
    bad = f"{cids[5]}\n{cids[4]}\nnonsense\n"
    said = curator.run("pin", "add", "-", stdin=bad, code=2)
    assert "Line 3" in said.err and "--skip-bad" in said.err and said.out == ""
    assert cids[5] not in curator.cids("archive")
    answer = curator.json("pin", "add", "-", "--skip-bad", stdin=bad)
    assert (answer["added"], answer["skipped"]) == (2, 1)

    published = curator.json("publish", "-o", str(crew.folder / "archive.toml"))
    assert published["follow"] == f"pincrew follow {ready['publish']}#{made['id']}"
    assert httpx.get(ready["publish"]).content == (crew.folder / "archive.toml").read_bytes()
    joined = follower.follow(f"{ready['publish']}#{made['id']}", "--wait", "--timeout", "2m", node=other_kubo.url)
    assert "is followed now" in joined.err

    for cid, content in zip(cids, contents, strict=True):
        assert read_content(other_kubo, cid) == content
        assert pins_of(other_kubo)[cid] == f"pincrew:{made['id']}"

    (cluster,) = follower.json("status")["clusters"]
    assert (cluster["state"], cluster["role"], cluster["id"]) == ("complete", "follower", made["id"])
    assert cluster["pins"]["total"] == cluster["pins"]["pinned"] == 6
    assert cluster["node"]["state"] == "up" and cluster["curators"]["connected"] == 1
    assert cluster["reasons"] == []
    assert "complete" in follower.run("status").out
    assert follower.run("status", "-q").out == ""
    assert {line["cid"] for line in follower.json_lines("pins")} == set(cids)
    assert {line["state"] for line in follower.json_lines("pins", "--state", "pinned")} == {"pinned"}
    assert follower.json_lines("pins", "--state", "error") == []
    assert {line["cid"] for line in follower.json_lines("pin", "ls")} == set(cids)
    assert len(follower.run("pin", "ls").out.splitlines()) == 6
    (peer,) = until(
        lambda: [line for line in follower.json_lines("peers") if line["free"]], "the curator tells its node's room"
    )
    assert (peer["id"], peer["role"], peer["connected"]) == (made["peer_id"], "curator", True)
    assert made["peer_id"] in follower.run("peers").out
    assert follower.json_lines("errors") == []
    assert {"pinned", "list_changed"} <= {line["kind"] for line in follower.json_lines("events")}
    assert follower.run("events").out
    checks = follower.run("doctor")
    assert "FAIL" not in checks.out
    assert all(line["result"] != "FAIL" for line in follower.json_lines("doctor"))

    statuses = {line["cid"]: line["peer_map"] for line in curator.json_lines("pin", "status")}
    assert set(statuses) == set(cids)
    assert all([p["status"] for p in peers.values()] == ["pinned", "pinned"] for peers in statuses.values())
    assert curator.run("pin", "status", cids[0]).out.count("pinned") == 2

    (late,) = add_content(kubo, b"late" * 5_000)
    said = curator.run("pin", "add", late, "--wait", "2", "--timeout", "1m")
    assert "2 peers answered" in said.err
    assert read_content(other_kubo, late) == b"late" * 5_000
    (nowhere,) = made_up_cids(1, "nowhere")
    assert "Time ran out" in curator.run("pin", "add", nowhere, "--wait", "2", "--timeout", "1s", code=7).err
    follower.until_state("archive", "following")

    said = curator.run("pin", "rm", nowhere)
    assert said.out.split() == [nowhere]
    assert "was not on the list" in curator.run("pin", "rm", nowhere, code=1).err
    follower.until_state("archive", "complete")
    assert follower.json_lines("pins", "--state", "unpinning") == []
