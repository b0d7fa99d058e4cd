"""`status -q`: of several, the first of 3, 5, 4, 6 wins."""

from __future__ import annotations

import pytest

from pincrew.cli.exit_codes import MEANING, ExitCode, of_clusters
from support.shape_examples import summary

WAITING, ERRORS, FULL = summary(state="waiting"), summary(pins={"error": 3}), summary(state="full")
FINE, FAILED = summary(state="complete"), summary(state="failed")


@pytest.mark.parametrize(
    ("clusters", "code"),
    [
        ([], 0),
        ([FINE], 0),
        ([FINE, FULL], 6),
        ([FULL, ERRORS], 4),
        ([FAILED], 4),
        ([FULL, ERRORS, WAITING], 5),
        ([summary(state="full", pins={"error": 1})], 4),
    ],
)
def test_the_first_of_several_wins(clusters: list[object], code: int) -> None:
    assert of_clusters(clusters, is_daemon_running=True) == code  # type: ignore[arg-type]
    assert of_clusters(clusters, is_daemon_running=False) == 3  # type: ignore[arg-type]


def test_every_code_has_a_meaning() -> None:
    assert set(MEANING) == set(ExitCode)
