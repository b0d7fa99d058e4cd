"""`status`, `peers`, `errors`, `events`, with a daemon and without."""

from __future__ import annotations

import json

from pincrew.api.shapes import ErrorLine, EventLine, PeerLine, Reason
from support.fake_daemon import FakeDaemon
from support.shape_examples import PEER, summary
from support.shell import Shell


def test_status_prints_the_shape_as_it_travels(shell: Shell, daemon: FakeDaemon) -> None:
    shell.followed()
    result = shell("status", "--json")
    assert result.code == 0
    found = json.loads(result.out)
    assert found["schema"] == 1
    assert list(found["clusters"][0]["pins"]) == [
        "total",
        "pinned",
        "pinning",
        "queued",
        "error",
        "skipped",
        "remote",
        "unpinning",
    ]


def test_status_in_words(shell: Shell, daemon: FakeDaemon) -> None:
    result = shell("status")
    assert result.code == 0
    assert "86.0 %  86 of 100 pins" in result.out


def test_no_daemon_prints_what_the_disk_knows(shell: Shell) -> None:
    shell.curated()
    result = shell("status", "--json")
    assert result.code == 3
    (found,) = json.loads(result.out)["clusters"]
    assert (found["name"], found["state"], found["role"]) == ("books", "stopped", "curator")
    assert "daemon start" in shell("status").err


def test_quiet_prints_nothing(shell: Shell, daemon: FakeDaemon) -> None:
    daemon.on("GET", "/status", {"schema": 1, "clusters": [summary(state="waiting"), summary(pins={"error": 1})]})
    result = shell("status", "-q")
    assert (result.code, result.out, result.err) == (5, "", "")


def test_quiet_without_a_daemon(shell: Shell) -> None:
    assert shell("status", "--quiet").code == 3


def test_one_cluster_of_several(shell: Shell, daemon: FakeDaemon) -> None:
    shell.followed("books")
    shell.followed("films")
    daemon.on("GET", "/status", {"schema": 1, "clusters": [summary("books"), summary("films")]})
    found = json.loads(shell("status", "-c", "films", "--json").out)
    assert [cluster["name"] for cluster in found["clusters"]] == ["films"]
    assert shell("status", "-c", "music").code == 1


def test_peers(shell: Shell, daemon: FakeDaemon) -> None:
    shell.followed()
    line = PeerLine("books", PEER, "an\x1ba", "curator", True, "out", None, "0.1.0", None, 1_000, 3_400_000_000)
    daemon.on("GET", "/clusters/books/peers", [line])
    assert json.loads(shell("peers", "--json").out)["via"] == "out"
    result = shell("peers")
    assert PEER in result.out
    assert "3.40 GB" in result.out
    assert "\x1b" not in result.out


def test_a_curator_that_was_never_met(shell: Shell, daemon: FakeDaemon) -> None:
    shell.followed()
    line = PeerLine("books", PEER, "", "curator", False, None, None, None, None, None, None)
    daemon.on("GET", "/clusters/books/peers", [line])
    assert "never seen" in shell("peers").out


OTHER_PEER = "12D3KooWGRUTB7hXeHFMdkyGmy1kVrQjxhcwxhkuTCfYyQQLaxj9"


def test_the_tags_of_peers(shell: Shell, daemon: FakeDaemon) -> None:
    shell.followed()
    tagged = PeerLine(
        "books", PEER, "ana", "curator", True, "in", None, "0.1.0", None, 1, 2, {"region": "eu", "z": "b"}
    )
    plain = PeerLine("books", OTHER_PEER, "bo", "follower", True, "in", None, "0.1.0", None, 1, 2)
    daemon.on("GET", "/clusters/books/peers", [tagged, plain])
    assert json.loads(shell("peers", "--json").out.splitlines()[0])["tags"] == {"region": "eu", "z": "b"}
    head, one, other = shell("peers").out.splitlines()
    assert "tags" in head and "region=eu z=b" in one and "—" in other


def test_peers_need_the_daemon(shell: Shell) -> None:
    shell.followed()
    result = shell("peers")
    assert result.code == 3
    assert "pincrew daemon start" in result.err


def test_errors_by_cause(shell: Shell, daemon: FakeDaemon) -> None:
    shell.followed()
    line = ErrorLine("books", "no provider found", 9, "2020-01-01T00:00:00Z", None, "pin x: nobody has it")
    daemon.on("GET", "/clusters/books/errors", [line])
    result = shell("errors")
    assert "no provider found" in result.out
    assert "will not retry" in result.out
    assert json.loads(shell("errors", "--json").out)["pins"] == 9
    daemon.on("GET", "/clusters/books/errors", [])
    assert "No pin is in error" in shell("errors").err


def test_events_shows_the_last_ones_and_json_all(shell: Shell, daemon: FakeDaemon) -> None:
    shell.followed()
    events = [EventLine(n, "books", "2026-01-01T00:00:00Z", "pinned", f"event {n}", {}) for n in range(1, 61)]
    daemon.on("GET", "/clusters/books/events", lambda request: [] if "follow" in request.query else events)
    result = shell("events")
    assert "event 60" in result.out
    assert "event 10\n" not in result.out
    assert len(shell("events", "--json").out.splitlines()) == 60
    assert shell("events", "-f").code == 0
    assert daemon.requests[-1].query == {"after": ["60"], "follow": ["1"]}


def test_reasons_are_told(shell: Shell, daemon: FakeDaemon) -> None:
    cluster = summary(state="waiting", reasons=[Reason("node_down", "The IPFS node does not answer", None)])
    daemon.on("GET", "/status", {"schema": 1, "clusters": [cluster]})
    assert "The IPFS node does not answer" in shell("status").out


def test_a_cluster_that_the_daemon_does_not_run_is_shown_as_stopped(shell: Shell, daemon: FakeDaemon) -> None:
    shell.followed("books")
    shell.curated("films")
    found = json.loads(shell("status", "--json").out)["clusters"]
    assert [(cluster["name"], cluster["state"]) for cluster in found] == [("books", "following"), ("films", "stopped")]
