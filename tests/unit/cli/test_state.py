"""`state`: the list as a file, on a store that tests fill and a daemon that they play."""

from __future__ import annotations

import json
from pathlib import Path

import cbor2
import pytest

from pincrew.cid import parse_cid
from pincrew.cli import prompts
from pincrew.paths import ClusterPaths
from pincrew.record import encode_record
from pincrew.values import Pin
from support.fake_daemon import FakeDaemon, Request
from support.shape_examples import CID, CID_2, PEER
from support.shell import Shell
from support.stored_pins import store_records

PINS = "/clusters/books/pins"
CID_3 = "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"


def listed(*pins: Pin) -> list[tuple[bytes, bytes]]:
    return [(pin.cid, encode_record(pin)) for pin in pins]


ONE = Pin(parse_cid(CID), name="one", added_ms=1_700_000_000_000)
TWO = Pin(parse_cid(CID_2), size=7, added_ms=1_700_000_000_000)


@pytest.fixture
def books(shell: Shell) -> ClusterPaths:
    """A cluster with two pins on its list."""
    paths = shell.curated()
    store_records(paths.state, listed(ONE, TWO))
    return paths


@pytest.fixture
def writable(daemon: FakeDaemon) -> FakeDaemon:
    """A daemon that takes every batch."""

    def write(request: Request) -> object:
        removed = sum(bool(line["remove"]) for line in request.lines)
        return {"added": len(request.lines) - removed, "removed": removed, "absent": []}

    daemon.on("POST", PINS, write)
    return daemon


def sent(daemon: FakeDaemon) -> list[dict[str, object]]:
    return [line for request in daemon.asked("POST", PINS) for line in request.lines]


def line(cid: str, **fields: object) -> bytes:
    return json.dumps({"cid": cid, **fields}).encode() + b"\n"


# ---- export --------------------------------------------------------------------------------------------------------


def test_export_prints_the_list_of_the_disk(shell: Shell, books: ClusterPaths) -> None:
    result = shell("state", "export")
    lines = [json.loads(text) for text in result.out.splitlines()]
    assert [(one["cid"], one["name"], one.get("size")) for one in lines] == [(CID, "one", None), (CID_2, "", 7)]
    assert lines[0]["timestamp"] == "2023-11-14T22:13:20Z"
    assert (result.code, result.err) == (0, "")
    assert shell("state", "export", "--json").out == result.out


def test_export_into_a_file(shell: Shell, books: ClusterPaths, tmp_path: Path) -> None:
    link, file = tmp_path / "link", tmp_path / "file"
    file.write_text("older")
    link.symlink_to(file)
    result = shell("state", "export", "-o", str(link))
    assert (result.code, result.out) == (0, "")
    assert "2 pins of books" in result.err and str(file) in result.err
    assert link.is_symlink() and file.read_text() == shell("state", "export").out
    answer = json.loads(shell("state", "export", "-o", str(file), "--json").out)
    assert answer == {
        "schema": 1,
        "cluster": "books",
        "path": str(file),
        "pins": 2,
        "bytes": file.stat().st_size,
        "lossy": 0,
        "lost": {},
    }


def test_export_says_what_it_lost(shell: Shell, books: ClusterPaths, tmp_path: Path) -> None:
    later = cbor2.dumps({"name": "n", "later": 1, "origins": ["nowhere"]})
    store_records(books.state, [(ONE.cid, later), (TWO.cid, cbor2.dumps({"later": 2}))])
    for options in ((), ("--json",)):
        result = shell("state", "export", *options)
        assert [json.loads(text)["name"] for text in result.out.splitlines()] == ["n", ""]
        assert "2 pins could not be written whole; left out: later (2), origins (1)" in result.err
    answer = json.loads(shell("state", "export", "-o", str(tmp_path / "f"), "--json").out)
    assert (answer["lossy"], answer["lost"]) == (2, {"later": 2, "origins": 1})


def test_export_of_nothing_and_to_nowhere(shell: Shell, tmp_path: Path) -> None:
    paths = shell.curated()
    assert "nothing stored yet" in shell("state", "export").err
    store_records(paths.state, [])
    result = shell("state", "export")
    assert (result.code, result.out) == (0, "")
    assert shell("state", "export", "-o", str(tmp_path)).code == 2
    assert shell("state", "export", "-o", str(tmp_path / "no" / "file")).code == 1


