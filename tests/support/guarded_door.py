"""A TCP door of the REST API with users and tokens, and what its callers show."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pincrew.rest.access import Scope, user_of
from pincrew.rest.doorkeeper import Keys, Rules
from pincrew.tokens import TokenBook
from support.rest_door import NOW_MS, FollowingDoor, RestAnswer, WritingDoor, send

LOOPBACK = frozenset({"127.0.0.1"})
HOST = {"Host": "127.0.0.1:9094"}


def basic(credentials: str) -> dict[str, str]:
    return {**HOST, "Authorization": "Basic " + base64.b64encode(credentials.encode()).decode()}


def bearer(text: str) -> dict[str, str]:
    return {**HOST, "Authorization": f"Bearer {text}"}


class GuardedDoor:
    """A TCP door of a cluster, with users and tokens."""

    def __init__(self, folder: Path, users: Sequence[str] = (), origins: Sequence[str] = (), **more: Any) -> None:
        self.book = TokenBook(folder / "tokens.toml")
        self.keys = Keys([user_of(user) for user in users], self.book)
        self.rules = Rules(**{"hosts": LOOPBACK, "keys": self.keys, "origins": frozenset(origins), **more})
        self.cluster: FollowingDoor = WritingDoor()

    def token(self, scope: Scope, expires: int | None = None) -> str:
        return self.book.make(scope, name="", now_ms=NOW_MS, expires=expires)[1]

    def __call__(self, method: str, path: str, headers: dict[str, str], **more: Any) -> RestAnswer:
        return send(self.cluster, method, path, headers=headers, rules=self.rules, **more)
