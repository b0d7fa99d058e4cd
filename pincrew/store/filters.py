"""What a list of pins is narrowed to: a filter, the language that says it, and its conditions in SQL.

The language (words, `state:`, `size>`, `tries>`, `cid:`, `added<`) is one for API, command line and screen.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pincrew.cid import parse_cid
from pincrew.errors import Misuse
from pincrew.quantities import parse_duration, parse_size
from pincrew.store.database import STATE_NUMBER, STATES
from pincrew.values import PinState

_TERM = re.compile(r"^(state|cid|size|tries|added|copies)\s*([:<>])\s*(.+)$")


@dataclass(frozen=True, slots=True)
class Filter:
    """What a page is taken from. Empty fields do not filter."""

    states: tuple[PinState, ...] = ()
    name_prefix: str = ""
    words: tuple[str, ...] = ()
    cid: bytes | None = None
    size_over: int | None = None
    size_under: int | None = None
    tries_over: int | None = None
    added_after_ms: int | None = None
    added_before_ms: int | None = None

    @classmethod
    def parse(cls, text: str, *, now_ms: int, states: tuple[PinState, ...] = (), name_prefix: str = "") -> Filter:
        """Read the filter language. Raises Misuse with the words that exist."""
        fields: dict[str, object] = {}
        words = []
        for term in text.split():
            match = _TERM.match(term)
            if match is None:
                words.append(term)
                continue
            key, sign, value = match.groups()
            match key, sign:
                case "state", ":":
                    states = (*states, *parse_states(value))
                case "cid", ":":
                    fields["cid"] = parse_cid(value)
                case "size", "<" | ">":
                    fields["size_over" if sign == ">" else "size_under"] = parse_size(value)
                case "tries", ">":
                    if not value.isdigit():
                        raise Misuse(f"{term!r}: tries are compared with a number")
                    fields["tries_over"] = int(value)
                case "added", "<" | ">":
                    at = now_ms - int(parse_duration(value) * 1000)
                    fields["added_after_ms" if sign == "<" else "added_before_ms"] = at
                case "copies", _:
                    raise Misuse(
                        "Pins cannot be filtered by their copies, which are estimated and not kept",
                        next_step="`pincrew coverage` shows those with the fewest",
                    )
                case _:
                    raise Misuse(
                        f"{term!r} is not a filter",
                        next_step="There are: words of the name, state:S, size>N, tries>N, cid:C, added<7d",
                    )
        return cls(states=states, name_prefix=name_prefix, words=tuple(words), **fields)  # type: ignore[arg-type]


def parse_states(text: str) -> tuple[PinState, ...]:
    """Read `queued,error`. Raises Misuse."""
    states = []
    for word in filter(None, text.split(",")):
        try:
            states.append(PinState(word.strip()))
        except ValueError as error:
            known = ", ".join(state.value for state in STATES)
            raise Misuse(f"{word!r} is not a state of a pin", next_step=f"There are: {known}") from error
    return tuple(states)


def where_of(wanted: Filter) -> tuple[str, list[object]]:
    """Return the condition for all of a filter but its CID, and its values."""
    parts: list[str] = []
    values: list[object] = []
    if wanted.states:
        numbers = ",".join(str(STATE_NUMBER[state]) for state in wanted.states)
        parts.append(f"state IN ({numbers})")
    if wanted.name_prefix:
        parts.append("name >= ? AND name < ?")
        values += [wanted.name_prefix, wanted.name_prefix + "\U0010ffff"]
    for word in wanted.words:
        parts.append("name LIKE ? ESCAPE '\\'")
        escaped = re.sub(r"([\\%_])", r"\\\1", word)
        values.append(f"%{escaped}%")
    for column, sign, value in (
        ("size", ">", wanted.size_over),
        ("size", "<", wanted.size_under),
        ("tries", ">", wanted.tries_over),
        ("added", ">", wanted.added_after_ms),
        ("added", "<", wanted.added_before_ms),
    ):
        if value is not None:
            parts.append(f"{column} {sign} ?")
            values.append(value)
    return ("WHERE " + " AND ".join(parts) if parts else ""), values
