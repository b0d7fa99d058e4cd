"""The folders follow/ and trusted/ are never imported by those names, and what says so stays in place."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

from support.source_tree import ROOT

ROLES = ["follow", "trusted", "tui"]


@pytest.mark.parametrize("folder", ROLES)
def test_folder_cannot_be_imported_under_pytest(folder: str) -> None:
    assert find_spec(folder) is None


@pytest.mark.parametrize("folder", ["follow", "trusted"])
def test_folder_is_imported_as_part_of_pincrew(folder: str) -> None:
    found = find_spec(f"pincrew.{folder}")
    assert found is not None and found.origin is not None
    assert Path(found.origin).parent == ROOT / folder


def test_ruff_refuses_the_folders_names(tmp_path: Path) -> None:
    """The bans are in force, not only written down: a file that breaks each is refused for each."""
    bad = tmp_path / "bad.py"
    bad.write_text(
        "import asyncio\nimport follow\nimport trusted\nimport tui\n\nprint(asyncio, follow, trusted, tui)\n"
    )
    command = [sys.executable, "-m", "ruff", "check", "--config", str(ROOT / "pyproject.toml"), "--no-cache"]
    told = subprocess.run(
        [*command, "--output-format", "concise", str(bad)], capture_output=True, text=True, check=False
    )
    assert told.returncode == 1
    assert told.stdout.count("TID251") == 4, told.stdout


def test_dependencies_are_locked_with_hashes() -> None:
    """Every dependency in pyproject.toml is in the lock, at a version that it allows, with a hash."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = settings["dependency-groups"]
    for wanted, lock in [
        (settings["project"]["dependencies"], "requirements.lock"),
        (groups["build"], "requirements-build.lock"),
        (groups["dev"], "requirements-dev.lock"),
    ]:
        text = (ROOT / "packaging" / lock).read_text(encoding="utf-8").replace("\\\n", " ")
        pins = {}
        for line in text.splitlines():
            if line and not line.startswith("#"):
                pin, *hashes = line.split("--hash=sha256:")
                assert hashes, f"{lock}: {pin} has no hash"
                requirement = Requirement(pin.strip())
                pins[canonicalize_name(requirement.name)] = str(requirement.specifier).removeprefix("==")
        for text_of_requirement in wanted:
            requirement = Requirement(text_of_requirement)
            locked = pins.get(canonicalize_name(requirement.name))
            assert locked is not None, f"run `make lock`: {requirement.name} is not in {lock}"
            assert requirement.specifier.contains(locked), f"run `make lock`: {lock} has {requirement.name} {locked}"


def test_lock_overrides_what_needs_a_compiler() -> None:
    override = (ROOT / "packaging" / "overrides.txt").read_text(encoding="utf-8").splitlines()[-1]
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert f"\n{override} \\" in (ROOT / "packaging" / "requirements.lock").read_text(encoding="utf-8")
    assert settings["tool"]["uv"]["override-dependencies"] == [override]
