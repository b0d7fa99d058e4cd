"""`kill -9` of each role, again and again, while pins are written and bases are made.

PINCREW_KILLS says how often (100 by hand), PINCREW_SEED which moments.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from random import Random

import pytest

from pincrew.api.shapes import PinRequest
from pincrew.errors import PincrewError
from support.ingest import Ingest
from support.machines import Machine, crew_in, made_up_cids, until
from support.three import NAME, Three, agree, found, machines_of

pytestmark = [pytest.mark.slow, pytest.mark.thorough]

KILLS = int(os.environ.get("PINCREW_KILLS", "5"))
SEED = os.environ.get("PINCREW_SEED", "1")
BATCHES, BATCH = 16, 50
REMOVED = 10
BASE_INTERVAL_S = 0.5
HEAL_S = 60.0


class BaseMaking:
    """Has the keeper make one base after the other, for as long as it is there."""

    def __init__(self, keeper: Machine) -> None:
        self.made = 0
        self._keeper = keeper
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._is_over.is_set():
            # The keeper is gone half of the time, and a base that others' writing overtook is refused.
            with contextlib.suppress(PincrewError):
                self._keeper.client.make_base(NAME)
                self.made += 1
            self._is_over.wait(BASE_INTERVAL_S)

    def __enter__(self) -> BaseMaking:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()


class Rounds:
    """Kills one machine, at moments that a seed chooses, while another one (or itself) is written to."""

    def __init__(self, three: Three, victim: Machine, written: Machine, luck: Random) -> None:
        self.acknowledged: list[str] = []
        self.removed: list[str] = []
        self.kills = 0
        self._three, self._victim, self._written, self._luck = three, victim, written, luck

    def run(self) -> None:
        """One round: some pins are removed, others written; in their midst the victim dies, and comes back."""
        self._remove()
        cids = made_up_cids(BATCHES * BATCH, f"{self._victim.name} {self.kills}")
        with Ingest(self._written, NAME, cids, BATCH) as ingest:
            goal = self._luck.randrange(BATCHES)
            while ingest.is_running and len(ingest.acknowledged) < goal * BATCH:
                time.sleep(0.001)
            # Not to wait for anything: the moment itself is what differs from kill to kill.
            time.sleep(self._luck.uniform(0, 0.05))
            self._victim.kill()
            self.kills += 1
            if self._luck.random() < 0.25:
                self._killed_while_it_starts()
            self._three.start(self._victim)
            ingest.join()
            assert len(ingest.acknowledged) == len(cids) or self._written is self._victim, ingest.refused
            self.acknowledged += ingest.acknowledged

    def _remove(self) -> None:
        some = self._luck.sample(self.acknowledged, min(REMOVED, len(self.acknowledged)))
        if some:
            self._written.client.write_pins(NAME, (PinRequest(cid=cid, remove=True) for cid in some))
            self.removed += some
            self.acknowledged = [cid for cid in self.acknowledged if cid not in some]

    def _killed_while_it_starts(self) -> None:
        words = ("daemon", "run") if self._victim is self._three.follower else ("serve", NAME)
        process = self._victim.start(*words)
        time.sleep(self._luck.uniform(0, 1.5))
        process.kill()
        process.wait()
        self.kills += 1


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Three]:
    """One cluster for all the roles, because founding it takes as long as some kills."""
    with crew_in(tmp_path_factory.mktemp("kills")) as crew:
        yield found(machines_of(crew))


@pytest.mark.parametrize("role", ["curator", "follower", "keeper"])
def test_nothing_acknowledged_is_lost_however_often_one_is_killed(three: Three, role: str) -> None:
    victim = getattr(three, role)
    rounds = Rounds(three, victim, three.curator, Random(f"{SEED} {role}"))
    with BaseMaking(three.keeper) as making:
        while rounds.kills < KILLS:
            rounds.run()
        # A keeper that is killed in each of its moments may have made none so far.
        until(lambda: making.made, "a base is made")
    assert rounds.acknowledged
    took_s = agree(three.all, rounds.acknowledged, rounds.removed, HEAL_S)
    print(
        f"{role}: {rounds.kills} kills, {len(rounds.acknowledged)} pins acknowledged, {len(rounds.removed)} removed,"
        f" {making.made} bases, the same list {took_s:.1f} s after the last start"
    )
