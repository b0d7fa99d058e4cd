"""What is put where a system looks for what to start: which program for which home, and the mark by which a file that
its user changed is told from one as `autostart on` made it. Pure, but for asking how we were started ourselves."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

from pincrew.errors import Misuse
from pincrew.paths import Home

_MARK = "Made by `pincrew autostart on`; unchanged since then if this is its checksum: "


@dataclass(frozen=True)
class Entry:
    """What is to be started, and for which home. ``is_usual_home``: it is found without being named."""

    program: tuple[str, ...]
    home: Home
    is_usual_home: bool

    @property
    def command(self) -> tuple[str, ...]:
        """The command line."""
        return (*self.program, "daemon", "run")

    def name(self, usual: str) -> str:
        """Return a name for this home's entry: each home has one of its own."""
        if self.is_usual_home:
            return usual
        return f"{usual}-{hashlib.sha256(bytes(self.home.root)).hexdigest()[:8]}"


def entry_for(home: Home, usual_home: Path) -> Entry:
    """Return what starts the daemon of ``home`` with the pincrew that runs now. Raises Misuse for odd paths."""
    found = Entry(_program(), home, home.root == usual_home)
    for text in (*found.program, str(home.root)):
        if not text.isprintable():
            raise Misuse("A path with control characters cannot be started from", where=ascii(text))
    return found


def _program() -> tuple[str, ...]:
    """Return the program by the name under which its user found it, so that a new version of it is met there too."""
    typed = Path(sys.argv[0])
    if typed.name == "pincrew" and typed.is_file():
        return (str(typed.absolute()),)
    # -P: a folder named pincrew in the current directory must not pass for the program.
    return (sys.executable, "-P", "-m", "pincrew")


def sealed(text: str, before: str, after: str = "") -> str:
    """Return ``text`` with a mark in front of its last line, made a comment by ``before`` and ``after``."""
    head, last = text[:-1].rpartition("\n")[::2]
    return f"{head}\n{before}{_MARK}{_checksum(text)}{after}\n{last}\n"


def is_untouched(text: str) -> bool:
    """Tell whether a file is as ``sealed`` made it."""
    marks = [line for line in text.splitlines(keepends=True) if _MARK in line]
    return len(marks) == 1 and _checksum(text.replace(marks[0], "")) in marks[0]


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
