"""The tree of commands with their options, as typer has it: what docs/commands.md must tell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer.main

from pincrew.cli.app import application


def commands() -> Iterator[tuple[str, Any]]:
    """Yield every command as the words that are typed, and its object."""
    yield from _below("", typer.main.get_command(application()))


def command_lines() -> list[str]:
    """Return every command as the words that are typed."""
    return [line for line, _ in commands()]


def options(command: Any) -> list[str]:
    """Return the long names of a command's options (short where there is no long one), but for hidden ones."""
    found = []
    for parameter in command.params:
        if parameter.param_type_name == "option" and not parameter.hidden:
            longs = [name for name in parameter.opts if name.startswith("--")]
            found.append((longs or parameter.opts)[0])
    return found


def _below(prefix: str, command: Any) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", None)
    if children is None:
        yield prefix, command
        return
    for name, child in children.items():
        yield from _below(f"{prefix} {name}".strip(), child)
