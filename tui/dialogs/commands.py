"""The commands that equal what a dialog does, as one would type them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from pincrew.tui import words

_ARGUMENTS_SHOWN = 1


def command(name: str, cluster: str = "", *options: str, cids: Sequence[str] = ()) -> str:
    """Return ``pincrew limits -c books --limit 2TB``. Of several CIDs the first is shown."""
    parts = ["pincrew", *name.split()]
    if cluster:
        parts += ["-c", cluster]
    line = words.safe(shlex.join([*parts, *options, *cids[:_ARGUMENTS_SHOWN]]))
    more = len(cids) - _ARGUMENTS_SHOWN
    return f"{line} … (and {more:,} more)" if more > 0 else line
