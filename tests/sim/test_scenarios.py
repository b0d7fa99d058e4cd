"""All that may happen, mixed by a seed: crashes, torn writes, backups put back, clones, jumping clocks, revocations by
an owner's base, other keepers, bases of honest and of lying ones, newcomers; and what is done with a seed that fails.

    PINCREW_SIM_SEEDS=1000 pytest tests/sim/test_scenarios.py        more seeds
    python -m tests.sim --scenario everything --seed 123 --shrink    the few actions that a failure needs
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from pincrew.store.database import Database
from pincrew.store.window import WindowChanges
from sim.scenarios import SCENARIOS
from sim.shrink import shrink
from sim.storm import BASES, CALM, DISKS, LIES, TRUST
from support.source_tree import ROOT

# How many seeds of each scenario every run takes; PINCREW_SIM_SEEDS says it for all of them.
SEEDS = {"weather": 2, "disks": 3, "bases": 2, "trust": 4, "lies": 4, "everything": 6, "crowd": 1}
CASES = [
    pytest.param(name, seed, id=f"{name}-{seed}", marks=[pytest.mark.long] if name == "crowd" else [])
    for name, count in SEEDS.items()
    for seed in range(int(os.environ.get("PINCREW_SIM_SEEDS", count)))
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "seed"), CASES)
def test_all_agree_in_the_end(name: str, seed: int) -> None:
    print(f"replay: python -m tests.sim --scenario {name} --seed {seed}")
    SCENARIOS[name].run(seed)


# Shrunk seeds that failed once, by what was wrong.
FOUND = [
    pytest.param("everything", 1011, (11, 12, 28, 42, 60, 69), id="claims from before an owner's base counted on"),
    pytest.param("everything", 46, (34, 40, 43, 44, 108, 109, 110, 119), id="a curator named since was cut off"),
    pytest.param("lies", 2, (42, 44, 55), id="an owner's number was that of a base upon a lie"),
    pytest.param("trust", 3, (0, 6, 7, 36, 38, 40, 51, 52, 58, 59, 70), id="a base that goes back was computed"),
]


@pytest.mark.parametrize(("name", "seed", "only"), FOUND)
def test_what_was_found_stays_mended(name: str, seed: int, only: tuple[int, ...]) -> None:
    SCENARIOS[name].run(seed, only)


def test_everything_means_every_kind_of_action() -> None:
    kinds = {kind for mix in (CALM, DISKS, BASES, TRUST, LIES) for kind in mix}
    planned = {action.kind for seed in range(20) for action in SCENARIOS["everything"].plan(seed)}
    assert planned == kinds
    assert len(SCENARIOS["crowd"].names) == 50


def test_a_seed_decides_everything() -> None:
    one, other = SCENARIOS["disks"].run(5), SCENARIOS["disks"].run(5)
    assert (one.now, one.bytes_sent, one.frames) == (other.now, other.bytes_sent, other.frames)
    assert one.judge.written == other.judge.written


# ---- shrinking ------------------------------------------------------------------------------------------------------


def test_what_is_left_fails_and_nothing_of_it_can_be_left_out() -> None:
    tried = []

    def fails(some: list[int]) -> bool:
        tried.append(list(some))
        return {3, 41, 77} <= set(some)

    assert shrink(list(range(100)), fails) == [3, 41, 77]
    assert len(tried) < 100
    assert shrink([1, 2], lambda some: True) == []


@pytest.mark.slow
def test_a_fault_is_found_and_shrunk_to_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a fault put in: what is removed keeps its row. It takes one write that adds and one that removes."""
    commit = WindowChanges.commit

    def forgetful(changes: WindowChanges, database: Database, now_ms: int) -> int:
        changes.rows = [row for row in changes.rows if row.now is not None]
        return commit(changes, database, now_ms)

    monkeypatch.setattr(WindowChanges, "commit", forgetful)
    scenario = SCENARIOS["weather"]

    def fails(seed: int, only: list[int] | None = None) -> bool:
        try:
            scenario.run(seed, only)
        except AssertionError:
            return True
        return False

    seed = next(seed for seed in range(50) if fails(seed))
    numbers = shrink(range(scenario.steps), lambda some: fails(seed, list(some)))
    left = [action.kind for action in scenario.plan(seed) if action.number in numbers]
    assert len(left) <= 2 and set(left) <= {"write", "die writing"}


@pytest.mark.slow
def test_the_command_replays_a_part_of_a_plan_and_says_so() -> None:
    command = [sys.executable, "-m", "tests.sim", "--scenario", "weather", "--seed", "1", "--only", "0,1,2,3"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "weather 1: all agree\n"), done.stderr
