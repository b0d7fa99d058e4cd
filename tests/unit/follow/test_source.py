"""What a volunteer types, taken apart."""

from __future__ import annotations

from pathlib import Path

import pytest
from pincrew.follow.source import Kind, check_redirect, parse_source

from pincrew.errors import Misuse, SourceUnreachable

ID = "ab" * 32
HERE = Path("/here")
KEY = "k51qzi5uqu5dlvj2baxnqndepeb86cbk3ng7n3i46uzyxzyqj2xjonzllnv0v8"


@pytest.mark.parametrize(
    ("text", "kind", "where"),
    [
        ("https://example.org/crew.toml", Kind.HTTP, "https://example.org/crew.toml"),
        ("HTTPS://example.org/crew.toml?x=1", Kind.HTTP, "https://example.org/crew.toml?x=1"),
        (" http://127.0.0.1:8080/c ", Kind.HTTP, "http://127.0.0.1:8080/c"),
        ("./crew.toml", Kind.FILE, "/here/crew.toml"),
        ("crew.toml", Kind.FILE, "/here/crew.toml"),
        ("/a/b.toml", Kind.FILE, "/a/b.toml"),
        ("file:///a/b%20c.toml", Kind.FILE, "/a/b c.toml"),
        ("file://localhost/a", Kind.FILE, "/a"),
        ("a b#c.toml", Kind.FILE, "/here/a b#c.toml"),
        ("crew.example.org", Kind.GATEWAY, "/ipns/crew.example.org"),
        (KEY, Kind.GATEWAY, f"/ipns/{KEY}"),
        (f"/ipns/{KEY}/c.toml", Kind.GATEWAY, f"/ipns/{KEY}/c.toml"),
        (f"ipns://{KEY}", Kind.GATEWAY, f"/ipns/{KEY}"),
        ("ipfs://bafyx/c.toml", Kind.GATEWAY, "/ipfs/bafyx/c.toml"),
    ],
)
def test_each_kind_of_source_is_understood(text: str, kind: Kind, where: str) -> None:
    plain, named = parse_source(text, HERE), parse_source(f"{text.strip()}#{ID}", HERE)
    assert (plain.kind, plain.where, plain.cluster_id) == (kind, where, None)
    assert (named.kind, named.where, named.cluster_id) == (kind, where, bytes.fromhex(ID))
    assert parse_source(named.text, Path("/elsewhere")) == named


def test_the_users_own_folder_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert parse_source("~/c.toml", HERE).where == "/home/me/c.toml"


def test_a_name_is_asked_for_below_the_gateway() -> None:
    assert parse_source("crew.example.org", HERE).url("http://127.0.0.1:8080/") == (
        "http://127.0.0.1:8080/ipns/crew.example.org"
    )


@pytest.mark.parametrize(
    "text",
    ["", "  ", "ftp://example.org/x", "https://", "http://[::1", "http://x:99999/", "file://host/x", "file:x//",
     "ipns://", "x\ny", "x" * 5000, "data://x"],
)  # fmt: skip
def test_what_cannot_be_fetched_is_refused(text: str) -> None:
    if text == "file:x//":
        assert parse_source(text, HERE).kind is Kind.FILE
        return
    with pytest.raises(Misuse):
        parse_source(text, HERE)


@pytest.mark.parametrize("tail", [ID[:-1], ID + "a", "g" * 64, ""])
def test_a_damaged_cluster_id_is_never_taken_for_none(tail: str) -> None:
    with pytest.raises(Misuse, match="64 hex digits"):
        parse_source(f"https://example.org/c.toml#{tail}", HERE)


def test_a_damaged_cluster_id_behind_a_file_is_refused() -> None:
    with pytest.raises(Misuse, match="64 hex digits"):
        parse_source(f"c.toml#{ID[:-1]}", HERE)


@pytest.mark.parametrize(
    ("asked", "target"),
    [
        ("https://a/x", "http://a/x"),
        ("https://a/x", "HTTP://a/x"),
        ("https://a/x", "file:///etc/passwd"),
        ("http://a/x", "file:///etc/passwd"),
        ("http://a/x", "ftp://a/x"),
    ],
)
def test_a_redirect_to_something_weaker_is_refused(asked: str, target: str) -> None:
    with pytest.raises(SourceUnreachable, match="sends us on"):
        check_redirect(asked, target)


@pytest.mark.parametrize(
    ("asked", "target"),
    [("https://a/x", "https://b/y"), ("http://a/x", "https://a/x"), ("http://a/x", "http://b/x")],
)
def test_a_redirect_to_something_as_good_is_followed(asked: str, target: str) -> None:
    check_redirect(asked, target)
