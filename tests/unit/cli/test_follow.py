"""`follow` and `leave` against a fake daemon; starting a real one is e2e."""

from __future__ import annotations

import json
import os
from pathlib import Path

import msgspec
import pytest

from pincrew.api.shapes import Left
from pincrew.cli import background, watching
from pincrew.cli import follow as following
from pincrew.cli.invocation import Invocation
from pincrew.errors import Conflict, SourceUnreachable
from support.fake_daemon import FakeDaemon
from support.shape_examples import daemon_info, followed, offer, prospect, summary
from support.shell import Shell

SOURCE = "https://example.org/books.toml"


@pytest.fixture(autouse=True)
def _offering(daemon: FakeDaemon) -> None:
    daemon.on("POST", "/offers", offer())
    daemon.on("POST", "/offers/prospect", prospect())
    daemon.on("POST", "/offers/accept", followed())


def test_joining_shows_what_it_means_and_returns(shell: Shell, daemon: FakeDaemon) -> None:
    said = ("--peer-name", "cellar", "--secret-file", "key")
    result = shell(
        "follow", SOURCE, "--yes", *said, "--name", "b", "--obey", "--unlisted", "--listen", "/ip4/0.0.0.0/tcp/0"
    )
    assert result.code == 0
    for words in ("Books", "1,204,311", "1.52 TB", "1 curator:", "Others will see", "this first fetch", "ab" * 32):
        assert words in result.err
    assert "is followed now" in result.err
    accepted = daemon.asked("POST", "/offers/accept")[0].json
    assert (accepted["offer"], accepted["name"], accepted["obey"], accepted["unlisted"]) == ("cd" * 32, "b", True, True)
    assert (accepted["peer_name"], accepted["secret_file"]) == ("cellar", str(Path.cwd() / "key"))
    assert accepted["listen"] == ["/ip4/0.0.0.0/tcp/0"]
    assert daemon.asked("POST", "/offers")[0].json == {"source": SOURCE, "folder": str(Path.cwd())}


def test_json_prints_one_object(shell: Shell) -> None:
    result = shell("follow", SOURCE, "--yes", "--json")
    assert (result.code, result.err) == (0, "")
    found = json.loads(result.out)
    assert (found["schema"], found["cluster"], found["was_joined"], found["state"]) == (1, "books", False, "following")


def test_without_a_terminal_and_without_yes_it_does_nothing(shell: Shell, daemon: FakeDaemon) -> None:
    result = shell("follow", SOURCE)
    assert result.code == 2
    assert "--yes" in result.err
    assert not daemon.requests


@pytest.mark.parametrize(
    "arguments",
    [
        ["ftp://x/y"],
        [f"{SOURCE}#12"],
        [SOURCE, "--timeout", "5m"],
        [SOURCE, "--wait", "--timeout", "5"],
        [SOURCE, "--wait", "--foreground"],
        [SOURCE, "--ipfs", "embeded"],
        [SOURCE, "--ipfs", "unix:relative"],
        [SOURCE, "--peer-name", "x" * 65],
        [SOURCE, "--peer-name", "two\nlines"],
    ],
)
def test_bad_input_is_exit_2_before_anything_starts(shell: Shell, daemon: FakeDaemon, arguments: list[str]) -> None:
    assert shell("follow", "--yes", *arguments).code == 2
    assert not daemon.requests


def test_the_same_cluster_again_is_harmless_and_asks_nothing(shell: Shell, daemon: FakeDaemon) -> None:
    daemon.on("POST", "/offers", offer(joined_as="books"))
    daemon.on("POST", "/offers/accept", followed(was_joined=True))
    result = shell("follow", SOURCE, "--yes")
    assert result.code == 0
    assert "was followed already" in result.err
    assert "Others will see" not in result.err
    assert "`pincrew limits -c books`" in shell("follow", SOURCE, "--yes", "--limit", "5GB").err


def test_what_the_daemon_refuses_is_told(shell: Shell, daemon: FakeDaemon) -> None:
    daemon.on("POST", "/offers/accept", Conflict("'books' is already the name of another cluster here"))
    assert shell("follow", SOURCE, "--yes").code == 1
    daemon.on("POST", "/offers", SourceUnreachable("The source does not answer", where=SOURCE))
    result = shell("follow", SOURCE, "--yes")
    assert (result.code, SOURCE in result.err) == (1, True)


def test_wait_returns_when_all_is_here(shell: Shell, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch) -> None:
    states = iter(["joining", "syncing", "following", "complete", "complete"])
    daemon.on("GET", "/clusters/books/summary", lambda _: summary(state=next(states)))
    monkeypatch.setattr(watching, "POLL_S", 0.001)
    result = shell("follow", SOURCE, "--yes", "--wait", "--timeout", "5m")
    assert result.code == 0
    assert "books: syncing" in result.err
    assert "books: complete" in result.err


