"""What a follower's user wants and does not want: a denylist, `skip` and `next`, each done and undone."""

from __future__ import annotations

import os

import pytest

from support.machines import Crew, Machine, until

pytestmark = [pytest.mark.slow]
FILE_BYTES = 1_000_000


def serving(crew: Crew, files: int) -> tuple[str, list[str]]:
    """A curator of some files; return what others follow, and the CIDs."""
    curator = crew.machine("curator")
    made = curator.create("archive", node="embedded")
    ready = curator.serve("archive", "--publish", "127.0.0.1:0")
    names = [f"file-{number}" for number in range(files)]
    for name in names:
        (curator.folder / name).write_bytes(os.urandom(FILE_BYTES))
    cids = [one["cid"] for one in curator.json_lines("add", *names)]
    return f"{ready['publish']}#{made['id']}", cids


def causes(follower: Machine) -> dict[str, str]:
    return {one["cid"]: one["cause"] for one in follower.json_lines("pins", "--state", "skipped")}


def test_a_denylist_is_followed_done_and_undone(crew: Crew) -> None:
    source, cids = serving(crew, 4)
    follower = crew.machine("follower")
    (follower.home.root / "denylist").write_text(f"/ipfs/{cids[0]}\n")
    follower.follow(source, "--all", node="embedded")
    follower.until("archive", lambda seen: seen.pins.pinned == 3, "all but one are here")
    assert causes(follower) == {cids[0]: "denied by your list"}
    assert follower.until_state("archive", "complete").pins.error == 0, "what is denied is not lacking"

    own = follower.home.cluster("archive").denylist
    own.write_text(f"/ipfs/{cids[1]}\n!/ipfs/{cids[0]}\n")
    until(lambda: causes(follower) == {cids[1]: "denied by your list"}, "the cluster's own list decides over all")
    until(lambda: set(follower.own_pins()) == {cids[0], *cids[2:]}, "it is unpinned, and the other fetched")
    own.write_text("/ipfs/nonsense\n")
    assert "line 1" in follower.until_reason("archive", "denylist")
    own.unlink()
    (follower.home.root / "denylist").unlink()
    follower.until("archive", lambda seen: seen.pins.pinned == 4 and not seen.reasons, "all of it is fetched again")
    assert set(follower.own_pins()) == set(cids)
    kinds = [event["kind"] for event in follower.json_lines("events")]
    assert "denylist_changed" in kinds and "pin_failed" not in kinds


@pytest.mark.long
def test_what_is_skipped_goes_and_what_is_next_comes_first(crew: Crew) -> None:
    source, cids = serving(crew, 30)
    follower = crew.machine("follower", PINCREW_PINS_IN_FLIGHT="1")
    # One after the other, and slowly: so there is something that comes first.
    follower.run("limits", "--download", "500kB")
    follower.follow(source, "--all", node="embedded")
    follower.until("archive", lambda seen: seen.pins.pinned >= 1, "the first is here")
    assert "pin" in follower.run("next", cids[-1]).out
    until(lambda: cids[-1] in follower.own_pins(), "the last of the list is here")
    assert len(follower.own_pins()) < len(cids) / 2, "and came before most of the others"
    follower.run("limits", "--download", "none")
    follower.until_state("archive", "complete")

    assert "2 pins" in follower.run("skip", cids[0], cids[1]).out
    until(lambda: causes(follower) == dict.fromkeys(cids[:2], "skipped by you"), "they are skipped")
    until(lambda: set(follower.own_pins()) == set(cids[2:]), "and unpinned")
    follower.stop()
    follower.run("daemon", "start")
    follower.adopt()
    follower.until_state("archive", "complete")
    assert set(causes(follower)) == set(cids[:2]), "also after a restart"
    follower.run("skip", "--undo", cids[0], cids[1])
    until(lambda: set(follower.own_pins()) == set(cids), "they are fetched again")
