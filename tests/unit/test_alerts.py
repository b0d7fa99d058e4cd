"""One alert for each metric of a peer that fell silent, until it is heard again; bounded."""

from __future__ import annotations

import pytest

from pincrew import limits
from pincrew.alerts import Alerts
from pincrew.announcement import Heard
from unit.test_crew_metrics import NOW, NOW_MS, heard

LATER, LATER_MS = NOW + 300, NOW_MS + 300_000


def names(found: list[tuple[object, ...]]) -> list[str]:
    return [one[0].name for one in found]  # type: ignore[attr-defined]


def test_who_is_alive_is_no_alert() -> None:
    assert Alerts().look([heard("a")], NOW, NOW_MS) == []


def test_each_metric_is_told_once() -> None:
    alerts, crew = Alerts(), [heard("a", free_bytes=1), heard("b", at=LATER)]
    new = alerts.look(crew, LATER, LATER_MS)
    assert names(new) == ["ping", "freespace"]  # type: ignore[arg-type]
    assert {one.triggered_ms for one in new} == {LATER_MS} and not any(one.metric.valid for one in new)
    assert alerts.look(crew, LATER + 15, LATER_MS + 15_000) == []
    assert len(alerts.newest_first()) == 2


def test_who_is_heard_again_may_fall_silent_again() -> None:
    alerts = Alerts()
    first = heard("a")
    alerts.look([first], LATER, LATER_MS)
    back = Heard(heard("a").announcement, b"", LATER)
    assert alerts.look([back], LATER + 1, LATER_MS + 1_000) == []
    assert len(alerts.look([back], LATER + 200, LATER_MS + 200_000)) == 1
    assert [one.triggered_ms for one in alerts.newest_first()] == [LATER_MS + 200_000, LATER_MS]


def test_a_burst_between_two_looks_is_not_missed() -> None:
    """Heard and silent again before anybody looked: another announcement has expired."""
    alerts = Alerts()
    alerts.look([heard("a")], LATER, LATER_MS)
    newer = heard("a")
    again = Heard(
        type(newer.announcement)(newer.announcement.cluster, newer.announcement.key, time_ms=NOW_MS + 1), b"", NOW
    )
    assert len(alerts.look([again], LATER, LATER_MS)) == 1


def test_the_newest_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ALERTS_KEPT_MAX", 3)
    alerts = Alerts()
    for number in range(5):
        alerts.look([heard(f"p{number}")], LATER, LATER_MS + number)
    assert [one.triggered_ms - LATER_MS for one in alerts.newest_first()] == [4, 3, 2]
