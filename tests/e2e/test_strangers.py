"""Peers of another cluster, and peers without the right key: told in words, within seconds."""

from __future__ import annotations

from pathlib import Path

import pytest
from pincrew.trusted.publishing import publish

from support.machines import Crew, until

pytestmark = pytest.mark.slow
TOLD_WITHIN_S = 10.0


def test_a_closed_cluster_takes_nobody_without_its_key(crew: Crew) -> None:
    curator, follower = crew.machine("curator"), crew.machine("follower")
    document = crew.folder / "vault.toml"
    made = curator.create("vault", "--closed")
    curator.serve("vault")
    curator.run("publish", "-o", str(document))
    assert "secret" not in document.read_text()

    said = follower.follow(str(document), code=2)
    assert "--secret-file" in said.err
    assert follower.run("status", code=3).out.startswith("Nothing is followed")

    wrong = crew.folder / "wrong.key"
    text = Path(made["secret"]).read_text()
    digits = text.split()[-1]
    wrong.write_text(text.replace(digits, digits[::-1]))
    follower.follow(str(document), "--secret-file", str(wrong))
    text = follower.until_reason("vault", "handshake_failed", TOLD_WITHIN_S)
    assert "private network key" in text
    assert follower.run("status", "-q", code=5)
    assert "private network key" in follower.run("doctor", code=1).all

    # Nothing is held there, so that leaving needs no node.
    assert follower.json("leave", "--yes")["rest"] is None
    assert list(follower.home.clusters.iterdir()) == []
    follower.end_everything()
    other = crew.machine("other")
    other.follow(str(document), "--secret-file", made["secret"])
    other.until("vault", lambda summary: summary.curators.connected == 1, "with the key it connects")


def test_a_peer_of_another_cluster_is_named_as_such(crew: Crew) -> None:
    curator, follower = crew.machine("curator"), crew.machine("follower")
    here, elsewhere = curator.create("here"), curator.create("elsewhere")
    ready = curator.serve("elsewhere")
    # A document of one cluster that leads to a peer of the other.
    document = crew.folder / "here.toml"
    stranger = f"{ready['p2p'].split(',')[0]}/p2p/{elsewhere['peer_id']}"
    publish(curator.home.cluster("here"), addresses=(), others=[[stranger]], now_s=1_800_000_000, output=document)
    curator.client.stop_cluster("here")
    follower.follow(f"{document}#{here['id']}")
    text = follower.until_reason("here", "handshake_failed", TOLD_WITHIN_S)
    assert "belongs to another" in text and "cluster id" in text
    until(
        lambda: "handshake_failed" in [event["kind"] for event in follower.json_lines("events")],
        "it is among the events",
    )
    until(lambda: follower.summary("here").state == "waiting", "it waits")  # type: ignore[union-attr]
