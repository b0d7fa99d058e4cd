"""Scenarios by hand: sweep over seeds, replay one, shrink one that fails.

python -m tests.sim --scenario everything --seeds 1000
python -m tests.sim --scenario everything --seed 123
python -m tests.sim --scenario everything --seed 123 --shrink
python -m tests.sim --scenario everything --seed 123 --only 4,17,32
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
import traceback
from collections.abc import Collection
from pathlib import Path

# As tests/conftest.py does: the clone itself is not on the path, where follow/ would pass for a package of that name.
_TESTS = Path(__file__).parents[1]
sys.path[:] = [str(_TESTS), *(entry for entry in sys.path if Path(entry or ".").resolve() != _TESTS.parent)]

from sim.scenarios import SCENARIOS  # noqa: E402
from sim.shrink import shrink  # noqa: E402


def main() -> int:
    """Run what the command line asks for; return 1 where something failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__.splitlines()[0])
    parser.add_argument("--scenario", choices=[*SCENARIOS, "all"], default="all")
    parser.add_argument("--seeds", type=int, metavar="N", help="sweep over N seeds")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="where a sweep begins")
    parser.add_argument("--seed", type=int, help="run one seed again")
    parser.add_argument("--only", metavar="NUMBERS", help="of its plan only the actions with these numbers")
    parser.add_argument("--shrink", action="store_true", help="leave out what the failure does not need")
    asked = parser.parse_args()
    names = list(SCENARIOS) if asked.scenario == "all" else [asked.scenario]
    logging.disable(logging.CRITICAL)
    if asked.seed is None:
        return max([_sweep(name, range(asked.first, asked.first + (asked.seeds or 100))) for name in names])
    only = None if asked.only is None else {int(number) for number in asked.only.split(",") if number}
    return max([_replay(name, asked.seed, only, is_shrunk=asked.shrink) for name in names])


def _sweep(name: str, seeds: range) -> int:
    begun, failed = time.monotonic(), 0
    for seed in seeds:
        if (failure := _failure(name, seed)) is not None:
            failed += 1
            print(f"{name} {seed}: {failure[1]}", flush=True)
    print(f"{name}: {len(seeds)} seeds, {failed} failed, {time.monotonic() - begun:.0f} s", flush=True)
    return int(failed > 0)


def _replay(name: str, seed: int, only: Collection[int] | None, *, is_shrunk: bool) -> int:
    failure = _failure(name, seed, only)
    if failure is None:
        print(f"{name} {seed}: all agree")
        return 0
    numbers = [action.number for action in SCENARIOS[name].plan(seed) if only is None or action.number in only]
    if is_shrunk:
        where = failure[0]
        numbers = shrink(numbers, lambda some: (_failure(name, seed, some) or ("",))[0] == where)
        failure = _failure(name, seed, numbers)
        assert failure is not None
        print(f"{name} {seed}: {len(numbers)} actions are enough")
        for action in SCENARIOS[name].plan(seed):
            if action.number in numbers:
                print(action)
    print(failure[2], end="")
    replay = f"python -m tests.sim --scenario {name} --seed {seed}"
    if is_shrunk or only is not None:
        replay += f" --only {','.join(map(str, numbers)) or ','}"
    print(f"{failure[1]}\nreplay: {replay}")
    return 1


def _failure(name: str, seed: int, only: Collection[int] | None = None) -> tuple[str, str, str] | None:
    """Run a plan; return where it failed, in what words, and the whole trace."""
    try:
        SCENARIOS[name].run(seed, only)
    except Exception as error:  # whatever it is, it is what is looked for
        frame = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(frame.filename).name}:{frame.lineno}"
        said = (str(error).splitlines() or [""])[0]
        return where, f"{type(error).__name__} at {where}: {said}", "".join(traceback.format_exception(error))
    return None


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":  # the order of sets is part of what a seed decides
        os.execve(
            sys.executable, [sys.executable, "-m", "tests.sim", *sys.argv[1:]], {**os.environ, "PYTHONHASHSEED": "0"}
        )
    sys.exit(main())
