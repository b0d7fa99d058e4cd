"""State files of ipfs-cluster-service and ours, each read by the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.ipfs_cluster import NO_IPFS_CLUSTER, IpfsClusterState, find_ipfs_cluster
from support.machines import Crew, made_up_cids
from support.shape_examples import PEER

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.ipfs_cluster]

ZERO = "0001-01-01T00:00:00Z"


@pytest.fixture
def theirs(tmp_path: Path) -> IpfsClusterState:
    program = find_ipfs_cluster()
    if program is None:
        pytest.fail(NO_IPFS_CLUSTER)
    return IpfsClusterState(program, tmp_path / "ipfs-cluster")


def by_cid(lines: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Lines by CID, without the size, which ipfs-cluster does not keep."""
    return {line["cid"]: {key: value for key, value in line.items() if key != "size"} for line in lines}


def test_ipfs_cluster_imports_our_export_and_lists_equal_pins(crew: Crew, theirs: IpfsClusterState) -> None:
    machine = crew.machine("machine")
    plain, full, direct, update = made_up_cids(4, "to ipfs-cluster")
    machine.create("archive")
    machine.run_daemon()
    machine.run("pin", "add", plain, "--name", 'a "name" <&> “…”')
    machine.run("pin", "add", direct, "--mode", "direct", "--replication-min", "2", "--replication-max", "3")
    machine.run(
        "pin", "add", full, "--metadata", "b=2", "--metadata", "a=ü", "--allocations", PEER, "--expire-in", "30d"
    )
    machine.run("pin", "add", "-", stdin=f'{{"cid":"{full}","size":5,"origins":["/ip4/1.2.3.4/tcp/1/p2p/{PEER}"]}}\n')
    machine.run("pin", "update", full, update)
    ours = machine.json_lines("state", "export")
    file = crew.folder / "ours.jsonl"
    machine.run("state", "export", "-o", str(file))

    theirs.import_lines(file)
    back = theirs.export_to(crew.folder / "theirs.jsonl")
    assert len(back) == 4
    assert by_cid(back) == by_cid(ours)
    machine.run("state", "verify", str(crew.folder / "theirs.jsonl"))
    assert "Nothing to do" in machine.run("state", "import", str(crew.folder / "theirs.jsonl")).err


def test_we_import_an_export_of_ipfs_cluster_and_write_it_again(crew: Crew, theirs: IpfsClusterState) -> None:
    plain, full, direct, untyped = made_up_cids(4, "from ipfs-cluster")
    everywhere = {"replication_factor_min": -1, "replication_factor_max": -1, "type": "pin", "max_depth": -1}
    theirs.import_lines(
        [
            {**everywhere, "cid": plain, "timestamp": "2021-02-03T04:05:06.789+02:00"},
            {
                "cid": full,
                "replication_factor_min": 1,
                "replication_factor_max": 2,
                "name": "“name” <&>",
                "type": "pin",
                "max_depth": -1,
                "allocations": [PEER],
                "metadata": {"b": "2", "a": "ü"},
                "origins": [f"/dns4/example.org/tcp/4001/p2p/{PEER}"],
                "pin_update": plain,
                "expire_at": "2040-01-02T03:04:05+01:00",
                "timestamp": "2022-02-03T04:05:06Z",
            },
            {**everywhere, "cid": direct, "mode": "direct", "max_depth": 0, "timestamp": "2023-02-03T04:05:06Z"},
            {"cid": untyped},
        ]
    )
    file = crew.folder / "theirs.jsonl"
    exported = by_cid(theirs.export_to(file))
    assert (exported[untyped]["type"], exported[untyped]["timestamp"]) == ("bad-type", ZERO)

    machine = crew.machine("machine")
    machine.create("archive")
    machine.run_daemon()
    assert machine.json("state", "import", str(file))["added"] == 4
    ours = by_cid(machine.json_lines("state", "export"))
    # What docs/state-files.md names: no type is a pin, 0 copies is everywhere, no time is now.
    assert ours[untyped].pop("timestamp") > "2025"
    exported[untyped] |= {"type": "pin", "replication_factor_min": -1, "replication_factor_max": -1}
    del exported[untyped]["timestamp"]
    assert ours == exported
    machine.run("state", "verify", str(file))
    assert "Nothing to do" in machine.run("state", "import", str(file)).err
    assert machine.json("pin", "add", "-", stdin=file.read_text())["added"] == 4
