"""Tests of the tests: with a check taken out of the source, the test that is named for it fails.

    pytest tests/mutants            a few of each kind
    pytest tests/mutants --all      every one of tests/mutants/table.py

The product is copied, changed and put first on the path of a process of its own; that process checks that
it imported what was changed from there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mutants.table import INVARIANTS, MUTANTS, Mutant
from support.source_tree import FOLDERS, ROOT

TIMEOUT_S = 120

RUN = """
import pathlib, sys
import pytest
root, modules, *arguments = sys.argv[1:]
ended = pytest.main(["-q", "-x", "-p", "no:cacheprovider", "--all", *arguments])
for name in modules.split(","):
    found = sys.modules.get(name)
    if found is None or not pathlib.Path(found.__file__).is_relative_to(root):
        print(f"{name} was not imported from {root}: {found}")
        sys.exit(99)
sys.exit(ended)
"""


def copy_product(folder: Path) -> Path:
    """Copy the product, with the mapped folders where imports expect them; return the import package."""
    package = folder / "pincrew"
    for source, name in FOLDERS.items():
        if (ROOT / source).is_dir():
            target = folder.joinpath(*name.split("."))
            shutil.copytree(ROOT / source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    return package


def module_of(file: str) -> str:
    return "pincrew." + file.removesuffix(".py").replace("/", ".")


def run_tests(folder: Path, modules: list[str], tests: list[str]) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PINCREW_SIM_SEEDS": "2",
    }
    environment.pop("PINCREW_SIM_SEED", None)
    command = [sys.executable, "-P", "-c", RUN, str(folder), ",".join(modules), *tests]
    try:
        return subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "it never ended: FAILED", "")


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda one: one.name)
def test_the_mutant_can_be_made(mutant: Mutant) -> None:
    """Its text stands once in the source, so that a change of the source is noticed here."""
    folder, _, rest = mutant.file.partition("/")
    path = ROOT / mutant.file if folder in FOLDERS else ROOT / "pincrew" / mutant.file
    assert rest or path.exists()
    assert path.read_text(encoding="utf-8").count(mutant.old) == 1, mutant.old


def test_every_invariant_has_a_mutant() -> None:
    numbers = {int(mutant.name.split()[0]) for mutant in INVARIANTS}
    assert numbers == {*range(1, 16)}
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


@pytest.mark.slow
def test_without_a_mutant_all_named_tests_pass(tmp_path: Path) -> None:
    copy_product(tmp_path)
    modules = sorted({module_of(mutant.file) for mutant in MUTANTS})
    done = run_tests(tmp_path, modules, sorted({mutant.test for mutant in MUTANTS}))
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]


def cases() -> list[object]:
    marks = {True: [pytest.mark.slow], False: [pytest.mark.slow, pytest.mark.long]}
    return [pytest.param(mutant, id=mutant.name, marks=marks[mutant.often]) for mutant in MUTANTS]


@pytest.mark.parametrize("mutant", cases())
def test_the_mutant_is_found(mutant: Mutant, tmp_path: Path) -> None:
    path = copy_product(tmp_path) / mutant.file
    source = path.read_text(encoding="utf-8")
    path.write_text(source.replace(mutant.old, mutant.new), encoding="utf-8")
    done = run_tests(tmp_path, [module_of(mutant.file)], [mutant.test])
    assert done.returncode == 1, f"{mutant.test} does not notice:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
    assert "FAILED" in done.stdout, done.stdout[-2000:]
