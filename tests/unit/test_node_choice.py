"""`auto`: a Kubo that answers, else a repository whose Kubo is waited for, else pincrew's own node."""

from __future__ import annotations

from pathlib import Path

import pytest

from pincrew.errors import Misuse
from pincrew.node_choice import Choice, checked_choice, choose
from pincrew.settings import Settings
from unit.test_node_calls import answering, saying

AUTO = Settings()


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A repository folder whose `api` names a port at which nobody listens; it holds no repository."""
    (tmp_path / "api").write_text("/ip4/127.0.0.1/tcp/1")
    return {"IPFS_PATH": str(tmp_path)}


def test_a_kubo_that_answers_goes_first(tmp_path: Path, environment: dict[str, str]) -> None:
    (tmp_path / "config").write_text("{}")
    with answering(saying(200, {"Version": "0.43.1"})) as node:
        (tmp_path / "api").write_text(node.address.url)
        found = choose("", AUTO, environment)
    assert (found.ipfs, found.version, found.silent) == ("kubo", "0.43.1", None)
    with answering(saying(200, {"Something": "else"})) as node:
        (tmp_path / "api").write_text(node.address.url)
        assert choose("", AUTO, environment).version is None, "whatever that is, it is no node"


def test_a_silent_repository_is_for_its_user_to_decide(tmp_path: Path, environment: dict[str, str]) -> None:
    (tmp_path / "config").write_text("{}")
    found = choose("auto", AUTO, environment)
    assert (found.ipfs, found.silent) == ("kubo", tmp_path)


def test_else_it_is_pincrews_own(environment: dict[str, str]) -> None:
    assert choose("", AUTO, environment) == Choice("embedded")


def test_what_was_named_is_not_looked_for(environment: dict[str, str]) -> None:
    assert choose("embedded", AUTO, environment) == Choice("embedded")
    assert choose("127.0.0.1:9", AUTO, environment) == Choice("127.0.0.1:9")
    assert choose("", Settings(ipfs="127.0.0.1:9"), environment) == Choice(""), "left to settings.toml"
    assert choose("auto", Settings(ipfs="127.0.0.1:9"), environment) == Choice("embedded")


def test_what_can_be_asked_for() -> None:
    for text in ("", "auto", "embedded", "kubo", "localhost", "127.0.0.1:5001", "unix:/x"):
        assert checked_choice(text) == text
    for wrong in ("embeded", "unix:relative", "ftp://x"):
        with pytest.raises(Misuse):
            checked_choice(wrong)
