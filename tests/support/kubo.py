"""Where the tests' real Kubo is: ``PINCREW_KUBO``, else the cache of packaging/dev/get-kubo.sh, else PATH."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

KUBO_VERSION = "v0.43.1"
NO_KUBO = "no Kubo was found: packaging/dev/get-kubo.sh builds one"


def kubo_cache() -> Path:
    """Return the folder in which packaging/dev/get-kubo.sh keeps what it built."""
    named = os.environ.get("PINCREW_KUBO_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "pincrew-dev"


def find_kubo() -> Path | None:
    """Return the ``ipfs`` program to test with, or None."""
    candidates = [os.environ.get("PINCREW_KUBO"), str(kubo_cache() / f"kubo-{KUBO_VERSION}" / "ipfs"), "ipfs"]
    for candidate in candidates:
        found = shutil.which(candidate) if candidate else None
        if found:
            return Path(found)
    return None
