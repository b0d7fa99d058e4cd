"""What is said about one pin."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from pincrew.tui.pin_detail import about

from support.acting_client import ActingClient
from support.fake_client import FakeClient, a_pin, a_summary
from support.screens import FROZEN, has, shown

KEYS = (("r", "retry"), ("x", "skip"))


def said(number: int, *, with_detail: bool = True, keys: Sequence[tuple[str, str]] = KEYS, room: int = 60) -> str:
    pin = a_pin(number)
    detail = FakeClient().pin("gutenberg-es", pin.cid) if with_detail else None
    lines = about(pin, detail, FROZEN, keys=keys, room=room)
    return "\n".join("".join(piece.text for piece in line) for line in lines)


@pytest.mark.parametrize(
    ("number", "texts"),
    [
        (0, ["✓ pinned 100.0 kB", "added    20 days ago by “Ana” (…EhczMk)", "checked  2 days ago"]),
        (2, ["↓ pinning 108.9 kB of 115.8 kB", "last block 3 seconds ago from 4 peers, 410.0 kB/s"]),
        (4, ["✗ error 131.7 kB", "no provider found", "Ask the curators", "tries    3, next in 2 hours"]),
        (5, ["○ skipped", "you do not want it"]),
    ],
)
def test_each_state(number: int, texts: list[str]) -> None:
    for text in [*texts, a_pin(number).cid, "about 38 peers, by what they announce", "language es"]:
        assert text in said(number)


def test_what_the_list_knows_is_said_at_once() -> None:
    assert "no provider found" in said(4, with_detail=False) and "added" not in said(4, with_detail=False)


def test_who_only_looks_is_offered_nothing_else() -> None:
    assert "retry" in said(4) and "retry" not in said(4, keys=())
    assert "copy CID" in said(4, keys=())


def test_what_is_long_goes_on_below_itself() -> None:
    lines = said(0, room=34).splitlines()
    first = lines.index("copies   about 38 peers, by what")
    assert lines[first + 1] == "         they announce"


async def test_each_role_is_offered_what_it_can_do() -> None:
    for role, there, absent in (("curator", "D remove", "x skip"), ("follower", "x skip", "D remove")):
        async with shown(ActingClient([a_summary(role=role)]), (140, 36)) as (_, pilot):
            screen = await has(pilot, "copy CID", there)
            assert absent not in screen
