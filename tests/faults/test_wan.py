"""Two curators on different continents, 300 ms from each other in each direction: nothing needs other time-outs."""

from __future__ import annotations

import json
import os
import time

import httpx
import pytest

from pincrew.errors import PincrewError
from support.bad_link import Manners, bad_link
from support.machines import Crew, Machine, until

pytestmark = [pytest.mark.slow, pytest.mark.thorough]
NAME = "films"
WIDE = Manners(delay_s=0.3)
# One exchange takes 0.6 s; a connection is several, and what is asked for the first time may need one.
PATIENCE_S = 60.0


def holds(machine: Machine, cid: str) -> bool:
    try:
        return bool(machine.node.object("block/stat", [("arg", cid), ("offline", "true")]))
    except PincrewError:
        return False


def test_curators_far_from_each_other_join_pin_add_and_ask_each_other(crew: Crew) -> None:
    first, second = crew.machine("first"), crew.machine("second")
    with bad_link(WIDE, "first") as to_first, bad_link(WIDE, "second") as to_second:
        to_first.lead_to(first)
        to_second.lead_to(second)
        first.create(NAME, node="embedded")
        api = first.serve(NAME, "--rest", "127.0.0.1:0")["api"]
        first.run("publish", "-o", "films.toml")
        began = time.monotonic()
        second.follow(str(first.folder / "films.toml"), "--wait", "--timeout", "1m", node="embedded")
        joined_s = time.monotonic() - began
        peers = [machine.client.ready(NAME).peer for machine in (first, second)]
        first.run("trust", "add", peers[1])
        until(lambda: second.client.trust(NAME).record == 1, "the second curator is named", PATIENCE_S)
        second.serve(NAME, "--rest", "none")
        warm = first.folder / "warm.txt"
        warm.write_bytes(b"warm")
        until(
            lambda: len(first.json_lines("add", "warm.txt", "--no-pin")[0]["allocations"]) == 2,
            "both are connected again: the second one began anew as it became a curator's",
            PATIENCE_S,
        )

        # Blocks go to both nodes at once, more of them than a window that is emptied every 0.6 s holds.
        (first.folder / "film.bin").write_bytes(content := os.urandom(4_000_000))
        began = time.monotonic()
        (added,) = first.json_lines("add", "film.bin")
        added_s = time.monotonic() - began
        assert (sorted(added["allocations"]), added["failed"]) == (sorted(peers), {})
        assert second.held(added["cid"]) == content

        # What one pins, the other has soon; and each is asked how far it is with everything.
        (first.folder / "late.txt").write_bytes(b"late")
        (local,) = first.json_lines("add", "late.txt", "--local")
        assert local["allocations"] == [peers[0]]
        until(lambda: holds(second, local["cid"]), "the other fetches it", PATIENCE_S)
        until(lambda: _statuses(api, local["cid"]) == dict.fromkeys(peers, "pinned"), "both say so", PATIENCE_S)
        began = time.monotonic()
        found = [json.loads(line) for line in httpx.get(f"{api}/pins", timeout=30).text.splitlines()]
        asked_s = time.monotonic() - began
        assert {one["cid"]: {info["status"] for info in one["peer_map"].values()} for one in found} == {
            added["cid"]: {"pinned"},
            local["cid"]: {"pinned"},
        }
        waited = first.run("pin", "add", added["cid"], "--name", "again", "--wait", "2", "--timeout", "1m")
        assert "2 peers answered" in waited.err
        assert not to_first.counted.resets and to_first.counted.connections + to_second.counted.connections
        print(f"joined in {joined_s:.1f} s, 4 MB to both in {added_s:.1f} s, all asked in {asked_s:.1f} s")


def _statuses(api: str, cid: str) -> dict[str, str]:
    peer_map = httpx.get(f"{api}/pins/{cid}", timeout=30).json()["peer_map"]
    return {peer: info["status"] for peer, info in peer_map.items()}
