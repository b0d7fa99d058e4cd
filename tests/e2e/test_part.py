"""A list that is larger than the limit: two followers each keep a part of their own, and say so."""

from __future__ import annotations

import os

import pytest

from support.machines import Crew, until

pytestmark = [pytest.mark.slow]
MEGABYTE = 1_000_000
FILES, FILE_BYTES, LIMIT = 84, 3 * MEGABYTE, 200 * MEGABYTE  # of which the embedded node needs some 40 for itself


def test_followers_keep_parts_and_the_crew_sees_who_keeps_what(crew: Crew) -> None:
    curator = crew.machine("curator")
    made = curator.create("archive", node="embedded")
    source = f"{curator.serve('archive', '--publish', '127.0.0.1:0')['publish']}#{made['id']}"
    for number in range(FILES):
        (curator.folder / f"file-{number:02}").write_bytes(os.urandom(FILE_BYTES))
    curator.json_lines("add", *[f"file-{number:02}" for number in range(FILES)])
    followers = [crew.machine(name) for name in ("attic", "cellar")]
    for follower in followers:
        follower.follow(
            source, "--limit", str(LIMIT), "--keep-free", "0", "--peer-name", follower.name, node="embedded"
        )
    for follower in followers:
        summary = follower.until_state("archive", "full", 180)
        assert summary.pins.error == 0 and summary.pins.pinned + summary.pins.skipped == FILES
        assert 0.5 * LIMIT < summary.bytes.pinned <= 0.8 * LIMIT, "a fifth is for rescues"
    parts = [{one["cid"] for one in follower.json_lines("pins", "--state", "pinned")} for follower in followers]
    assert parts[0] != parts[1]
    causes = {one["cause"] for one in followers[0].json_lines("pins", "--state", "skipped")}
    assert causes == {"not your part"}
    assert "kept" in followers[0].run("status").out

    def seen() -> bool:
        basis = curator.json("coverage")["basis"]
        return bool(basis["peers_with_a_part"] == 2 and basis["peers"] == 3)

    until(seen, "the curator hears both parts", 120)

    def agrees() -> bool:
        bars = {one["copies"]: one["pins"] for one in curator.json("coverage")["bars"]}
        both, either = len(parts[0] & parts[1]), len(parts[0] | parts[1])
        return bars[3] == both and bars[1] == FILES - either

    until(agrees, "the estimate is the truth", 120)
    found = curator.json("coverage", "--limit", "3")
    assert len(found["worst"]) == 3 and found["worst"][0]["copies"] == 1.0 and found["basis"]["error"] == 0.0
    assert {one["name"] for one in found["spot_checks"]} == {"attic", "cellar"}
    assert all(one["pinned"] == one["asked"] > 0 for one in found["spot_checks"])
    shown = followers[0].run("coverage").all
    assert "estimated from what peers announce" in shown and "of the list as its part" in shown

    # The same part after a restart, and nothing is fetched or dropped.
    followers[0].run("daemon", "stop")
    followers[0].run("daemon", "start")
    followers[0].adopt()
    followers[0].until_state("archive", "full", 60)
    assert {one["cid"] for one in followers[0].json_lines("pins", "--state", "pinned")} == parts[0]
