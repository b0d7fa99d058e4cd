"""What `--help` prints, in the sections of ipfs-cluster-ctl's and in 80 columns. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from pincrew import __version__
from pincrew.ctl.grammar import HELP, VERSION, Command, Kind, Option

_WIDTH = 80
_INDENT = "   "
_NAMES_WIDTH_MAX = 30


def help_text(program: str, path: Sequence[Command]) -> str:
    """Return the help of the command at the end of ``path``; ``program`` is what is typed for the first of it."""
    command = path[-1]
    name = " ".join([program, *(above.name for above in path[1:])])
    is_program = len(path) == 1
    options = (*command.options, HELP, VERSION) if is_program else (*command.options, HELP)
    usage = [name, "[global options]" if is_program else "", "command" if command.commands else "[command options]"]
    usage.append("[arguments...]" if command.commands else command.arguments)
    lines = ["NAME:", *_filled(f"{name} - {command.help}"), "", "USAGE:"]
    lines += _filled(" ".join(word for word in usage if word))
    if is_program:
        lines += ["", "VERSION:", f"{_INDENT}{__version__} (pincrew)"]
    if command.description:
        lines += ["", "DESCRIPTION:", *_described(command.description)]
    if command.commands:
        shown = [(below.name, below.help) for below in command.commands if not below.is_hidden]
        lines += ["", "COMMANDS:", *_table([*shown, ("help, h", "Show the commands, or help for one")])]
    lines += ["", "GLOBAL OPTIONS:" if is_program else "OPTIONS:"]
    lines += _table([(_names(option), _told(option)) for option in options])
    return "\n".join(lines) + "\n"


def _names(option: Option) -> str:
    takes = "" if option.kind is Kind.FLAG else " value"
    return ", ".join(f"{'-' if len(name) == 1 else '--'}{name}{takes}" for name in option.names)


def _told(option: Option) -> str:
    words = [option.help]
    if option.kind is not Kind.FLAG and option.value not in ("", (), 0):
        words.append(f"(default: {option.value})")
    if option.variable:
        words.append(f"[${option.variable}]")
    return " ".join(words)


def _described(text: str) -> Iterator[str]:
    """Yield a description's paragraphs in the width; those whose lines are indented stay as they are."""
    for number, paragraph in enumerate(text.strip().split("\n\n")):
        if number:
            yield ""
        lines = paragraph.splitlines()
        if any(line.startswith(" ") for line in lines):
            yield from (f"{_INDENT}{line}" for line in lines)
        else:
            yield from _filled(" ".join(lines))


def _filled(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT, break_on_hyphens=False)


def _table(rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Yield two columns; a first one that is too wide has a line of its own."""
    width = min(_NAMES_WIDTH_MAX, max(len(left) for left, _ in rows)) + 2
    for left, right in rows:
        indent = _INDENT + " " * width
        told = textwrap.wrap(right, _WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
        if len(left) + 2 > width:
            yield _INDENT + left
        else:
            told[0] = f"{_INDENT}{left:<{width}}{told[0][len(indent) :]}"
        yield from told
