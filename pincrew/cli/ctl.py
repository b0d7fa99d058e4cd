"""`ctl`: ipfs-cluster-ctl's own grammar, behind one word of ours."""

from __future__ import annotations

import os

import typer

from pincrew.ctl.app import main

# What stands behind the word is not ours to read: neither options nor `--help`.
_UNTOUCHED = {
    "allow_extra_args": True,
    "allow_interspersed_args": False,
    "ignore_unknown_options": True,
    "help_option_names": [],
}


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("ctl", context_settings=_UNTOUCHED)(ctl)


def ctl(context: typer.Context) -> int:
    """Manage a cluster through a REST API, with the words of ipfs-cluster-ctl.

    Everything behind the word is ipfs-cluster-ctl's: its global options, commands, outputs and exit codes.

    Example: `pincrew ctl status`
    """
    return main(context.args, os.environ, "pincrew ctl")
