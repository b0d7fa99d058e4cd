"""A store for one test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pincrew.node.store import BlockStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[BlockStore]:
    store = BlockStore(tmp_path / "blocks.db")
    yield store
    store.close()
