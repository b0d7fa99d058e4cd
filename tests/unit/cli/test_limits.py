"""`limits`: shown and changed through the daemon, or in the settings where there is none; nothing unpinned unasked."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from pincrew.api.shapes import Limits, LimitsChanged, NetworkLimits
from pincrew.errors import Misuse
from pincrew.settings import load_cluster, load_settings, save
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


def test_what_holds_is_shown(shell: Shell, daemon: FakeDaemon) -> None:
    shell.followed()
    daemon.on("GET", ROUTE, SHOWN)
    daemon.on("GET", LINE, NETWORK)
    said = shell("limits")
    assert said.code == 0
    for words in ("200.0 GB", "120.0 GB, 1.00 GB more under way", "10 % of the volume: 400.0 GB of 1.00 TB", "7 pins"):
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
