"""The bearer tokens of a cluster's REST API: `tokens.toml` in its folder, which daemon and commands both write.

A token's text is shown once, to whoever has it made; the file has its SHA-256. Once there is such a file, the API asks
on TCP who calls, also when the last token in it is revoked or over: taking a right away never opens a door.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import tomlkit

from pincrew import limits
from pincrew.errors import Conflict, Misuse, NewerStore, NotFound, StoreFault
from pincrew.files import read_file, told, write_file
from pincrew.rest.access import GRANTED, TOKEN_PREFIX, Scope, Token, digest

_FORMAT_VERSION = 1
_SECRET_BYTES = 32
_ID_BYTES = 4
_HEAD = (
    "Made by `pincrew token`, which also takes tokens away. Without this file the REST API asks nobody on this",
    "machine who they are, unless `rest_users` in cluster.toml names somebody.",
)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the file was when it was read last."""

    inode: int
    modified_ns: int
    tokens: tuple[Token, ...]


class TokenBook:
    """The tokens in a file. Synchronous: a look at it costs microseconds, and it is read again only when it changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: _Seen | None = None

    def tokens(self) -> tuple[Token, ...] | None:
        """Return them, also those that are over; None where none was ever made. Raises StoreFault or NewerStore."""
        try:
            with told(self._path, "read"):
                found = self._path.stat()
        except StoreFault as fault:
            if isinstance(fault.__cause__, FileNotFoundError):
                return None
            raise
        # It is replaced as a whole each time, so that a new one is another file.
        if self._seen is None or (self._seen.inode, self._seen.modified_ns) != (found.st_ino, found.st_mtime_ns):
            self._seen = _Seen(found.st_ino, found.st_mtime_ns, _read(self._path))
        return self._seen.tokens

    def make(self, scope: Scope, *, name: str, now_ms: int, expires: int | None) -> tuple[Token, str]:
        """Make a token; return it and its text, which nobody can tell again. Raises Misuse, Conflict or StoreFault.

        Those that are over make room.
        """
        if scope not in GRANTED:
            raise Misuse(f"No token can have the scope {scope!r}", next_step=f"There are: {', '.join(GRANTED)}")
        if len(name.encode()) > limits.TOKEN_NAME_BYTES_MAX or not name.isprintable():
            raise Misuse(
                f"{name[:40]!r} cannot be a token's name",
                next_step=f"Choose at most {limits.TOKEN_NAME_BYTES_MAX} printable bytes",
            )
        text = TOKEN_PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
        with self._changing():
            kept = [token for token in self.tokens() or () if not token.is_expired(now_ms)]
            if len(kept) >= limits.TOKENS_MAX:
                raise Conflict(
                    f"There are {len(kept)} tokens already", next_step="Revoke some: `pincrew token ls` names them"
                )
            taken = {token.id for token in kept}
            name_of_it = next(word for word in iter(lambda: secrets.token_hex(_ID_BYTES), "") if word not in taken)
            made = Token(name_of_it, name, scope, now_ms, expires, digest(text.encode()))
            self._write([*kept, made])
        return made, text

    def revoke(self, token_id: str) -> Token:
        """Take a token away; return it. Raises NotFound or StoreFault."""
        with self._changing():
            tokens = self.tokens() or ()
            revoked = next((token for token in tokens if token.id == token_id), None)
            if revoked is None:
                raise NotFound(f"There is no token {token_id!r}", next_step="`pincrew token ls` names them")
            self._write([token for token in tokens if token is not revoked])
        return revoked

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Let nobody else change the file meanwhile."""
        with told(self._path.parent, "open"):
            folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def _write(self, tokens: list[Token]) -> None:
        document = tomlkit.document()
        for line in _HEAD:
            document.add(tomlkit.comment(line))
        document["format"] = _FORMAT_VERSION
        document["token"] = [
            {
                "id": token.id,
                "name": token.name,
                "scope": token.scope.value,
                "created": _moment(token.created),
                **({} if token.expires is None else {"expires": _moment(token.expires)}),
                "sha256": token.sha256.hex(),
            }
            for token in tokens
        ]
        write_file(self._path, tomlkit.dumps(document).encode())


def _read(path: Path) -> tuple[Token, ...]:
    try:
        document = tomllib.loads(read_file(path, limits.TOKENS_BYTES_MAX).decode())
        if document["format"] > _FORMAT_VERSION:
            raise NewerStore("The tokens were written by a newer pincrew", where=str(path), next_step="Upgrade pincrew")
        return tuple(_token(entry) for entry in document["token"])
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise StoreFault(
            "The tokens of the REST API cannot be read",
            where=str(path),
            means="Nobody gets in with one",
            next_step="Restore the file, or remove it and make new ones with `pincrew token new`",
        ) from error


def _token(entry: dict[str, Any]) -> Token:
    scope, hashed = Scope(entry["scope"]), bytes.fromhex(entry["sha256"])
    if scope not in GRANTED or len(hashed) != len(digest(b"")):
        raise ValueError("no token")
    expires = _milliseconds(entry["expires"]) if "expires" in entry else None
    return Token(str(entry["id"]), str(entry["name"]), scope, _milliseconds(entry["created"]), expires, hashed)


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1_000, UTC)


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000)
