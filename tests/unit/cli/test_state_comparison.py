"""When a pin of a file and one of the store count as the same."""

from __future__ import annotations

from typing import Any

import cbor2
import msgspec
import pytest

from pincrew.api.shapes import PinRequest
from pincrew.cid import parse_cid
from pincrew.cli.state_comparison import of_file, of_store
from pincrew.record import encode_record
from pincrew.values import Pin
from support.shape_examples import CID, CID_2, PEER

PEER_2 = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp"
PIN = Pin(
    parse_cid(CID),
    name="n",
    allocations=(PEER, PEER_2),
    metadata=(("a", "1"), ("b", "2")),
    origins=("/ip4/1.2.3.4/tcp/1",),
    expire_ms=4_000_000_000_123,
    added_ms=5,
    update_of=parse_cid(CID_2),
)
REQUEST = PinRequest(
    cid=CID,
    name="n",
    replication_factor_min=-1,
    replication_factor_max=-1,
    allocations=[PEER_2, PEER],
    metadata={"b": "2", "a": "1"},
    origins=["/ip4/1.2.3.4/tcp/1"],
    expire_at="2096-10-02T07:06:40Z",
    pin_update=CID_2,
)


def digests(request: PinRequest, pin: Pin = PIN) -> tuple[bytes, bytes]:
    (theirs,) = of_file([request])
    (ours,) = of_store([(pin.cid, encode_record(pin))])
    assert theirs.cid == ours.cid
    return theirs.digest, ours.digest


@pytest.mark.parametrize("changes", [{}, {"timestamp": "2020-01-01T00:00:00Z"}, {"size": 9}])
def test_the_same(changes: dict[str, Any]) -> None:
    theirs, ours = digests(msgspec.structs.replace(REQUEST, **changes))
    assert theirs == ours


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "m"},
        {"mode": "direct"},
        {"replication_factor_min": 1, "replication_factor_max": 1},
        {"allocations": [PEER]},
        {"metadata": None},
        {"origins": None},
        {"expire_at": None},
        {"pin_update": None},
        {"type": "meta-pin", "reference": CID_2},
        {"type": "shard-pin", "max_depth": 1},
    ],
)
def test_different(changes: dict[str, Any]) -> None:
    theirs, ours = digests(msgspec.structs.replace(REQUEST, **changes))
    assert theirs != ours


def test_a_pin_whose_time_is_over() -> None:
    past = msgspec.structs.replace(REQUEST, expire_at="2020-01-01T00:00:00Z")
    assert [one.is_expired for one in of_file([past, REQUEST])] == [True, False]


def test_what_this_version_does_not_understand_makes_no_difference() -> None:
    cid = parse_cid(CID)
    first, second = of_store([(cid, cbor2.dumps({"name": "n", "later": 1})), (cid, cbor2.dumps({"name": "n"}))])
    assert first == second
