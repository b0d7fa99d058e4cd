"""What a user installs is what is in the folders: nothing missing, nothing beside `pincrew` at the top."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

from support.source_tree import FOLDERS, ROOT

pytestmark = pytest.mark.slow

SOURCES = ["pyproject.toml", "README.md", "LICENSE-MIT", "LICENSE-APACHE", *FOLDERS]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """A wheel of a clean copy: setuptools writes into the source, and packs what an earlier build/ still holds."""
    copy = tmp_path_factory.mktemp("source")
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy(source, copy / name)
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(copy)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = out.glob("*.whl")
    return zipfile.ZipFile(path)


def test_holds_every_file_of_the_folders(wheel: zipfile.ZipFile) -> None:
    in_folders = {
        f"{package.replace('.', '/')}/{path.relative_to(ROOT / folder).as_posix()}"
        for folder, package in FOLDERS.items()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
    }
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert sorted(in_folders - packed) == [], "missing from the wheel"
    assert sorted(packed - in_folders) == [], "in the wheel, but not in the folders"


def test_has_one_name_at_its_top(wheel: zipfile.ZipFile) -> None:
    (top_level,) = (name for name in wheel.namelist() if name.endswith("/top_level.txt"))
    assert wheel.read(top_level).decode().split() == ["pincrew"]
    tops = {Path(name).parts[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"pincrew"}


def test_says_who_may_use_it_and_what_it_needs(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith("/METADATA"))
    metadata = message_from_bytes(wheel.read(name))
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert metadata["License-Expression"] == "MIT OR Apache-2.0"
    assert sorted(metadata.get_all("License-File", [])) == ["LICENSE-APACHE", "LICENSE-MIT"]
    assert set(metadata["Requires-Python"].split(",")) == {">=3.11", "<3.14"}
    assert len(metadata.get_all("Requires-Dist", [])) == len(settings["project"]["dependencies"])
    (points,) = (name for name in wheel.namelist() if name.endswith("/entry_points.txt"))
    assert "pincrew = pincrew.__main__:main" in wheel.read(points).decode()
