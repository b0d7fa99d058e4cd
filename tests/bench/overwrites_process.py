"""The process of ``overwrites``: FOLDER HOURS PER_SECOND PINS. Prints a line of JSON for each simulated hour."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from random import Random

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

from support.overwriting import Overwriting  # noqa: E402  (the path comes first: this is run as a file)

_SEED = 1


def _rss_mb() -> float:
    text = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmRSS")) / 1024


def main(folder: Path, hours: int, per_second: int, pins: int) -> None:
    """Write, and say what there is of it."""
    with Overwriting(folder, Random(_SEED), pins=pins) as pair:
        for hour in range(1, hours + 1):
            disk = pair.run(seconds=3600, per_second=per_second)
            line = {"hour": hour, "curator_mb": disk[0] / 1e6, "follower_mb": disk[1] / 1e6}
            print(json.dumps(line | {"rss_mb": _rss_mb(), "bases": pair.bases}), flush=True)
        pair.agree()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *(int(one) for one in sys.argv[2:]))
