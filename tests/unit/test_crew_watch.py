"""Hearing the crew, now and then, and remembering it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import trio
import trio.testing

from pincrew import limits
from pincrew.announcement import Announcement, Announcements, KeptPart
from pincrew.crew import CrewBook
from pincrew.crew_watch import CrewWatch
from pincrew.errors import StoreFault
from pincrew.store.database import Database
from pincrew.store.part_rows import PartRows
from sim.swarm import key_of

CLUSTER = b"c" * 32


class Scene:
    """One watch with its store."""

    def __init__(self, tmp_path: Path) -> None:
        self.heard = Announcements(CLUSTER)
        self.rows = PartRows(Database(tmp_path / "state.db"))
        self.is_connected = True
        self.watch = CrewWatch(
            self.rows, self.heard, is_listening=lambda: self.is_connected, vouched=lambda: {key_of("a").public}
        )

    def say(self, name: str, time_ms: int = 1) -> None:
        key = key_of(name)
        said = Announcement(CLUSTER, key.public, name=name, part=KeptPart(2**62, 9, 1, 0), time_ms=time_ms)
        self.heard.accept(said.sealed(key), trio.current_time())


def test_it_hears_at_once_and_remembers_over_a_restart(tmp_path: Path) -> None:
    async def main() -> None:
        scene = Scene(tmp_path)
        async with trio.open_nursery() as nursery:
            await nursery.start(scene.watch.run)
            scene.say("a")
            scene.say("b")
            assert [one.is_vouched for one in scene.watch.crew().keepers] == [True, False]
            # The clock jumps also while a thread writes: how much of it was listened is known only afterwards.
            with trio.fail_after(10 * limits.CREW_SAVE_INTERVAL_S):
                while scene.watch.listened_s < limits.CREW_SAVE_INTERVAL_S + limits.CREW_LOOK_INTERVAL_S:  # noqa: ASYNC110
                    await trio.sleep(limits.CREW_LOOK_INTERVAL_S)
            nursery.cancel_scope.cancel()
        again = CrewBook.decode(scene.rows.crew())
        assert len(again) == 2
        assert all(0 < one.silent_s < 2 * limits.CREW_SAVE_INTERVAL_S for one in again.mates()), "both fell silent"

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0.002))


def test_a_week_without_a_network_is_no_silence_of_others(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(limits, "CREW_LOOK_INTERVAL_S", 3_600.0)

    async def main() -> None:
        scene = Scene(tmp_path)
        async with trio.open_nursery() as nursery:
            await nursery.start(scene.watch.run)
            scene.say("a")
            scene.watch.crew()
            scene.is_connected = False
            await trio.sleep(8 * 86_400)
            assert len(scene.watch.crew()) == 1 and scene.watch.listened_s == 0.0
            scene.is_connected = True
            with trio.fail_after(10 * limits.CREW_SILENT_S_MAX):  # the clock jumps also while a thread writes
                while len(scene.watch.crew()):  # noqa: ASYNC110
                    await trio.sleep(limits.CREW_LOOK_INTERVAL_S)
            assert scene.watch.listened_s >= limits.CREW_SILENT_S_MAX
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0.002))


def test_a_full_disk_is_no_end(tmp_path: Path, monkeypatch: Any) -> None:
    async def main() -> None:
        scene = Scene(tmp_path)

        def full(data: bytes) -> None:
            raise StoreFault("There is no room for the state")

        monkeypatch.setattr(scene.rows, "save_crew", full)
        with trio.move_on_after(3 * limits.CREW_SAVE_INTERVAL_S) as scope:
            await scene.watch.run()
        assert scope.cancelled_caught

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0.002))
