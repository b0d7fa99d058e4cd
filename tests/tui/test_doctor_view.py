"""What the daemon finds."""

from __future__ import annotations

from support.acting_client import ActingClient
from support.screens import has, shown


async def test_what_failed_comes_first_with_what_to_do() -> None:
    async with shown(ActingClient()) as (_, pilot):
        await pilot.press("d")
        screen = await has(pilot, "✗ 1 check failed, 1 note of 4", "none was seen for 9 hours [red]")
        lines = [line.strip() for line in screen.splitlines()]
        failed = lines.index("✗ curators: none was seen for 9 hours [red]")
        assert lines[failed + 1] == "→ Is this machine online?"
        assert failed < lines.index("· volume: 9 % are free") < lines.index("✓ peers: 41 are connected")
