"""The file of tokens: what is in it, who reads it when, and what becomes of it when it is damaged."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest

from pincrew import limits
from pincrew.errors import Conflict, Misuse, NewerStore, NotFound, StoreFault
from pincrew.rest.access import Scope, digest
from pincrew.tokens import TokenBook

NOW = 1_700_000_000_123


def test_without_a_file_none_was_ever_made(tmp_path: Path) -> None:
    assert TokenBook(tmp_path / "tokens.toml").tokens() is None
    assert TokenBook(tmp_path / "nowhere" / "tokens.toml").tokens() is None


def test_a_token_is_kept_without_its_text(tmp_path: Path) -> None:
    path = tmp_path / "tokens.toml"
    made, text = TokenBook(path).make(Scope.PIN, name="uploads", now_ms=NOW, expires=NOW + 5)
    assert text.startswith("pct_") and len(text) >= 4 + 43
    assert TokenBook(path).tokens() == (made,)
    assert (made.name, made.scope, made.created, made.expires) == ("uploads", Scope.PIN, NOW, NOW + 5)
    assert made.sha256 == digest(text.encode())
    content = path.read_text()
    assert text not in content and text.removeprefix("pct_") not in content
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["tokens.toml"]


def test_one_that_never_ends(tmp_path: Path) -> None:
    book = TokenBook(tmp_path / "tokens.toml")
    book.make(Scope.READ, name="", now_ms=NOW, expires=None)
    [token] = TokenBook(tmp_path / "tokens.toml").tokens() or ()
    assert token.expires is None and not token.is_expired(NOW * 1_000)


def test_another_process_is_heard_at_once(tmp_path: Path) -> None:
    """The daemon has one book, each command makes its own."""
    here, there = TokenBook(tmp_path / "tokens.toml"), TokenBook(tmp_path / "tokens.toml")
    assert here.tokens() is None
    made, _ = there.make(Scope.READ, name="", now_ms=NOW, expires=None)
    assert here.tokens() == (made,)
    assert here.tokens() is here.tokens(), "it is not read again while it is the same"
    assert there.revoke(made.id) == made
    assert here.tokens() == (), "and what is left is a file, which still has callers asked"


def test_those_that_are_over_make_room(tmp_path: Path) -> None:
    book = TokenBook(tmp_path / "tokens.toml")
    book.make(Scope.READ, name="old", now_ms=NOW, expires=NOW + 5)
    assert len(book.tokens() or ()) == 1
    book.make(Scope.READ, name="new", now_ms=NOW + 5, expires=None)
    assert [token.name for token in book.tokens() or ()] == ["new"]


def test_two_at_once_lose_nothing(tmp_path: Path) -> None:
    def work() -> None:
        for _ in range(5):
            TokenBook(tmp_path / "tokens.toml").make(Scope.READ, name="", now_ms=NOW, expires=None)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tokens = TokenBook(tmp_path / "tokens.toml").tokens() or ()
    assert len({token.id for token in tokens}) == len({token.sha256 for token in tokens}) == 20


def test_what_cannot_be_made_or_revoked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = TokenBook(tmp_path / "tokens.toml")
    with pytest.raises(Misuse, match="read, pin, admin"):
        book.make(Scope.FREE, name="", now_ms=NOW, expires=None)
    for name in ("x" * (limits.TOKEN_NAME_BYTES_MAX + 1), "a\nb", "\x1b[31m"):
        with pytest.raises(Misuse, match="printable"):
            book.make(Scope.READ, name=name, now_ms=NOW, expires=None)
    with pytest.raises(NotFound):
        book.revoke("nobody")
    assert book.tokens() is None
    monkeypatch.setattr(limits, "TOKENS_MAX", 1)
    book.make(Scope.READ, name="", now_ms=NOW, expires=None)
    with pytest.raises(Conflict, match="1 tokens already"):
        book.make(Scope.READ, name="", now_ms=NOW, expires=None)


def test_as_many_as_may_be_fit_in_the_file(tmp_path: Path) -> None:
    book = TokenBook(tmp_path / "tokens.toml")
    book.make(Scope.ADMIN, name="é" * (limits.TOKEN_NAME_BYTES_MAX // 2), now_ms=NOW, expires=NOW)
    assert (tmp_path / "tokens.toml").stat().st_size * limits.TOKENS_MAX < limits.TOKENS_BYTES_MAX


GOOD = f"""format = 1
[[token]]
id = "a1"
name = ""
scope = "read"
created = 2026-01-01T00:00:00Z
sha256 = "{"ab" * 32}"
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("format = 1", "format = "),
        ("format = 1\n", ""),
        ("[[token]]", "[token]"),
        ("[[token]]", "[[tokens]]"),
        ("id = ", "identity = "),
        ('"read"', '"free"'),
        ('"read"', '"everything"'),
        ('"read"', "7"),
        ("ab" * 32, "ab" * 31),
        ("ab" * 32, "zz" * 32),
        ("2026-01-01T00:00:00Z", '"yesterday"'),
        ("2026-01-01T00:00:00Z", "2026-01-01"),
        ("id", "expires = 7\nid"),
        ("format = 1", 'format = "1"'),
    ],
)
def test_a_damaged_file_lets_nobody_in(tmp_path: Path, old: str, new: str) -> None:
    path = tmp_path / "tokens.toml"
    path.write_text(GOOD)
    book = TokenBook(path)
    assert len(book.tokens() or ()) == 1
    path.unlink()
    path.write_text(GOOD.replace(old, new))
    for each in (book, TokenBook(path)):
        with pytest.raises(StoreFault, match="Nobody gets in"):
            each.tokens()
        with pytest.raises(StoreFault):
            each.make(Scope.READ, name="", now_ms=NOW, expires=None)


def test_bytes_that_are_no_text_and_a_file_that_is_too_large(tmp_path: Path) -> None:
    path = tmp_path / "tokens.toml"
    for content in (b"\xff\xfe", b"#" * (limits.TOKENS_BYTES_MAX + 1)):
        path.write_bytes(content)
        with pytest.raises(StoreFault):
            TokenBook(path).tokens()


def test_a_newer_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "tokens.toml"
    path.write_text(GOOD.replace("format = 1", "format = 2"))
    with pytest.raises(NewerStore, match="Upgrade"):
        TokenBook(path).tokens()
