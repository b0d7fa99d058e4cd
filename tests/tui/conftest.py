"""Tests of the terminal view are coroutines on an asyncio loop of their own, as Textual has it."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Iterator

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the screens under ``snapshots`` be written anew."""
    parser.addoption("--rewrite-screens", action="store_true", help="write the screens of the terminal view anew")


@pytest.fixture
def is_rewritten(request: pytest.FixtureRequest) -> bool:
    """Whether screens are written rather than compared."""
    return bool(request.config.getoption("--rewrite-screens", default=False))


@pytest.fixture(autouse=True)
def _one_time_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Show the same hours wherever the tests run."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is a coroutine."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True
