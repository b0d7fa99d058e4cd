"""The pause of one running cluster, as its API shows and changes it."""

from __future__ import annotations

from pincrew.api.lines import time_text
from pincrew.api.shapes import Paused
from pincrew.errors import Misuse
from pincrew.pause import Pause, pause_of
from pincrew.peer import Peer


class PauseDesk:
    """Implements ``api.contract.PauseDoor``."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    async def change(self, until: str | None, *, is_paused: bool) -> Paused:
        """Pause until a moment (None: until somebody resumes), or resume. Raises Misuse for what is no moment."""
        pause = None
        if is_paused:
            pause = Pause() if until is None else pause_of(until, "until")
            if pause is None or pause.is_over(self._peer.clock_ms()):
                raise Misuse("A pause ends in the future", means="Nothing was changed")
        await self._peer.pausing.change(pause)
        return Paused(self._peer.options.name, self._peer.is_paused, time_text(self._peer.paused_until_ms))
