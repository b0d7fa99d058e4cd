"""Asking a person. Where there is nobody to ask, the flag that answers is named and the exit code is 2."""

from __future__ import annotations

import sys

from pincrew.cli.invocation import Invocation
from pincrew.errors import Misuse


def agree(invocation: Invocation, question: str, *, is_agreed: bool, default: bool, flag: str = "--yes") -> bool:
    """Return whether the user agrees; ``is_agreed`` says that the flag did already."""
    if is_agreed:
        return True
    if invocation.output.is_json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise Misuse("There is no terminal to ask on", means="Nothing was changed", next_step=f"Add `{flag}` to agree")
    choices = "[Y/n]" if default else "[y/N]"
    while True:
        print(f"{question} {choices} ", end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        answer = line.strip().lower()
        if not line:
            return False
        if answer in ("y", "yes", "n", "no", ""):
            return default if not answer else answer.startswith("y")