def test_a_follower_exports_and_may_not_import(shell: Shell) -> None:
    paths = shell.followed()
    store_records(paths.state, listed(ONE))
    assert shell("state", "export").out.count("\n") == 1
    assert shell("state", "import", stdin=line(CID)).code == 8


# ---- import --------------------------------------------------------------------------------------------------------


def test_import_writes_what_is_new_or_different_and_leaves_the_rest(
    shell: Shell, books: ClusterPaths, writable: FakeDaemon
) -> None:
    text = line(CID, name="one") + line(CID_2, name="two", timestamp="2020-01-01T00:00:00Z") + line(CID_3)
    result = shell("state", "import", stdin=text)
    assert (result.code, result.out) == (0, "")
    assert "books: 1 pin added, 1 changed, 1 left as they were." in result.err
    assert [(one["cid"], one["name"], one["timestamp"], one["remove"]) for one in sent(writable)] == [
        (CID_2, "two", "2020-01-01T00:00:00Z", False),
        (CID_3, "", None, False),
    ]


def test_the_same_again_is_nothing_to_do(
    shell: Shell, books: ClusterPaths, writable: FakeDaemon, tmp_path: Path
) -> None:
    file = tmp_path / "state.jsonl"
    shell("state", "export", "-o", str(file))
    result = shell("state", "import", str(file))
    assert (result.code, "Nothing to do: books has 2 pins of the file already" in result.err) == (0, True)
    assert json.loads(shell("state", "import", str(file), "--json").out) == {
        "schema": 1,
        "cluster": "books",
        "added": 0,
        "changed": 0,
        "unchanged": 2,
        "removed": 0,
        "expired": 0,
        "skipped": 0,
    }
    assert sent(writable) == []


def test_the_last_of_several_lines_counts(shell: Shell, books: ClusterPaths, writable: FakeDaemon) -> None:
    answer = json.loads(
        shell(
            "state", "import", "--json", stdin=line(CID, name="x") + line(CID_3, name="y") + line(CID, name="one")
        ).out
    )
    assert (answer["added"], answer["changed"], answer["unchanged"]) == (1, 0, 1)
    assert [one["cid"] for one in sent(writable)] == [CID_3]


def test_flags_stand_for_the_fields_of_the_file(shell: Shell, books: ClusterPaths, writable: FakeDaemon) -> None:
    text = line(CID_3, replication_factor_min=2, replication_factor_max=3)
    shell("state", "import", "--replication-max", "4", "--allocations", PEER, stdin=text)
    (pin,) = sent(writable)
    assert (pin["replication_factor_min"], pin["replication_factor_max"], pin["allocations"]) == (2, 4, [PEER])


def test_a_bad_line_writes_nothing(shell: Shell, books: ClusterPaths, writable: FakeDaemon) -> None:
    text = line(CID_3) + b"nope\n"
    result = shell("state", "import", stdin=text)
    assert (result.code, "Line 2" in result.err, sent(writable)) == (2, True, [])
    result = shell("state", "import", "--skip-bad", "--replace", "--yes", stdin=text)
    assert (result.code, "would be removed" in result.err, sent(writable)) == (2, True, [])
    result = shell("state", "import", "--skip-bad", stdin=text)
    assert (result.code, "left out line 2" in result.err, len(sent(writable))) == (0, True, 1)


def test_pins_whose_time_is_over_are_left_out(shell: Shell, books: ClusterPaths, writable: FakeDaemon) -> None:
    result = shell("state", "import", stdin=line(CID_3, expire_at="2020-01-01T00:00:00Z"))
    assert (result.code, sent(writable)) == (0, [])
    assert "1 pin left out because their time is over" in result.err


