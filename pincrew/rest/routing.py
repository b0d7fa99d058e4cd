"""What the routes' modules have in common."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response

from pincrew.rest.access import Scope

Call = Callable[[Request], Awaitable[Response]]


class Route(NamedTuple):
    """What answers, and what its caller must be allowed to do. ``takes_files``: its request may be of any length."""

    method: str
    path: str
    call: Call
    scope: Scope
    takes_files: bool = False


class _Kind(Convertor[str]):
    """The namespace of a path that is pinned."""

    regex = "ipfs|ipns|ipld"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("ipfs_kind", _Kind())


def is_local(request: Request) -> bool:
    """Say whether this peer alone is asked; ipfs-cluster takes no other word for it."""
    return request.query_params.get("local") == "true"
