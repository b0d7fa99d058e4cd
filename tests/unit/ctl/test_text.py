"""The text formats of ipfs-cluster-ctl 1.1.6, line for line; the expected ones are what it printed."""

from __future__ import annotations

from typing import Any

import pytest

from pincrew.ctl import text
from pincrew.ctl.answers import shaped
from pincrew.rest.shapes import (
    AddedOutput,
    Alert,
    Bandwidth,
    Fault,
    GlobalPinInfo,
    GlobalRepoGc,
    Id,
    Metric,
    PinObject,
)
from unit.ctl.examples import CID, NODE, OTHER, PEER, at_peer, identity, pin, status

NOW_S = 1_800_000_000.0


def test_a_peer() -> None:
    assert list(text.peer(shaped(Id, identity(addresses=["/b", "/a"], cluster_peers=[PEER, OTHER])))) == [
        f"{PEER} | vm | Sees 1 other peers",
        "  > Addresses:",
        "    - /a",
        "    - /b",
        f"  > IPFS: {NODE}",
        f"    - /ip4/127.0.0.1/tcp/4001/p2p/{NODE}",
    ]


def test_a_peer_that_does_not_answer_and_one_without_a_node() -> None:
    assert list(text.peer(shaped(Id, {"id": PEER, "error": "gone"}))) == [f"{PEER} | ERROR: gone"]
    lines = list(text.peer(shaped(Id, identity(ipfs={"error": "no node"}, cluster_peers=None))))
    assert (lines[0], lines[-1]) == (f"{PEER} | vm | Sees 0 other peers", "  > IPFS ERROR: no node")


def test_a_status() -> None:
    value = status(name="books")
    value["peer_map"] = {
        "b": at_peer("pin_error", peername="", error="no room", attempt_count=3, priority_pin=True),
        "a": at_peer("pinned"),
    }
    assert list(text.status(shaped(GlobalPinInfo, value))) == [
        f"{CID} | books:",
        "    > vm                   : PINNED | 2026-11-22T08:32:38.385395061Z | Attempts: 0 | Priority: false",
        "    > b                    : PIN_ERROR: no room | 2026-11-22T08:32:38.385395061Z"
        " | Attempts: 3 | Priority: true",
    ]
    assert list(text.status(shaped(GlobalPinInfo, status()))) == [f"{CID}:"]


EVERYWHERE = "Repl. Factor: -1 | Allocations: [everywhere]"


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, f"{CID} |  | PIN | {EVERYWHERE} | Recursive | Metadata: no | Exp: ∞ | Added: 2026-11-22 08:32:37"),
        (
            {"name": "x", "mode": "direct", "max_depth": 0, "metadata": {"a": "b"}},
            f"{CID} | x | PIN-DIRECT | {EVERYWHERE} | Direct | Metadata: yes | Exp: ∞ | Added: 2026-11-22 08:32:37",
        ),
        (
            {
                "replication_factor_min": 1,
                "replication_factor_max": 2,
                "allocations": [PEER, OTHER],
                "type": "shard-pin",
                "max_depth": 1,
                "expire_at": "2026-12-01T10:00:00.5+02:00",
                "timestamp": "0001-01-01T00:00:00Z",
            },
            f"{CID} |  | SHARD-PIN | Repl. Factor: 1--2 | Allocations: [{OTHER} {PEER}] | Recursive-1 | Metadata: no"
            " | Exp: 2026-12-01 10:00:00 | Added: unknown",
        ),
    ],
)
def test_a_pin(changed: dict[str, Any], expected: str) -> None:
    assert list(text.pin(shaped(PinObject, pin(**changed)))) == [expected]


def test_what_was_added() -> None:
    one = AddedOutput(name="d/a.txt", cid=CID)
    assert list(text.added(one)) == [f"added {CID} d/a.txt"]
    assert list(text.added_quietly(one)) == [CID]


