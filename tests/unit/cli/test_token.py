"""`token new`, `ls` and `revoke`, with no daemon."""

from __future__ import annotations

import json

import pytest

from pincrew.rest.access import Scope, digest
from pincrew.tokens import TokenBook
from support.shell import Shell


def test_a_token_is_printed_once_and_alone(shell: Shell) -> None:
    paths = shell.curated("books")
    made = shell("token", "new", "--scope", "pin", "--name", "uploads")
    text = made.out.strip()
    [token] = TokenBook(paths.tokens).tokens() or ()
    assert made.code == 0 and text.startswith("pct_") and token.sha256 == digest(text.encode())
    assert "asks on TCP who calls" in made.err and token.id in made.err and text not in made.err
    assert "asks on TCP" not in shell("token", "new").err, "they are told once"
    shown = shell("token", "ls")
    assert shown.code == 0 and token.id in shown.out and "uploads" in shown.out and text not in shown.out
    assert [each.scope for each in TokenBook(paths.tokens).tokens() or ()] == [Scope.PIN, Scope.READ]


def test_json(shell: Shell) -> None:
    shell.curated("books")
    made = json.loads(shell("token", "new", "--expires", "never", "--json").out)
    assert (made["schema"], made["cluster"], made["scope"], made["expires"]) == (1, "books", "read", None)
    ended = json.loads(shell("token", "new", "--expires", "1s", "--json").out)
    assert ended["created"] < ended["expires"]
    lines = [json.loads(line) for line in shell("token", "ls", "--json").out.splitlines()]
    assert [line["id"] for line in lines] == [made["id"], ended["id"]] and "token" not in lines[0]
    revoked = json.loads(shell("token", "revoke", made["id"], "--json").out)
    assert revoked == {"schema": 1, **lines[0]}


def test_revoking(shell: Shell) -> None:
    paths = shell.curated("books")
    assert "`pincrew token new` makes one" in shell("token", "ls").out
    shell("token", "new", "--name", "uploads")
    [token] = TokenBook(paths.tokens).tokens() or ()
    assert shell("token", "revoke", token.id).out == f"Revoked {token.id} (uploads)\n"
    again = shell("token", "revoke", token.id)
    assert again.code == 1 and "token ls" in again.err
    assert TokenBook(paths.tokens).tokens() == ()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--scope", "free"), "read, pin, admin"),
        (("--scope", "root"), "read, pin, admin"),
        (("--expires", "0s"), "never"),
        (("--expires", "30"), "with a unit"),
        (("--expires", "9999w"), "never"),
        (("--name", "a\nb"), "printable"),
    ],
)
def test_what_makes_no_sense_makes_nothing(shell: Shell, words: tuple[str, ...], told: str) -> None:
    paths = shell.curated("books")
    result = shell("token", "new", *words)
    assert result.code == 2 and told in result.err and not paths.tokens.exists()


def test_one_that_is_over_is_shown_as_that(shell: Shell) -> None:
    paths = shell.curated("books")
    TokenBook(paths.tokens).make(Scope.READ, name="", now_ms=1_000, expires=2_000)
    assert "(over)" in shell("token", "ls").out
    assert json.loads(shell("token", "ls", "--json").out)["over"] is True
