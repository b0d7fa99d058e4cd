"""Measurements with real processes; ``python -m tests.bench`` runs them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # as under pytest: `support` is what tests and measurements share
