"""How many connections that have not introduced themselves one address may have."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from pincrew import limits
from pincrew.network.doorway import Doorway


def fill(doorway: Doorway, stack: ExitStack, address: str) -> None:
    for _ in range(limits.HALF_OPEN_PER_ADDRESS_MAX):
        assert doorway.has_room(address)
        stack.enter_context(doorway.entering(address))


def test_one_address_has_its_share_and_leaves_the_others_theirs() -> None:
    doorway = Doorway()
    with ExitStack() as stack:
        fill(doorway, stack, "203.0.113.7")
        assert not doorway.has_room("203.0.113.7")
        assert doorway.has_room("203.0.113.8")
    assert doorway.has_room("203.0.113.7")
    assert not doorway._standing  # nothing is kept of those who went


@pytest.mark.parametrize(
    ("held", "asked", "has_room"),
    [
        ("2001:db8::1", "2001:db8::ffff:2", False),
        ("2001:db8::1", "2001:db8:0:1::1", True),
        ("::ffff:203.0.113.7", "203.0.113.7", False),
        ("fe80::1%eth0", "fe80::2", False),
        ("127.0.0.1", "127.0.0.1", True),
        ("::1", "::1", True),
        ("::ffff:127.0.0.1", "127.0.0.1", True),
        ("", "", True),
    ],
)
def test_what_counts_as_one_address(held: str, asked: str, has_room: bool) -> None:
    doorway = Doorway()
    with ExitStack() as stack:
        fill(doorway, stack, held)
        assert doorway.has_room(asked) == has_room
