"""Times as Go writes them: `1h30m`, `2.5s`, `300ms`. Pure."""

from __future__ import annotations

import re

_UNITS_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)([^0-9.]*)")
_SECONDS_MAX = 2**63 / 1e9  # Go counts in nanoseconds


def duration_s(text: str) -> float:
    """Return the seconds that ``text`` stands for. Raises ValueError with Go's words."""
    sign = -1.0 if text.startswith("-") else 1.0
    rest = text[1:] if text[:1] in ("+", "-") else text
    if rest == "0":
        return 0.0
    total = 0.0
    while rest:
        part = _PART.match(rest)
        if part is None:
            raise ValueError(f'time: invalid duration "{text}"')
        if not part[2]:
            raise ValueError(f'time: missing unit in duration "{text}"')
        if part[2] not in _UNITS_S:
            raise ValueError(f'time: unknown unit "{part[2]}" in duration "{text}"')
        total += float(part[1]) * _UNITS_S[part[2]]
        rest = rest[part.end() :]
    if not text.lstrip("+-") or total >= _SECONDS_MAX:
        raise ValueError(f'time: invalid duration "{text}"')
    return sign * total
