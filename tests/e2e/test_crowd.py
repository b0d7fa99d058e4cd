"""Twenty followers of one curator, all of them real: everybody is served, and a killed curator's return heals it.

`python -m tests.bench --rows crowd` does the same with two hundred, and measures.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from pincrew.api.shapes import PinRequest
from support.crowd import PER_PROCESS, Crowd
from support.machines import Crew, made_up_cids

pytestmark = pytest.mark.slow
PATIENCE_S = 150.0  # where nothing else runs it is a few seconds


def test_twenty_followers_are_served_and_a_kill_of_the_curator_heals(crew: Crew, tmp_path: Path) -> None:
    curator = crew.machine("curator")
    document = tmp_path / "crowd.toml"
    curator.create("archive")
    curator.serve("archive")
    curator.run("publish", "-c", "archive", "-o", str(document))
    cids = [PinRequest(cid=cid) for cid in made_up_cids(1_002, "crowd")]
    curator.client.write_pins("archive", cids[:1_000])

    with Crowd(crew.folder / "crowd", str(document), PER_PROCESS) as crowd:
        crowd.until(1_000, PATIENCE_S)
        curator.client.write_pins("archive", cids[1_000:1_001])
        crowd.until(1_001, PATIENCE_S)
        curator.kill()
        curator.serve("archive")
        curator.client.write_pins("archive", cids[1_001:])
        crowd.until(1_002, PATIENCE_S)
        curator.until(
            "archive", lambda summary: summary.peers.connected == PER_PROCESS, "all are neighbours again", PATIENCE_S
        )
        assert min(crowd.neighbours()) >= 1
