"""Which node a new cluster gets, in words and in questions."""

from __future__ import annotations

from pathlib import Path

import pytest

from pincrew.cli import choosing
from pincrew.cli.choosing import described
from pincrew.node_choice import Choice
from pincrew.paths import Home
from pincrew.settings import Settings
from pincrew.settings_files import load_cluster
from support.fake_daemon import FakeDaemon
from support.shape_examples import followed, offer, prospect
from support.shell import Shell

SOURCE = "https://example.org/books.toml"


@pytest.fixture
def silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An IPFS repository whose Kubo does not answer."""
    repository = tmp_path / "ipfs"
    repository.mkdir()
    (repository / "api").write_text("/ip4/127.0.0.1/tcp/1")
    (repository / "config").write_text("{}")
    monkeypatch.setenv("IPFS_PATH", str(repository))
    return repository


def test_in_words() -> None:
    auto = Settings()
    assert "pincrew's own" in described(Choice("embedded"), auto)
    assert "pincrew's own" in described(Choice(""), Settings(ipfs="embedded"))
    assert described(Choice("kubo", version="0.43.1"), auto).startswith("your Kubo 0.43.1 at")
    assert "once it is started" in described(Choice("kubo", silent=Path("/x")), auto)
    assert described(Choice("kubo"), auto) == "your Kubo, wherever it answers"
    assert described(Choice("h:1"), auto) == "the one at h:1"


def test_a_silent_kubo_is_waited_for_with_yes_and_that_is_said(
    shell: Shell, daemon: FakeDaemon, silent: Path, home: Home
) -> None:
    daemon.on("POST", "/offers", offer())
    daemon.on("POST", "/offers/prospect", prospect())
    daemon.on("POST", "/offers/accept", followed())
    result = shell("follow", SOURCE, "--yes")
    assert result.code == 0
    assert str(silent) in result.err and "`--ipfs embedded`" in " ".join(result.err.split())
    assert daemon.asked("POST", "/offers/accept")[0].json["ipfs"] == "kubo"
    assert str(silent) in shell("create", "books").err
    assert load_cluster(home.cluster("books").settings).ipfs == "kubo"


@pytest.mark.parametrize(("answer", "expected"), [(True, "kubo"), (False, "embedded")])
def test_where_there_is_somebody_he_is_asked(
    shell: Shell, home: Home, silent: Path, monkeypatch: pytest.MonkeyPatch, answer: bool, expected: str
) -> None:
    monkeypatch.setattr(choosing, "can_ask", lambda _: True)
    monkeypatch.setattr(choosing, "agree", lambda *_, **__: answer)
    assert shell("create", "books").code == 0
    assert load_cluster(home.cluster("books").settings).ipfs == expected


def test_with_no_kubo_at_all_it_is_pincrews_own(shell: Shell, home: Home, silent: Path, daemon: FakeDaemon) -> None:
    (silent / "config").unlink()
    assert "pincrew's own" in shell("create", "books").out
    assert load_cluster(home.cluster("books").settings).ipfs == "embedded"
    daemon.on("POST", "/offers", offer())
    daemon.on("POST", "/offers/prospect", prospect())
    daemon.on("POST", "/offers/accept", followed())
    said = shell("follow", SOURCE, "--yes").err
    assert "IPFS node" in said and "pincrew's own" in said
    assert daemon.asked("POST", "/offers/accept")[0].json["ipfs"] == "embedded"


def test_one_for_all_clusters_stays_that(shell: Shell, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PINCREW_IPFS", "127.0.0.1:9")
    assert "the one at 127.0.0.1:9" in shell("create", "books").out
    assert load_cluster(home.cluster("books").settings).ipfs == ""
