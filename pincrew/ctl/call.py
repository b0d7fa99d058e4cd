"""What a command is given."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from pincrew.cid import cid_text, parse_cid
from pincrew.ctl.answers import shaped
from pincrew.ctl.client import Client
from pincrew.ctl.faults import Stopped
from pincrew.ctl.grammar import Words
from pincrew.ctl.output import Output
from pincrew.errors import Malformed, Misuse

Shape = TypeVar("Shape", bound=msgspec.Struct)


@dataclass
class Call:
    """One command under way."""

    words: Words
    client: Client
    output: Output
    now: Callable[[], float] = field(default=time.time)
    clock: Callable[[], float] = field(default=time.monotonic)
    sleep: Callable[[float], None] = field(default=time.sleep)

    @property
    def argument(self) -> str:
        """The first argument; empty where there is none."""
        return self.words.arguments[0] if self.words.arguments else ""

    def option(self, name: str) -> Any:
        """Return what an option is."""
        return self.words.options[name]

    def show(self, shape: type[Shape], value: Any, lines: Callable[[Shape], Iterator[str]]) -> None:
        """Print one answer. Nothing where the peer had none."""
        if value is not None:
            self.output.answer(value, () if self.output.is_json else lines(shaped(shape, value)))

    def show_object(
        self, method: str, target: str, shape: type[Shape], lines: Callable[[Shape], Iterator[str]]
    ) -> None:
        """Ask for one object and print it."""
        self.show(shape, self.client.object(method, target), lines)

    def show_stream(
        self, method: str, target: str, shape: type[Shape], lines: Callable[[Shape], Iterator[str]]
    ) -> None:
        """Ask for many and print each as it comes."""
        for value in self.client.stream(method, target):
            self.show(shape, value, lines)


def canonical_cid(text: str, doing: str = "parsing cid") -> str:
    """Return a CID in its usual form. Raises Stopped."""
    try:
        return cid_text(parse_cid(text))
    except (Misuse, Malformed) as error:
        raise Stopped(doing, f"invalid cid: {error.what}") from error


def target(path: str, **query: str | int | bool) -> str:
    """Return a request's target; the values of the query as Go writes them, and in its order."""
    return with_query(path, {name: _go_text(value) for name, value in query.items()})


def with_query(path: str, query: dict[str, str]) -> str:
    """Return a request's target."""
    return f"{quote(path, safe='/:')}?{urlencode(sorted(query.items()))}" if query else quote(path, safe="/:")


def _go_text(value: str | int | bool) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)