def test_replace_removes_what_the_file_does_not_name(
    shell: Shell, books: ClusterPaths, writable: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = shell("state", "import", "--replace", stdin=line(CID, name="one"))
    assert (result.code, sent(writable)) == (2, [])
    assert "1 pin of books that the file does not name would be removed" in result.err and "--yes" in result.err

    monkeypatch.setattr(prompts, "require_terminal", lambda *_, **__: None)
    result = shell("state", "import", "--replace", stdin=line(CID, name="one"))  # nothing more to read: no
    assert (result.code, sent(writable)) == (1, [])
    assert "Remove 1 pin? [y/N]" in result.err and "Nothing was changed" in result.err

    result = shell("state", "import", "--replace", "--yes", stdin=line(CID, name="one") + line(CID_3))
    assert (result.code, "1 pin added, 1 removed, 1 left as they were" in result.err) == (0, True)
    assert [(one["cid"], one["remove"]) for one in sent(writable)] == [(CID_3, False), (CID_2, True)]


def test_replace_asks_nothing_where_nothing_would_be_removed(
    shell: Shell, books: ClusterPaths, writable: FakeDaemon
) -> None:
    text = shell("state", "export").out.encode()
    result = shell("state", "import", "--replace", stdin=text)
    assert (result.code, "Nothing to do" in result.err) == (0, True)


def test_an_empty_file_is_no_list(shell: Shell, books: ClusterPaths, writable: FakeDaemon) -> None:
    result = shell("state", "import", "--replace", "--yes")
    assert (result.code, sent(writable)) == (2, [])
    assert "names no pin at all: all 2 pins" in result.err


def test_no_daemon(shell: Shell, books: ClusterPaths) -> None:
    result = shell("state", "import", stdin=line(CID))
    assert (result.code, "pincrew daemon start" in result.err) == (3, True)


def test_a_file_that_is_not_there(shell: Shell, books: ClusterPaths, writable: FakeDaemon, tmp_path: Path) -> None:
    assert shell("state", "import", str(tmp_path / "nothing")).code == 1
    assert shell("state", "import", str(tmp_path)).code == 1
    assert shell("state", "verify", str(tmp_path / "nothing")).code == 1


def test_a_daemon_that_is_lost_meanwhile(shell: Shell, books: ClusterPaths, daemon: FakeDaemon) -> None:
    daemon.on("POST", PINS, ConnectionResetError())
    result = shell("state", "import", stdin=line(CID_3))
    assert (result.code, "Type the same again" in result.err) == (1, True)


# ---- verify --------------------------------------------------------------------------------------------------------


def test_verify(shell: Shell, books: ClusterPaths, tmp_path: Path) -> None:
    file = tmp_path / "state.jsonl"
    shell("state", "export", "-o", str(file))
    result = shell("state", "verify", str(file))
    assert (result.code, result.out.splitlines()) == (
        0,
        ["2 pins equal", "0 pins only in the file", "0 pins only here", "0 pins different"],
    )
    file.write_bytes(line(CID, name="other") + line(CID_3))
    result = shell("state", "verify", str(file))
    assert (result.code, result.out.splitlines()) == (
        1,
        [
            "0 pins equal",
            f"1 pin only in the file: {CID_3}",
            f"1 pin only here: {CID_2}",
            f"1 pin different: {CID}",
        ],
    )
    assert json.loads(shell("state", "verify", str(file), "--json").out) == {
        "schema": 1,
        "cluster": "books",
        "path": str(file),
        "equal": 0,
        "only_file": 1,
        "only_store": 1,
        "different": 1,
        "first": {"only_file": [CID_3], "only_store": [CID_2], "different": [CID]},
    }


def test_verify_names_a_few(shell: Shell, books: ClusterPaths) -> None:
    pins = [Pin(ONE.cid[:-1] + bytes([number])) for number in range(20)]
    store_records(books.state, listed(*pins))
    result = shell("state", "verify", "-", stdin=b"")
    assert result.out.splitlines()[2].endswith(" ...") and result.out.count("bafk") == 3
    assert len(json.loads(shell("state", "verify", "-", "--json").out)["first"]["only_store"]) == 10


def test_verify_of_what_is_no_state_file(shell: Shell, books: ClusterPaths) -> None:
    result = shell("state", "verify", "-", stdin=b"nope\n")
    assert (result.code, "Line 1" in result.err, "--skip-bad" in result.err) == (2, True, False)