def test_wait_runs_out_of_time(shell: Shell) -> None:
    result = shell("follow", SOURCE, "--yes", "--wait", "--timeout", "0.001s")
    assert result.code == 7
    assert "Following goes on" in result.err


def test_yes_takes_most_of_what_is_free(shell: Shell, daemon: FakeDaemon) -> None:
    result = shell("follow", SOURCE, "--yes")
    assert daemon.asked("POST", "/offers/accept")[0].json["limit"] == "3050GB"
    assert "3.05 TB" in result.err
    shell("follow", SOURCE, "--yes", "--limit", "none")
    assert daemon.asked("POST", "/offers/accept")[1].json["limit"] == "none"


def test_yes_asks_for_a_limit_where_there_is_little_room(shell: Shell, daemon: FakeDaemon) -> None:
    daemon.on("POST", "/offers/prospect", prospect(volume_free=12 * 10**9, limit=None))
    result = shell("follow", SOURCE, "--yes")
    assert result.code == 2
    assert "Only 12.0 GB are free" in result.err and "--limit" in result.err
    assert not daemon.asked("POST", "/offers/accept")
    assert shell("follow", SOURCE, "--yes", "--limit", "500MB").code == 0


def test_where_the_disk_cannot_be_seen_there_is_no_limit(shell: Shell, daemon: FakeDaemon) -> None:
    daemon.on("POST", "/offers/prospect", prospect(volume_total=None, volume_free=None, limit=None))
    assert shell("follow", SOURCE, "--yes").code == 0
    assert daemon.asked("POST", "/offers/accept")[0].json["limit"] == "none"


@pytest.mark.parametrize("is_joined", [True, False])
def test_a_daemon_started_in_vain_is_stopped_again(
    shell: Shell, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch, is_joined: bool
) -> None:
    stopped: list[Invocation] = []
    monkeypatch.setattr(background, "ensure", lambda _: (daemon_info(), True))
    monkeypatch.setattr(following.background, "stop", stopped.append)
    daemon.on("POST", "/offers", SourceUnreachable("gone"))
    if is_joined:
        shell.followed("films")
    assert shell("follow", SOURCE, "--yes").code == 1
    assert len(stopped) == (0 if is_joined else 1)


def test_leave_says_what_it_will_do_and_needs_a_yes(shell: Shell, daemon: FakeDaemon) -> None:
    shell.followed()
    rest: list[str | None] = [None]

    def answer(request: object) -> Left:
        dry_run = request.json["dry_run"]  # type: ignore[attr-defined]
        return Left("books", dry_run, 3, 1_000_000, 2, ["/home/of/books"], None if dry_run else rest[0])

    daemon.on("POST", "/clusters/books/leave", answer)
    dry = shell("leave", "--dry-run")
    assert (dry.code, "3 pins (1.00 MB) would be unpinned" in dry.out, "2 pins stay" in dry.out) == (0, True, True)
    assert shell("leave").code == 2
    assert all(request.json["dry_run"] for request in daemon.asked("POST", "/clusters/books/leave"))
    done = shell("leave", "--yes")
    assert (done.code, "were unpinned" in done.out, done.err) == (0, True, ""), "agreed beforehand: no plan is shown"
    rest[0] = "2 pins: the node is down"
    left = shell("leave", "--yes", "--json")
    assert (left.code, json.loads(left.out)["rest"]) == (1, rest[0])


def test_leave_with_the_node_down_says_so_before_it_asks(
    shell: Shell, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell.followed()
    down = msgspec.structs.replace(summary().node, state="down")
    daemon.on("GET", "/status", {"schema": 1, "clusters": [summary(node=down)]})
    daemon.on("POST", "/clusters/books/leave", Left("books", True, 3, 5_000, 0, [], None))
    monkeypatch.setattr(following, "require_terminal", lambda *_, **__: None)
    monkeypatch.setattr(following, "agree", lambda *_, **__: False)
    result = shell("leave")
    assert result.code == 1
    assert "3 pins (5.00 kB) would be unpinned" in result.err
    assert "does not answer" in result.err and "stays until it is back" in result.err
    assert "Nothing was changed." in result.err


def test_leave_says_where_the_owner_key_is_kept(shell: Shell, daemon: FakeDaemon) -> None:
    shell.curated()
    daemon.on("POST", "/clusters/books/leave", Left("books", False, 0, None, 0, [], None, "/keys/books.key"))
    result = shell("leave", "-c", "books", "--yes")
    assert result.code == 0
    assert "The owner key was moved to /keys/books.key" in result.out


def test_leave_needs_the_daemon(shell: Shell, daemon: FakeDaemon) -> None:
    shell.followed("books")
    shell.home.daemon_socket(os.environ).unlink()
    result = shell("leave", "--yes")
    assert result.code == 3
    assert "pincrew daemon start" in result.err
