"""Options as they travel."""

from __future__ import annotations

from typing import Any

import pytest

from pincrew.ctl.faults import Stopped
from pincrew.ctl.pin_options import pin_query
from unit.ctl.examples import OTHER, PEER

NOW_S = 1_800_000_000.25


def test_what_is_always_sent() -> None:
    assert pin_query(now_s=NOW_S) == {
        "name": "",
        "mode": "recursive",
        "replication-min": "0",
        "replication-max": "0",
        "shard-size": "0",
        "user-allocations": "",
    }


def test_what_is_sent_where_it_is_said() -> None:
    query = pin_query(
        name="x", mode="direct", allocations=f"{PEER}, {OTHER}", metadata=["a=b=c", "d="], expire_in="1h", now_s=NOW_S
    )
    assert query["user-allocations"] == f"{PEER},{OTHER}"
    assert (query["meta-a"], query["meta-d"], query["mode"]) == ("b=c", "", "direct")
    assert query["expire-at"] == "2027-01-15T09:00:00.250000Z"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"mode": "sideways"}, "error parsing mode: "),
        ({"metadata": ["x"]}, "error parsing metadata: metadata were not in the format key=value"),
        ({"metadata": ["=x"]}, "error parsing metadata: metadata were not in the format key=value"),
        ({"allocations": f"{PEER},x"}, "error decoding allocations: some peer IDs could not be decoded"),
        ({"expire_in": "1x"}, 'error parsing expire-in: time: unknown unit "x"'),
        ({"expire_in": "2000000h"}, ""),
    ],
)
def test_what_is_refused(options: dict[str, Any], says: str) -> None:
    if not says:
        assert pin_query(**options, now_s=NOW_S)["expire-at"].startswith("2255-")
        return
    with pytest.raises(Stopped) as stopped:
        pin_query(**options, now_s=NOW_S)
    assert str(stopped.value).startswith(says)
