"""Orders are values: what a test expects can be compared with what was ordered."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from pincrew.node.bitswap.orders import Disconnect, Drop, Tell


def test_orders_are_compared_by_what_they_say() -> None:
    assert Tell("a") == Tell("a") != Drop("a")
    with pytest.raises(FrozenInstanceError):
        Disconnect("a", "why").peer = "b"  # type: ignore[misc]
