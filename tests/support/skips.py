"""Skips are decided, not suffered: a run lists them by reason and fails on a reason nobody allowed.

Also here: which tests a plain run leaves out (``long``, and ``thorough`` but in CI), and what becomes of ``kubo`` tests
where there is no Kubo, and of ``ipfs_cluster`` tests where there is no ipfs-cluster.
Registered by tests/conftest.py.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

import pytest

from support.ipfs_cluster import NO_IPFS_CLUSTER, find_ipfs_cluster
from support.kubo import NO_KUBO, find_kubo

ALLOWED_SKIPS = Path(__file__).parents[1] / "allowed_skips.txt"


def read_allowed(path: Path) -> list[re.Pattern[str]]:
    """Return the patterns of an allow-list: one a line, blank lines and ``#`` comments left out."""
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [re.compile(line) for line in lines if line and not line.startswith("#")]


def skip_reason(report: pytest.TestReport | pytest.CollectReport) -> str | None:
    """Return why ``report`` is a skip, or None where it is none (an expected failure is not a skip)."""
    if not report.skipped or hasattr(report, "wasxfail"):
        return None
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ").strip()
    return str(report.longrepr)


class SkipLedger:
    """Counts skips by reason; after the run, anything not allowed turns success into failure."""

    def __init__(self, allowed: list[re.Pattern[str]]) -> None:
        self.allowed = allowed
        self.reasons: Counter[str] = Counter()

    def refused(self) -> list[str]:
        return sorted(reason for reason in self.reasons if not any(p.fullmatch(reason) for p in self.allowed))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._count(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._count(report)

    def _count(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        reason = skip_reason(report)
        if reason is not None:
            self.reasons[reason] += 1

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.refused() and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("skips by reason")
        if not self.reasons:
            terminalreporter.line("none")
        for reason, count in self.reasons.most_common():
            terminalreporter.line(f"{count:5}  {reason}")
        for reason in self.refused():
            terminalreporter.line(f"FAILED: not in tests/allowed_skips.txt: {reason}", red=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="also run the tests marked `long` or `thorough`")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(SkipLedger(read_allowed(ALLOWED_SKIPS)), "skip-ledger")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    is_ci = os.environ.get("PINCREW_REQUIRE_KUBO") == "1"
    if not config.getoption("--all"):
        left_out = {item for item in items if _is_left_out(item, is_ci)}
        if left_out:
            config.hook.pytest_deselected(items=list(left_out))
            items[:] = [item for item in items if item not in left_out]
    if find_kubo() is None and not is_ci:
        for item in items:
            if item.get_closest_marker("kubo"):
                item.add_marker(pytest.mark.skip(reason=NO_KUBO))
    if find_ipfs_cluster() is None:
        for item in items:
            if item.get_closest_marker("ipfs_cluster"):
                item.add_marker(pytest.mark.skip(reason=NO_IPFS_CLUSTER))


def _is_left_out(item: pytest.Item, is_ci: bool) -> bool:
    return bool(item.get_closest_marker("long") or (item.get_closest_marker("thorough") and not is_ci))
