"""`compat install`: programs with the names and the grammar of ipfs-cluster's, which pincrew carries out."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from pincrew.cli.answers import CompatInstalled
from pincrew.cli.invocation import Invocation, command
from pincrew.errors import Conflict, NotFound
from pincrew.files import private_folder, read_file, write_file

# Name -> the module that has its grammar. What pincrew cannot do yet has no name here.
PROGRAMS = {"ipfs-cluster-follow": "pincrew.cli.cluster_follow", "ipfs-cluster-ctl": "pincrew.ctl"}
_MARK = "# Made by `pincrew compat install`."
_BYTES_MAX = 256 * 1024 * 1024  # a program of Go's is large; more than that is surely not ours


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    group = typer.Typer(
        no_args_is_help=True, rich_markup_mode=None, help="For scripts that were written for ipfs-cluster."
    )
    command(group, "install")(install)
    app.add_typer(group, name="compat")


def install(
    invocation: Invocation,
    folder: Annotated[Path | None, typer.Argument(metavar="DIR", help="Where to. Default: ~/.local/bin.")] = None,
) -> None:
    """Write programs named ipfs-cluster-follow and ipfs-cluster-ctl, which pincrew carries out.

    They take the words of ipfs-cluster's own and answer with their lines and exit codes: the one on pincrew's clusters,
    the other is `pincrew ctl`. Never done by itself; a program of such a name that is there already is left alone, and
    then nothing is written. Harmless when done again.

    Example: `pincrew compat install ~/bin`
    """
    folder = (folder or Path(invocation.environment.get("HOME") or Path.home()) / ".local" / "bin").absolute()
    private_folder(folder)
    for name in PROGRAMS:
        _check_free(folder / name)
    for name, module in PROGRAMS.items():
        write_file(folder / name, _script(module).encode(), 0o755)
    output = invocation.output
    if output.is_json:
        output.object(CompatInstalled(str(folder), [str(folder / name) for name in PROGRAMS]))
        return
    for name in PROGRAMS:
        output.say(f"Wrote {folder / name}.")
        found = shutil.which(name, path=invocation.environment.get("PATH", os.defpath))
        if found is None:
            output.say(f"{folder} is not on your PATH: add it, or call the program by its path.")
        elif not Path(found).samefile(folder / name):
            output.say(f"`{name}` still means {found}, which comes first on your PATH.")


def _check_free(path: Path) -> None:
    """Raise Conflict where a program is that we did not write."""
    try:
        is_ours = _MARK in read_file(path, _BYTES_MAX).decode(errors="replace")
    except NotFound:
        return
    if not is_ours:
        raise Conflict(
            "There is a program of that name already",
            where=str(path),
            means="It is left as it is",
            next_step="Name another folder: `pincrew compat install DIR`",
        )


def _script(module: str) -> str:
    # -P: a folder named pincrew in the current directory must not pass for the program.
    return f'#!/bin/sh\n{_MARK}\nexec {shlex.quote(sys.executable)} -P -m {module} "$@"\n'
