"""`version` and `completion`: about the program itself."""

from __future__ import annotations

import platform
from enum import StrEnum
from typing import Annotated

import typer

import pincrew
from pincrew.cli.answers import Version
from pincrew.cli.invocation import Invocation, command

# Set by the script of `completion`: the shell asks for words instead of running anything.
COMPLETION_VARIABLE = "_PINCREW_COMPLETE"


class Shell(StrEnum):
    """The shells that can complete pincrew's commands."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    command(app, "version")(version)
    command(app, "completion")(completion)


def version(invocation: Invocation) -> None:
    """Print the version.

    Example: `pincrew version --json`
    """
    if invocation.output.is_json:
        invocation.output.object(Version(version=pincrew.__version__, python=platform.python_version()))
    else:
        invocation.output.data(f"pincrew {pincrew.__version__}")


def completion(
    invocation: Invocation,
    shell: Annotated[Shell, typer.Argument(metavar="bash|zsh|fish", help="The shell to print the script for.")],
) -> None:
    """Print the script with which a shell completes commands.

    Example: `pincrew completion bash > ~/.local/share/bash-completion/completions/pincrew`
    """
    from typer import completion as scripts

    script = scripts.get_completion_script(prog_name="pincrew", complete_var=COMPLETION_VARIABLE, shell=shell.value)  # type: ignore[attr-defined]
    invocation.output.data(script)
