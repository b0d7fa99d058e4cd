"""What is started, for which home, and whether a file is as we made it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pincrew.cli.autostart_entry import entry_for, is_untouched, sealed
from pincrew.errors import Misuse
from pincrew.paths import Home


def test_the_program_is_the_one_that_was_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its link: an upgrade changes where that leads."""
    (tmp_path / "real").touch()
    (tmp_path / "pincrew").symlink_to(tmp_path / "real")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["./pincrew", "autostart", "on"])
    found = entry_for(Home(tmp_path / "home"), tmp_path / "home")
    assert found.command == (str(tmp_path / "pincrew"), "daemon", "run")
    assert found.name("pincrew") == "pincrew"


def test_else_it_is_this_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/pincrew/__main__.py"])
    found = entry_for(Home(tmp_path / "home"), tmp_path / "usual")
    assert found.command == (sys.executable, "-P", "-m", "pincrew", "daemon", "run")
    other = entry_for(Home(tmp_path / "other"), tmp_path / "usual")
    assert found.name("pincrew").startswith("pincrew-")
    assert found.name("pincrew") != other.name("pincrew")


def test_a_path_that_would_break_the_file_is_refused() -> None:
    with pytest.raises(Misuse, match="control characters"):
        entry_for(Home(Path("/tmp/a\nExecStart=/bin/evil")), Path("/usual"))


def test_a_file_that_was_changed_is_known() -> None:
    text = sealed("[A]\nb=1\nc=2\n", "# ")
    assert is_untouched(text)
    assert text.splitlines()[0] == "[A]"
    assert text.splitlines()[-1] == "c=2"
    assert not is_untouched(text.replace("b=1", "b=2"))
    assert not is_untouched("[A]\nb=1\nc=2\n")
    assert not is_untouched(text + text)
