"""The views that there are, and when they are imported."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pincrew.tui.view import View
from pincrew.tui.views import VIEWS, Numbered


@pytest.mark.parametrize("numbered", VIEWS, ids=lambda each: each.title)
async def test_each_can_be_made(numbered: Numbered) -> None:
    assert isinstance(numbered.make(), View)


def test_the_first_frame_waits_for_none() -> None:
    modules = [f"pincrew.tui.{each.module}" for each in VIEWS]
    found = subprocess.run(
        [sys.executable, "-c", "import sys, pincrew.tui.app; print(*sys.modules)"], capture_output=True, check=True
    )
    assert not {*modules, "pincrew.tui.actions", "pincrew.tui.dialog", "http.client"} & {*found.stdout.decode().split()}
