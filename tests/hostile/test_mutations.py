"""Messages of every kind, made wrong and signed anew, against honest replicas: see campaign.py.

    PINCREW_MUTATIONS=100000 pytest tests/hostile/test_mutations.py -s      more of them than the default
    PINCREW_MUTATIONS_SEED=7 pytest tests/hostile/test_mutations.py         others

Run in a process of its own, whose memory must not grow with the number of mutations.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.thorough]

MUTATIONS = int(os.environ.get("PINCREW_MUTATIONS", "10000"))
SEED = int(os.environ.get("PINCREW_MUTATIONS_SEED", "1"))
GROWTH_BYTES_MAX = 48 * 1024 * 1024
SECONDS_PER_MUTATION_MAX = 0.1
TESTS = Path(__file__).parents[1]
# Of each of these some must have come through to the deeper checks, or the campaign tests less than it says.
KINDS = (
    "announcement: taken",
    "base by others: blamed",
    "config document: refused",
    "frame Heads: taken",
    "frame Page: blamed",
    "frame Proof: blamed",
    "keeper's base: in force",
    "other cluster: reject",
    "owner's base: in force",
    "page: blamed",
    "page: taken",
    "proof: blamed",
    "proof: taken",
    "record: accept",
    "replay: duplicate",
    "request: refused",
    "stranger's envelope: reject",
    "thief's envelope: accept",
    "thief's envelope: reject",
    "trust by others: blamed",
    "trust by the owner: blamed",
)


def test_no_mutation_makes_replicas_fall_grow_or_differ() -> None:
    said = subprocess.run(
        [sys.executable, "-P", "-m", "hostile.campaign", str(SEED), str(MUTATIONS)],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        timeout=60.0 + SECONDS_PER_MUTATION_MAX * MUTATIONS,
        check=False,
    )
    assert said.returncode == 0, said.stderr[-6_000:]
    found = json.loads(said.stdout)
    by_kind: Counter[str] = Counter()
    for outcome, count in found["outcomes"].items():
        by_kind[outcome.partition(":")[0]] += count
    samples = found["resident_bytes"]
    print(
        json.dumps(
            {"by_kind": by_kind, "outcomes": found["outcomes"], "resident_bytes": samples[:: len(samples) // 8 or 1]}
        )
    )
    assert [kind for kind in KINDS if not found["outcomes"].get(kind)] == []
    settled = samples[len(samples) // 4]
    assert max(samples) - settled <= GROWTH_BYTES_MAX, samples
