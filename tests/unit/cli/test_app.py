"""What becomes of whatever goes wrong: a sentence and an exit code, never a traceback."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main

from pincrew.cli import app, status
from pincrew.errors import NodeDown
from support.shell import Shell


def test_alone_it_gives_a_short_help(shell: Shell) -> None:
    result = shell()
    assert result.code == 0
    assert "pincrew follow SOURCE" in result.out
    assert max(len(line) for line in result.out.splitlines()) <= 80


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["statsu"], "Did you mean 'status'"),
        (["status", "--jsn"], "--json"),
        (["--jsn"], "--help"),
        (["pin", "remove"], "rm"),
        (["follow"], "SOURCE"),
        (["pins", "--sort", "colour"], "'name', 'added', 'size'"),
        (["pins", "--limit", "0"], "--limit"),
        (["pin", "add"], "CID"),
        (["status", "extra"], "extra"),
        (["completion", "tcsh"], "bash"),
    ],
)
def test_usage_is_exit_2_with_the_nearest_word(shell: Shell, arguments: list[str], expected: str) -> None:
    result = shell(*arguments)
    assert result.code == 2
    assert expected in result.err
    assert len(result.err.splitlines()) == 1
    assert "Value error" not in result.err


def test_groups_show_their_commands(shell: Shell) -> None:
    result = shell("pin")
    assert result.code in (0, 2)
    assert "update" in result.out + result.err


def test_an_error_of_ours_is_told_in_four_parts(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object, **__: object) -> None:
        raise NodeDown("What", where="where", means="It means", next_step="`next`")

    monkeypatch.setattr(status.stored, "status", failing)
    result = shell("status")
    assert (result.code, result.err) == (1, "pincrew: What (where). It means. `next`\n")


def test_a_bug_is_told_without_a_traceback_and_debug_writes_it_to_a_file(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(status.stored, "status", failing)
    result = shell("status")
    assert result.code == 1
    assert "Traceback" not in result.err
    assert "--debug" in result.err
    result = shell("status", "--debug")
    assert result.code == 1
    found = re.search(r"the traceback is in (\S+)", result.err)
    assert found
    path = Path(found[1])
    assert "ZeroDivisionError: a bug" in path.read_text()
    assert path.stat().st_mode & 0o077 == 0
    path.unlink()


def test_ctrl_c(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(status.stored, "status", interrupted)
    assert shell("status").code == 130


def test_a_setting_that_is_wrong_does_not_hide_the_help(shell: Shell) -> None:
    assert shell("follow", "--help").code == 0
    assert app.run(["version"]) == 0


@pytest.mark.parametrize("module", app._MODULES)
def test_each_module_makes_the_commands_that_are_looked_for_there(module: str) -> None:
    """Only the module of what is typed is imported."""
    names = app._MODULES[module]
    for name in names:
        found = typer.main.get_command(app.application(name))
        assert set(getattr(found, "commands", {})) == set(names)


def test_no_module_is_forgotten() -> None:
    everything = typer.main.get_command(app.application())
    named = [name for names in app._MODULES.values() for name in names]
    assert sorted(getattr(everything, "commands", {})) == sorted(named)