def test_metrics_and_alerts() -> None:
    metric = shaped(Metric, {"name": "ping", "peer": PEER, "value": "{}", "expire": int((NOW_S + 21.5) * 1e9)})
    assert list(text.metric(metric, NOW_S)) == [f"{PEER} | ping: {{}} | Expires in: 21 seconds from now"]
    free = shaped(Metric, {"name": "freespace", "peer": PEER, "value": "9", "weight": 12_400_000_000, "expire": 0})
    assert "freespace: 12 GB | Expires in: a long while ago" in next(text.metric(free, NOW_S))
    full = shaped(Metric, {"name": "freespace", "peer": PEER, "value": "none", "weight": 0, "expire": 0})
    assert "freespace: none |" in next(text.metric(full, NOW_S))
    alert = shaped(
        Alert,
        {"name": "ping", "peer": PEER, "expire": int((NOW_S - 90) * 1e9), "triggered_at": "2027-01-15T07:59:59.5Z"},
    )
    assert list(text.alert(alert, NOW_S)) == [f"{PEER}: ping. Expired at: 1 minute ago. Triggered at: now"]


def test_bandwidth() -> None:
    told = Bandwidth(total_in=1_234_567, total_out=5, rate_in=1.234, rate_out=0.0)
    assert list(text.bandwidth("/x/1", told)) == [
        "                     /x/1: In:  1.2 MB. Out:     5 B. RateIn: 1.23B/s. RateOut: 0.00B/s"
    ]


def test_what_was_collected() -> None:
    value = {"peer_map": {"b": {"error": "no node"}, "a": {"peername": "vm", "keys": [{"key": CID}, {"error": "no"}]}}}
    assert list(text.collected(shaped(GlobalRepoGc, value))) == [
        "vm             ",
        "  > CIDs:",
        f"    - {CID}",
        "    - ERROR: no",
        "b               | ERROR: no node",
        "  > CIDs:",
    ]


def test_a_fault() -> None:
    assert list(text.fault(Fault(code=404, message="no"))) == ["An error occurred:", "  Code: 404", "  Message: no"]


@pytest.mark.parametrize(
    ("number", "expected"),
    [(0, "0 B"), (9, "9 B"), (10, "10 B"), (999, "999 B"), (1_000, "1.0 kB"), (9_940, "9.9 kB"), (9_960, "10 kB"),
     (82_854_982, "83 MB"), (5 * 10**18, "5.0 EB"), (2**64, "18 EB")],
)  # fmt: skip
def test_bytes(number: int, expected: str) -> None:
    assert text.bytes_text(number) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "now"), (0.9, "now"), (1, "1 second {}"), (59.9, "59 seconds {}"), (61, "1 minute {}"), (7_199, "1 hour {}"),
     (7_200, "2 hours {}"), (86_400, "1 day {}"), (8 * 86_400, "1 week {}"), (15 * 86_400, "2 weeks {}"),
     (31 * 86_400, "1 month {}"), (100 * 86_400, "3 months {}"), (370 * 86_400, "1 year {}"),
     (600 * 86_400, "2 years {}"), (1_000 * 86_400, "2 years {}"), (40 * 360 * 86_400, "a long while {}")],
)  # fmt: skip
def test_relative_times(seconds: float, expected: str) -> None:
    assert text.relative(NOW_S + seconds, NOW_S) == expected.format("from now")
    assert text.relative(NOW_S - seconds, NOW_S) == expected.format("ago")


def test_names_do_not_steer_a_terminal() -> None:
    evil = "a\x1b[2Jb\nc"
    lines = [
        *text.pin(shaped(PinObject, pin(name=evil))),
        *text.status(shaped(GlobalPinInfo, status(name=evil))),
        *text.peer(shaped(Id, identity(peername=evil))),
        *text.added(AddedOutput(name=evil, cid=CID)),
        *text.fault(Fault(code=1, message=evil)),
    ]
    assert not any("\x1b" in line or "\n" in line for line in lines)
