"""Limits as commands change and show them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from pincrew import limits
from pincrew.api.shapes import NetworkLimitsRequest
from pincrew.errors import Misuse
from pincrew.limit_settings import kept_months, network_limits, part_mode, with_limits, with_network
from pincrew.month import Months
from pincrew.settings import ClusterSettings, PartMode, Percent, Settings

LOCAL = ClusterSettings(cluster_id="ab" * 32, limit=1_000_000_000, keep_free=Percent(5))
MONDAY_3_PM, MONDAY_11_PM = datetime(2026, 11, 23, 15), datetime(2026, 11, 23, 23)


def test_what_is_not_named_stays() -> None:
    assert with_limits(LOCAL, None, None, is_embedded=True) == LOCAL
    changed = with_limits(LOCAL, "none", 20, "all", is_embedded=True)
    assert (changed.limit, changed.keep_free, changed.part) == (None, 20, PartMode.ALL)
    line = Settings(download_limit=5, quiet_hours="22:00-06:00")
    assert with_network(line, NetworkLimitsRequest()) == line
    assert with_network(line, NetworkLimitsRequest(download="none", quiet_hours=" None ")) == Settings()


def test_our_own_node_needs_some_room() -> None:
    least = limits.STORE_LIMIT_BYTES_MIN
    assert with_limits(LOCAL, f"{least}B", None, is_embedded=True).limit == least
    assert with_limits(LOCAL, "1MB", None, is_embedded=False).limit == 1_000_000
    with pytest.raises(Misuse, match="cannot work with less") as refused:
        with_limits(LOCAL, f"{least - 1}B", None, is_embedded=True)
    assert "Nothing was changed" in refused.value.sentence


@pytest.mark.parametrize("text", ["0", "-5GB", "10 parsecs", ""])
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(Misuse):
        with_limits(LOCAL, text, None, is_embedded=False)
    with pytest.raises(Misuse):
        with_network(Settings(), NetworkLimitsRequest(upload=text))


def test_parts() -> None:
    assert [part_mode(text) for text in ("auto", " PART ", "all")] == list(PartMode)
    with pytest.raises(Misuse, match="`auto`, `part` or `all`"):
        part_mode("some")


def test_quiet_hours_decide_what_holds_now() -> None:
    line = Settings(download_limit=5, quiet_hours="22:00-06:00", quiet_download_limit=9, monthly_cap=100)
    by_day = network_limits(line, MONDAY_3_PM, Months(), "settings.toml", is_kubo=True)
    assert (by_day.is_quiet, by_day.download_now, by_day.upload_now) == (False, 5, None)
    assert by_day.is_approximate and not by_day.is_month_over and by_day.month == "2026-11"
    by_night = network_limits(line, MONDAY_11_PM, Months(), "settings.toml", is_kubo=False)
    assert (by_night.is_quiet, by_night.download_now, by_night.download) == (True, 9, 5)


def test_what_passed_this_month_is_kept_in_a_file(tmp_path: Path) -> None:
    assert not kept_months(tmp_path / "none").at(MONDAY_3_PM).passed
    months = Months()
    months.add(MONDAY_3_PM, 7, 5)
    (tmp_path / "months").write_bytes(months.encode())
    assert kept_months(tmp_path / "months").at(MONDAY_11_PM).passed == 12
    (tmp_path / "months").write_text("spoilt")
    with pytest.raises(Misuse) as refused:
        kept_months(tmp_path / "months")
    assert refused.value.where == str(tmp_path / "months")
