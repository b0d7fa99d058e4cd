"""Remembers the crew of one cluster: hears what is announced, now and then, and keeps it over restarts."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress

import trio

from pincrew import limits
from pincrew.announcement import Announcements
from pincrew.coverage import Crew
from pincrew.crew import CrewBook
from pincrew.errors import StoreFault
from pincrew.store.part_rows import PartRows


class CrewWatch:
    """Keeps a `CrewBook` up to date. ``run`` until cancelled."""

    def __init__(
        self,
        rows: PartRows,
        heard: Announcements,
        *,
        is_listening: Callable[[], bool],
        vouched: Callable[[], Collection[bytes]],
    ) -> None:
        """``is_listening``: whether anybody is connected; ``vouched``: keys of curators and of whom they name."""
        self._rows = rows
        self._heard = heard
        self._is_listening = is_listening
        self._vouched = vouched
        self.book = CrewBook()
        self.listened_s = 0.0

    def crew(self) -> Crew:
        """Return who counts now, this peer among them."""
        self._hear(0.0)
        return Crew(self.book.keepers(self._vouched()))

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Listen until cancelled. Started means: what was remembered is here."""
        self.book = CrewBook.decode(await trio.to_thread.run_sync(self._rows.crew))
        task_status.started()
        saved_at = at = trio.current_time()
        while True:
            await trio.sleep(limits.CREW_LOOK_INTERVAL_S)
            now = trio.current_time()
            listened_s = now - at if self._is_listening() else 0.0
            self.listened_s += listened_s
            self._hear(listened_s)
            at = now
            if now >= saved_at + limits.CREW_SAVE_INTERVAL_S:
                saved_at = now
                with suppress(StoreFault):  # It is soon heard again, and written the next time.
                    await trio.to_thread.run_sync(self._rows.save_crew, self.book.encode())

    def _hear(self, listened_s: float) -> None:
        current = self._heard.current(trio.current_time())
        self.book.hear([one.announcement for one in current], listened_s)
