"""`make bench`: the rows of design section 12 that exist by now, as a table and as JSON under bench-results/.

    python -m tests.bench [--pins 1000000] [--rows scale,bases,latency,overhead,node,...] [--out FILE]

Figures are of one run; on a shared machine compare ratios. Each row says its budget and whether it was met.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench import (
    bases,
    beside,
    crowd,
    latency,
    node,
    overhead,
    overwrites,
    scale,
    service,
    service_crew,
    service_fan_out,
    state,
    tui,
)


@dataclass
class Figure:
    """One line of the table."""

    what: str
    value: float
    unit: str
    budget: str
    met: bool
    condition: str


ROWS = {
    "scale": scale.measure,
    "bases": bases.measure,
    "latency": latency.measure,
    "overhead": overhead.measure,
    "node": node.measure,
    "state": state.measure,
    "crowd": crowd.measure,
    "beside": beside.measure,
    "overwrites": overwrites.measure,
    "tui": tui.measure,
    "service": service.measure,
    "service_crew": service_crew.measure,
    "service_fan_out": service_fan_out.measure,
}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--pins", type=int, default=1_000_000)
    parser.add_argument("--rows", default=",".join(ROWS))
    parser.add_argument("--out", type=Path, default=None)
    chosen = parser.parse_args()
    figures: list[Figure] = []

    def note(what: str, value: float, unit: str, budget: str, met: bool, condition: str) -> None:
        figure = Figure(what, round(value, 3), unit, budget, met, condition)
        figures.append(figure)
        sign = "ok  " if met else "MISS"
        print(f"{sign} {what}: {value:,.3g} {unit} (budget {budget}; {condition})", flush=True)

    for row in chosen.rows.split(","):
        with tempfile.TemporaryDirectory(prefix="pc-bench-") as folder:
            ROWS[row](Path(folder), chosen.pins, note)
    table = Table("what", "measured", "budget", "met", "condition")
    for one in figures:
        table.add_row(one.what, f"{one.value:,g} {one.unit}", one.budget, "yes" if one.met else "NO", one.condition)
    Console(width=140).print(table)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    out = chosen.out or Path("bench-results") / f"{stamp}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    about = {"time": stamp, "python": platform.python_version(), "machine": platform.machine(), "pins": chosen.pins}
    out.write_text(json.dumps(about | {"figures": [asdict(one) for one in figures]}, indent=1) + "\n")
    print(out)


if __name__ == "__main__":
    main()
