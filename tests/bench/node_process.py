"""The embedded node for the benchmark: `python -m tests.bench.node_process`, as `pincrew node run` would start it.

With PINCREW_BENCH_PROFILE its main thread runs under cProfile, whose figures go into the file named there. The product
itself knows nothing of profiles.
"""

from __future__ import annotations

import cProfile
import os

from pincrew.node.process import run_node
from pincrew.paths import Home


def main() -> None:
    """Be the node of ``PINCREW_HOME``, its RPC also on a free port."""
    profile = os.environ.get("PINCREW_BENCH_PROFILE")

    def run() -> None:
        run_node(Home.of(os.environ), os.environ, log_level="warning", rpc="127.0.0.1:0")

    if not profile:
        run()
        return
    profiler = cProfile.Profile()
    try:
        profiler.runcall(run)
    finally:
        profiler.dump_stats(profile)


if __name__ == "__main__":
    main()
