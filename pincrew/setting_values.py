"""Values of settings: as people write them, as they stand in files, and in words for what is wrong with one."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any

from pincrew.errors import Misuse
from pincrew.quantities import duration_text, parse_duration, parse_percent, parse_size
from pincrew.settings import HIDDEN, Copies, Limit, NodePriority, PartMode, Patience, Percent, Role

_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


def from_toml(value: Any, kind: Any, where: str) -> Any:
    if kind in (float, Role, PartMode, NodePriority, Percent) or kind in (Limit, Patience):
        if isinstance(value, str):
            return from_text(value, kind, where)
        if kind is Percent and type(value) is int:
            return Percent(value)
    elif kind is Copies and type(value) is int:
        return Copies(value)
    elif kind == tuple[str, ...]:
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
    elif type(value) is kind and not (kind is int and value < 1):
        return value
    shown = "That" if where.endswith(HIDDEN) else repr(value)
    raise Misuse(f"{shown} is not what this setting takes: {_kind_text(kind)}", where=where)


def from_text(text: str, kind: Any, where: str) -> Any:
    """Read a value from the environment."""
    lowered = text.strip().lower()
    if kind is str:
        return text
    if kind == Patience and lowered == "never":
        return None
    if kind is float or kind == Patience:
        try:
            return parse_duration(text)
        except Misuse as error:
            raise Misuse(error.what, where=where, next_step=error.next_step) from error
    if kind == Limit:
        return parse_limit(text, where)
    if kind is Percent:
        return Percent(parse_percent(text))
    if kind is Copies and lowered.lstrip("-").isdecimal() and lowered.isascii():
        return Copies(int(lowered[:12]))
    if kind == tuple[str, ...]:
        return _texts(text, where)
    if kind in (Role, PartMode, NodePriority) and lowered in tuple(kind):
        return kind(lowered)
    if kind is bool and lowered in _TRUE + _FALSE:
        return lowered in _TRUE
    if kind is int and lowered.isascii() and lowered.isdigit() and int(lowered[:12]) > 0:
        return int(lowered[:12])
    raise Misuse(f"{text!r} is not what this setting takes: {_kind_text(kind)}", where=where)


def _texts(text: str, where: str) -> tuple[str, ...]:
    """Read a list: texts with commas between them, or as JSON, where one of them has a comma itself."""
    if not text.lstrip().startswith("["):
        return tuple(filter(None, (part.strip() for part in text.split(","))))
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):  # not shown: it may be secret
        raise Misuse("That is no list of texts", where=where, next_step='Write it like `["one", "two"]`, or `one,two`')
    return tuple(found)


def parse_limit(text: str, where: str) -> Limit:
    """Return what a person wrote as a limit: a size, or `none`. Raises Misuse."""
    if text.strip().lower() == "none":
        return None
    size = parse_size(text)
    if size < 1:
        raise Misuse("0 is no limit that anything could keep", where=where, next_step="Write `none` for no limit")
    return size


def _kind_text(kind: Any) -> str:
    if kind is Role:
        return "`follower` or `curator`"
    if kind is PartMode:
        return "`auto`, `part` or `all`"
    if kind is NodePriority:
        return "`auto`, `low` or `normal`"
    if kind == Limit:
        return 'a size like "200GB", or "none"'
    if kind == Patience:
        return 'a time like "5m", or "never"'
    words = {
        Percent: "a percentage like 10",
        str: "text in quotes",
        bool: "true or false",
        int: "a whole number from 1",
        Copies: "a whole number from 1, or -1",
        float: 'a time like "24h"',
    }
    return words.get(kind, "a list of texts")


def size_text(value: Limit) -> str:
    return "none" if value is None else str(value)


def setting_text(value: Any) -> str:
    """Return a value as it stands in a file."""
    plain = to_toml(value)
    return json.dumps(plain, ensure_ascii=False)


def to_toml(value: Any) -> Any:
    if value is None:
        return "never"
    if isinstance(value, float):
        return duration_text(value)
    if isinstance(value, tuple):
        return list(value)
    return value.value if isinstance(value, StrEnum) else value
