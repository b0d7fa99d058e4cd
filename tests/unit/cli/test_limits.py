"""`limits`: shown and changed through the daemon, or in the settings where there is none; nothing unpinned unasked."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec
import pytest

from pincrew.api.shapes import Limits, LimitsChanged, NetworkLimits
from pincrew.errors import Misuse
from pincrew.month import Months
from pincrew.settings_files import load_cluster, load_settings, save
from support.fake_daemon import FakeDaemon, Request
from support.shell import Shell

ROUTE, LINE = "/clusters/books/limits", "/network"
SHOWN = Limits("books", 200 * 10**9, 10, "auto", 120 * 10**9, 10**9, 10**12, 4 * 10**11, 7, "limit", "/x/cluster.toml")

NETWORK = NetworkLimits(
    2_000_000, None, "mon-fri 23:00-07:00", None, 500_000, True, None, 500_000, True, "/x/settings.toml"
)


def changing(pins: int) -> Any:
    def answer(request: Request) -> LimitsChanged:
        limit = None if request.json["limit"] is None else 5 * 10**9
        shown = msgspec.structs.replace(SHOWN, limit=limit)
        is_dry_run = request.json["dry_run"]
        unpinned = pins if is_dry_run or request.json["excess"] == "unpin" else 0
        return LimitsChanged(shown, unpinned, unpinned * 1_000_000, is_dry_run)

    return answer


def sent(daemon: FakeDaemon) -> list[Any]:
    return [(one.json["excess"], one.json["dry_run"]) for one in daemon.asked("POST", ROUTE)]


@pytest.mark.parametrize(("is_looked_at", "said"), [(False, "not looked at yet"), (True, "not on this machine")])
def test_a_volume_that_nobody_saw_and_one_that_nobody_has_seen_yet(
    shell: Shell, daemon: FakeDaemon, is_looked_at: bool, said: str
) -> None:
    shell.followed()
    unknown = {"volume_total": None, "volume_free": None, "is_volume_looked_at": is_looked_at}
    daemon.on("GET", ROUTE, msgspec.structs.replace(SHOWN, **unknown))
    daemon.on("GET", LINE, NETWORK)
    assert said in shell("limits").out


def test_what_holds_is_shown(shell: Shell, daemon: FakeDaemon) -> None:
    shell.followed()
    daemon.on("GET", ROUTE, SHOWN)
    daemon.on("GET", LINE, NETWORK)
    said = shell("limits")
    assert said.code == 0
    for words in ("200.0 GB", "120.0 GB, 1.00 GB more reserved", "10 % of the volume: 400.0 GB of 1.00 TB", "7 pins"):
        assert words in said.out
    assert "/x/cluster.toml" in said.err
    for words in ("2.00 MB/s down, any up\n", "mon-fri 23:00-07:00", "any down, 500.0 kB/s up  (now)"):
        assert words in said.out
    assert "On Kubo they hold approximately" in said.err
    shown = json.loads(shell("limits", "--json").out)
    assert shown["kept"] == 120 * 10**9 and shown["network"]["download"] == 2_000_000


def test_the_line_is_for_all_clusters(shell: Shell, daemon: FakeDaemon) -> None:
    shell.followed()
    shell.followed("films")
    daemon.on("POST", LINE, msgspec.structs.replace(NETWORK, quiet_hours=None, is_approximate=False))
    said = shell("limits", "--download", "2MB", "--upload", "none")
    assert (said.code, said.out) == (0, "network       2.00 MB/s down, any up\n") and "Kubo" not in said.err
    wanted = daemon.asked("POST", LINE)[0].json
    assert (wanted["download"], wanted["upload"], wanted["quiet_hours"]) == ("2MB", "none", None)
    assert shell("limits", "--download", "2MB", "--limit", "5GB", "-c", "books").code == 2
    assert shell("limits", "--download", "2MB", "--dry-run").code == 2
    assert len(daemon.asked("POST", LINE)) == 1 and not daemon.asked("POST", ROUTE)


def test_the_line_before_anything_was_joined(shell: Shell) -> None:
    assert not shell.home.root.exists()
    assert shell("limits", "--download", "1MB").code == 0
    assert load_settings(shell.home.settings, {}).download_limit == 1_000_000


def test_another_part(shell: Shell, daemon: FakeDaemon) -> None:
    shell.followed()
    daemon.on("GET", LINE, NETWORK)
    daemon.on("POST", ROUTE, LimitsChanged(SHOWN, 12, 12_000_000, True, "part"))
    said = shell("limits", "--part", "part", "--unpin", "--dry-run")
    assert "12 pins outside of the part that fits (12.0 MB) would have to be unpinned" in said.out
    assert daemon.asked("POST", ROUTE)[0].json["part"] == "part"
    assert shell("limits", "--part", "some").code == 2
    assert len(daemon.asked("POST", ROUTE)) == 1


def test_another_part_with_no_daemon(shell: Shell) -> None:
    shell.followed()
    said = shell("limits", "--part", "all")
    assert said.code == 0 and "the list in its order" in said.out
    assert load_cluster(shell.home.cluster("books").settings).part == "all"


def test_a_monthly_cap_is_said_with_what_passed(shell: Shell, daemon: FakeDaemon) -> None:
    shell.followed()
    month = {
        "month": "2026-11",
        "month_received": 499 * 10**9,
        "month_sent": 10**9,
        "month_ends": "2100-01-01T00:00:00Z",
    }
    capped = msgspec.structs.replace(NETWORK, monthly_cap=500 * 10**9, is_month_over=True, **month)
    daemon.on("POST", LINE, capped)
    said = shell("limits", "--monthly-cap", "500GB")
    assert daemon.asked("POST", LINE)[0].json["monthly_cap"] == "500GB"
    assert "499.0 GB down, 1.00 GB up of 500.0 GB: nothing more until" in said.out
    assert "Of a Kubo" in said.err


def test_the_month_with_no_daemon(shell: Shell) -> None:
    shell.followed()
    months = Months()
    months.add(datetime.now(), 7_000_000, 0)
    shell.home.months.write_bytes(months.encode())
    assert shell("limits", "--monthly-cap", "1TB").code == 0
    assert load_settings(shell.home.settings, {}).monthly_cap == 10**12
    assert "7.00 MB down, 0 B up of 1.00 TB" in shell("limits").out
    assert shell("limits", "--monthly-cap", "0").code == 2
    shell.home.months.write_text("}{")
    assert str(shell.home.months) in shell("limits").err


def test_the_line_with_no_daemon(shell: Shell) -> None:
    shell.followed()
    words = ("--quiet-hours", "23:00-07:00", "--quiet-download", "none", "--download", "1MB")
    assert shell("limits", *words).code == 0
    kept = load_settings(shell.home.settings, {})
    assert (kept.download_limit, kept.quiet_hours, kept.quiet_download_limit) == (1_000_000, "23:00-07:00", None)
    assert "1.00 MB/s down" in shell("limits").out
    assert shell("limits", "--quiet-hours", "at night").code == 2


def test_a_change_that_leaves_nothing_beyond_it_is_made_at_once(shell: Shell, daemon: FakeDaemon) -> None:
    shell.followed()
    daemon.on("POST", ROUTE, changing(0))
    said = shell("limits", "--limit", "5GB", "--keep-free", "15%")
    assert said.code == 0 and "5.00 GB" in said.out
    assert sent(daemon) == [(None, True), (None, False)]
    assert [daemon.asked("POST", ROUTE)[1].json[key] for key in ("limit", "keep_free")] == ["5GB", 15]


def test_what_would_have_to_go_is_named_and_nothing_done_unasked(shell: Shell, daemon: FakeDaemon) -> None:
    shell.followed()
    daemon.on("POST", ROUTE, changing(12))
    refused = shell("limits", "--limit", "5GB")
    assert refused.code == 2 and sent(daemon) == [(None, True)]
    for words in ("12 pins (12.0 MB)", "--unpin", "--leave"):
        assert words in refused.err
    assert "12 pins" in shell("limits", "--limit", "5GB", "--dry-run").out
    assert "12 pins (12.0 MB) will be unpinned now" in shell("limits", "--limit", "5GB", "--unpin").out
    assert "stays" in shell("limits", "--limit", "5GB", "--leave").out
    assert sent(daemon)[2:] == [("unpin", True), ("unpin", False), ("leave", True), ("leave", False)]


@pytest.mark.parametrize(
    "arguments",
    [["--unpin"], ["--dry-run"], ["--limit", "5GB", "--unpin", "--leave"], ["--keep-free", "lots"]],
)
def test_bad_input_is_exit_2(shell: Shell, daemon: FakeDaemon, arguments: list[str]) -> None:
    shell.followed()
    assert shell("limits", *arguments).code == 2
    assert not daemon.asked("POST", ROUTE)


@pytest.mark.parametrize("size", ["0", "-5GB", "10 parsecs", "", "5GB", "10MB"])
def test_with_no_daemon_the_settings_are_changed(shell: Shell, size: str) -> None:
    paths = shell.followed()
    save(paths.settings, replace(load_cluster(paths.settings), ipfs="embedded"))
    if not size:
        assert "none" in shell("limits").out
        return
    said = shell("limits", "--limit", size)
    if size == "5GB":
        assert said.code == 0 and "from its next start" in said.err
        assert load_cluster(paths.settings).limit == 5 * 10**9
    else:
        assert said.code == 2 and load_cluster(paths.settings).limit is None
        assert ("64 MiB" in said.err) is (size == "10MB")


def test_a_curator_has_no_limit(shell: Shell) -> None:
    shell.curated()
    said = shell("limits", "--limit", "5GB")
    assert said.code == 8 and "whole list" in said.err


def test_a_refusal_is_told(shell: Shell, daemon: FakeDaemon) -> None:
    shell.followed()
    daemon.on("POST", ROUTE, Misuse("0 is no limit that anything could keep", next_step="Write `none`"))
    said = shell("limits", "--limit", "0")
    assert said.code == 2 and "Write `none`" in said.err
