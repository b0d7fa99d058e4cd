"""What becomes of a request of the API: a pin, completed by what is usual, and given peers to keep it."""

from __future__ import annotations

from typing import Any

import pytest
from pincrew.trusted.pin_requests import WantedPin, allocated, wanted_pin

from pincrew.allocation import Allocator
from pincrew.api.shapes import PinRequest
from pincrew.cid import parse_cid
from pincrew.errors import Conflict, Misuse
from pincrew.keys import peer_id
from pincrew.record import decode_record
from pincrew.values import Pin
from sim.swarm import key_of
from support.shape_examples import CID
from unit.test_allocation import mate

NOW = 1_800_000_000_000


def written(**fields: Any) -> Pin:
    request = wanted_pin(PinRequest(CID, **fields), NOW).request()
    assert request.record is not None
    return decode_record(request.cid, request.record)


@pytest.mark.parametrize(
    ("timestamp", "added_ms"),
    [
        (None, NOW),
        ("0001-01-01T00:00:00Z", NOW),
        ("2023-11-14T22:13:20Z", 1_700_000_000_000),
        ("2023-11-14T22:13:20.5+00:00", 1_700_000_000_500),
        ("2999-01-01T00:00:00Z", NOW),
        ("1960-01-01T00:00:00Z", 0),
    ],
)
def test_when_it_was_added(timestamp: str | None, added_ms: int) -> None:
    assert written(timestamp=timestamp).added_ms == added_ms


def test_when_it_expires() -> None:
    assert written(expire_at="2999-01-01T00:00:00Z").expire_ms == 32_472_144_000_000
    assert written(expire_at="0001-01-01T00:00:00Z").expire_ms is None
    with pytest.raises(Misuse, match="in the past"):
        written(expire_at="2023-11-14T22:13:20Z")


@pytest.mark.parametrize("field", ["timestamp", "expire_at"])
def test_what_is_no_time(field: str) -> None:
    with pytest.raises(Misuse, match="is not a time"):
        written(**{field: "soon"})


ID = peer_id(key_of("somebody").public)


@pytest.mark.parametrize(
    ("fields", "replication", "usual"),
    [
        ({}, (-1, -1), (-1, -1)),
        ({}, (2, 3), (2, 3)),
        ({"replication_factor_min": 1}, (1, 3), (2, 3)),
        ({"replication_factor_min": -1, "replication_factor_max": -1}, (-1, -1), (2, 3)),
        ({"replication_factor_min": 4, "replication_factor_max": 5}, (4, 5), (2, 3)),
        ({"allocations": [ID]}, (-1, -1), (2, 3)),
        ({"allocations": [ID], "replication_factor_min": 1, "replication_factor_max": 2}, (1, 2), (2, 3)),
    ],
)
def test_what_is_not_said_is_as_usual(
    fields: dict[str, Any], replication: tuple[int, int], usual: tuple[int, int]
) -> None:
    pin = wanted_pin(PinRequest(CID, **fields), NOW, usual).pin
    assert pin is not None and (pin.replication_min, pin.replication_max) == replication
    assert pin.allocations == tuple(fields.get("allocations", ()))


@pytest.mark.parametrize(
    "fields",
    [
        {"replication_factor_min": 3, "replication_factor_max": 2},
        {"replication_factor_min": 2, "replication_factor_max": -1},
        {"replication_factor_min": 2},
        {"replication_factor_min": -2, "replication_factor_max": -2},
        {"mode": "both"},
        {"allocations": ["nobody"]},
        {"user_allocations": ["nobody"]},
    ],
)
def test_what_makes_no_sense_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(Misuse):
        wanted_pin(PinRequest(CID, **fields), NOW)


def test_peers_are_chosen_only_where_nobody_else_said_who() -> None:
    crew = [mate("a"), mate("b"), mate("c")]
    wanted = [
        WantedPin(b"everywhere", Pin(b"everywhere")),
        WantedPin(b"removed", None),
        WantedPin(b"named", Pin(b"named", replication_min=1, replication_max=1, allocations=("x",))),
        WantedPin(b"new", Pin(b"new", replication_min=2, replication_max=2), ("c",)),
        WantedPin(b"held", Pin(b"held", replication_min=1, replication_max=2)),
    ]
    chosen = allocated(wanted, Allocator(crew, ("freespace",)), {b"held": ("b",)})
    assert chosen[:3] == wanted[:3]
    new, held = (one.pin for one in chosen[3:])
    assert new is not None and new.allocations[0] == "c" and len(new.allocations) == 2
    assert held is not None and held.allocations == ("b",)
    with pytest.raises(Conflict, match="Available candidates: 3"):
        allocated(
            [WantedPin(parse_cid(CID), Pin(parse_cid(CID), replication_min=4, replication_max=4))],
            Allocator(crew, ("freespace",)),
            {},
        )


def test_a_removal_says_nothing_else() -> None:
    assert wanted_pin(PinRequest(CID, remove=True, mode="nonsense"), NOW) == WantedPin(parse_cid(CID), None)
