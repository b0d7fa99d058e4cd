"""A run lists its skips by reason and fails on one that nobody allowed; `long` tests wait for --all."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.kubo import NO_KUBO
from support.skips import ALLOWED_SKIPS, read_allowed
from support.source_tree import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A clone that holds the rules and no tests yet."""
    for name in ("pyproject.toml", "tests/conftest.py", "tests/allowed_skips.txt", "tests/support"):
        target = tmp_path / name
        target.parent.mkdir(exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, target)
    return tmp_path


def run(suite: Path, body: str, *options: str, **changes: str) -> tuple[int, str]:
    (suite / "tests" / "test_it.py").write_text("import pytest\n" + body)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PINCREW_")}
    environment |= {"PINCREW_KUBO_CACHE": "/nowhere", "PATH": "/nowhere", **changes}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options]
    done = subprocess.run(command, cwd=suite, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_unknown_reason_fails_the_run(suite: Path) -> None:
    status, told = run(suite, "def test_a(): pass\ndef test_b(): pytest.skip('not today')\n")
    assert status == 1
    assert "1  not today" in told and "not in tests/allowed_skips.txt: not today" in told


def test_module_level_skip_counts(suite: Path) -> None:
    status, told = run(suite, "pytest.skip('not this file', allow_module_level=True)\n")
    assert status == 1 and "1  not this file" in told


def test_expected_failure_is_no_skip(suite: Path) -> None:
    status, told = run(suite, "@pytest.mark.xfail(reason='known')\ndef test_a(): assert 0\n")
    assert status == 0 and "none" in told.split("skips by reason")[1]


def test_kubo_tests_without_kubo(suite: Path) -> None:
    body = "@pytest.mark.kubo\ndef test_a(kubo_program): pass\ndef test_b(): pass\n"
    status, told = run(suite, body)
    assert status == 0 and f"1  {NO_KUBO}" in told
    status, told = run(suite, body, PINCREW_REQUIRE_KUBO="1")
    assert status == 1 and "skips by reason" in told and "1 passed, 1 error" in told
    found, told = run(suite, body, PINCREW_KUBO="/bin/sh")
    assert found == 0 and "2 passed" in told


def test_long_tests_wait_for_all(suite: Path) -> None:
    body = "@pytest.mark.long\ndef test_a(): pass\ndef test_b(): pass\n"
    assert "1 passed, 1 deselected" in run(suite, body)[1]
    assert "2 passed" in run(suite, body, "--all")[1]


def test_allowed_reasons_are_read() -> None:
    assert any(pattern.fullmatch(NO_KUBO) for pattern in read_allowed(ALLOWED_SKIPS))
