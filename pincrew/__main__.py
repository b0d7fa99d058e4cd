"""`pincrew` and `python -m pincrew`."""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """Run the command line and end with its exit code."""
    # Modules make objects that stay; looking through them again and again would be a fifth of the start.
    gc.disable()
    from pincrew.cli.app import run

    gc.enable()
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
