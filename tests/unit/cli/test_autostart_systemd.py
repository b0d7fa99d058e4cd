"""The unit, judged by the real systemd-analyze, which needs no running systemd."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pincrew.cli.autostart_entry import Entry
from pincrew.cli.autostart_systemd import unit_text
from pincrew.paths import Home


def lines(text: str, key: str) -> list[str]:
    return [line.partition("=")[2] for line in text.splitlines() if line.startswith(f"{key}=")]


def test_odd_paths_are_written_so_that_systemd_reads_them_as_they_are() -> None:
    entry = Entry(('/opt/a b/100%/$HOME/"quoted"\\', "-P"), Home(Path("/srv/my %h data")), False)
    text = unit_text(entry)
    (command,) = lines(text, "ExecStart")
    assert command == r'"/opt/a b/100%%/$$HOME/\"quoted\"\\" -P daemon run'
    assert lines(text, "Environment") == ['"PINCREW_HOME=/srv/my %%h data"']
    assert lines(text, "StandardOutput") == ["append:/srv/my %%h data/daemon.log"]


def test_nothing_of_the_users_folders_is_hidden_or_made_read_only() -> None:
    text = unit_text(Entry(("/usr/bin/pincrew",), Home(Path("/home/a")), True))
    for key in ("ProtectHome", "ProtectSystem", "PrivateTmp", "ReadOnlyPaths", "InaccessiblePaths", "PrivateUsers"):
        assert key not in text


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("folder", ["plain", "with space and %h"])
def test_systemd_finds_nothing_wrong(tmp_path: Path, folder: str) -> None:
    home = tmp_path / folder
    home.mkdir()
    program = home / "pincrew"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    path = tmp_path / "pincrew.service"
    path.write_text(unit_text(Entry((str(program),), Home(home), False)))
    (tmp_path / "run").mkdir(mode=0o700)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", str(path)],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "run")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
