"""Every command says what it does with an example that would work, and shells complete them all."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.command_tree import command_lines, commands
from support.shell import Shell

EVERY = pytest.mark.parametrize(("line", "command"), list(commands()), ids=command_lines())


@EVERY
def test_help_has_an_example_that_would_work(line: str, command: Any, shell: Shell) -> None:
    [example] = re.findall(r"Example: `(pincrew [^`]+)`", command.help)[:1] or [""]
    words = shlex.split(example.partition(" > ")[0])[1:]
    own = line.split()
    assert words[: len(own)] == own, f"the help of {line} needs a line `Example: pincrew {line} ...`"
    command.make_context(line, words[len(own) :])  # raises where its options or arguments are not there
    assert f"pincrew {line}" in re.sub(r"\s+", " ", shell(*own, "--help").out)


@EVERY
def test_help_fits_a_terminal(line: str, command: Any, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    result = shell(*line.split(), "--help")
    assert result.code == 0 and "\x1b" not in result.out
    assert max(map(len, result.out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("line", "usage"),
    [
        ("follow", "pincrew follow [OPTIONS] SOURCE"),
        ("skip", "pincrew skip [OPTIONS] CID..."),
        ("retry", "pincrew retry [OPTIONS] [CID...]"),
        ("add", "pincrew add [OPTIONS] {PATH|-}..."),
        ("compat install", "pincrew compat install [OPTIONS] [DIR]"),
        ("status", "pincrew status [OPTIONS]"),
    ],
)
def test_usage_is_written_as_people_write_it(line: str, usage: str, shell: Shell) -> None:
    said = shell(*line.split(), "--help").out
    assert said.splitlines()[0] == f"Usage: {usage}" and "<" not in said.partition("Options:")[0]


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_completion_scripts_are_those_of_each_shell(name: str, shell: Shell, tmp_path: Path) -> None:
    script = shell("completion", name).out
    assert "_PINCREW_COMPLETE" in script and "pincrew" in script
    program = shutil.which(name)
    if program is not None:  # one that is not here cannot complete here
        file = tmp_path / "script"
        file.write_text(script)
        subprocess.run([program, "-n", str(file)], check=True, timeout=30)


@pytest.mark.parametrize(
    ("name", "typed", "expected"),
    [
        ("bash", "pincrew ver", {"verify", "version"}),
        ("bash", "pincrew leave --dr", {"--dry-run"}),
        ("zsh", "pincrew autostart o", {"on", "off"}),
        ("fish", "pincrew trust re", {"revoke"}),
    ],
)
def test_a_shell_is_told_commands_and_options(name: str, typed: str, expected: set[str]) -> None:
    """What the scripts run, in a process of its own: it ends that."""
    environment = {
        **os.environ,
        "_PINCREW_COMPLETE": f"complete_{name}",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(typed.count(" ")),
        "_TYPER_COMPLETE_ARGS": typed,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    said = subprocess.run(
        [sys.executable, "-m", "pincrew"], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert expected <= set(re.findall(r"[\w-]+", said.stdout)), said
    assert said.stderr == ""
