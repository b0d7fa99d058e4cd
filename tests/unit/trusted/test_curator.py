"""What a curator makes of a request of the API."""

from __future__ import annotations

from typing import Any

import pytest
from pincrew.trusted.curator import write_request

from pincrew.api.shapes import PinRequest
from pincrew.errors import Misuse
from pincrew.record import decode_record
from pincrew.values import Pin
from support.shape_examples import CID

NOW = 1_800_000_000_000


def written(**fields: Any) -> Pin:
    request = write_request(PinRequest(CID, **fields), NOW)
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
