"""Asking a person. Where there is nobody to ask, the flag that answers is named and the exit code is 2."""

from __future__ import annotations

import sys
from collections.abc import Callable

from pincrew.cli.invocation import Invocation
from pincrew.errors import Misuse


def require_terminal(invocation: Invocation, *, is_agreed: bool, flag: str = "--yes") -> None:
    """Raise Misuse where something would have to be asked and nobody is there; before anything else is done."""
    if not is_agreed and (invocation.output.is_json or not (sys.stdin.isatty() and sys.stderr.isatty())):
        raise Misuse("There is no terminal to ask on", means="Nothing was changed", next_step=f"Add `{flag}` to agree")


def agree(invocation: Invocation, question: str, *, is_agreed: bool, default: bool, flag: str = "--yes") -> bool:
    """Return whether the user agrees; ``is_agreed`` says that the flag did already."""
    require_terminal(invocation, is_agreed=is_agreed, flag=flag)
    if is_agreed:
        return True
    choices = "[Y/n]" if default else "[y/N]"
    while True:
        print(f"{question} {choices} ", end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        answer = line.strip().lower()
        if not line:
            return False
        if answer in ("y", "yes", "n", "no", ""):
            return default if not answer else answer.startswith("y")


def ask(invocation: Invocation, question: str, check: Callable[[str], object], *, default: str, shown: str = "") -> str:
    """Return what the user types, ``default`` for nothing (``shown`` in its words). Raises EOFError when he hangs up.

    What ``check`` raises Misuse for is told, and asked again.
    """
    require_terminal(invocation, is_agreed=False)
    hint = f" [{shown or default}]" if shown or default else ""
    while True:
        print(f"{question}{hint}: ", end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        if not line:
            raise EOFError
        answer = line.strip() or default
        try:
            check(answer)
        except Misuse as error:
            invocation.output.say(f"    {error.sentence}")
            continue
        return answer
