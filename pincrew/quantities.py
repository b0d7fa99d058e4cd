"""Times, sizes and shares as people write them: `90m`, `30d`, `200GB`, `500GiB`, `10%`.

A bare number of time means nothing, and 0 never means "no limit".
"""

from __future__ import annotations

import re

from pincrew.errors import Misuse

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}

_PREFIXES = "kMGTP"
_BYTES = {
    "": 1,
    "b": 1,
    **{f"{prefix}b": 1000**power for power, prefix in enumerate(_PREFIXES.lower(), 1)},
    **{f"{prefix}ib": 1024**power for power, prefix in enumerate(_PREFIXES.lower(), 1)},
}
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def parse_size(text: str) -> int:
    """Return the bytes that ``text`` (`200GB`, `500GiB`, `4096`) stands for. Raises Misuse."""
    match = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,3})?)\s*([a-z]*)", text.strip().lower())
    if not match or match[2] not in _BYTES:
        raise Misuse(f"{text!r} is not a size", next_step="Write it like `200GB` or `500GiB`")
    return int(float(match[1]) * _BYTES[match[2]])


def size_text(number: int) -> str:
    """Return bytes for a person: `1.31 TB`, `512 B`."""
    value, unit = float(number), 0
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value /= 1000
        unit += 1
    if unit == 0:
        return f"{number} B"
    return f"{value:.2f} {_UNITS[unit]}" if value < 9.995 else f"{value:.1f} {_UNITS[unit]}"


def typed_size(number: int) -> str:
    """Return bytes as ``parse_size`` reads them, in the largest unit that is exact: `2TB`, `512MiB`, `4097`."""
    for base, ending in ((1000, "B"), (1024, "iB")):
        for power in range(len(_PREFIXES), 0, -1):
            if number and number % base**power == 0:
                return f"{number // base**power}{_PREFIXES[power - 1]}{ending}"
    return str(number)


def parse_percent(text: str) -> int:
    """Return the whole percentage that ``text`` (`10`, `10%`, `10 %`) stands for. Raises Misuse."""
    match = re.fullmatch(r"([0-9]{1,3})\s*%?", text.strip())
    if not match or int(match[1]) > 100:
        raise Misuse(f"{text!r} is not a percentage", next_step="Write a whole number from 0, like `10`")
    return int(match[1])


def parse_duration(text: str) -> float:
    """Return the seconds that ``text`` (`30s`, `90m`, `1.5h`, `30d`, `2w`) stands for. Raises Misuse."""
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)\s*([smhdw])", text.strip())
    if not match:
        raise Misuse(f"{text!r} is not a time", next_step="Write it with a unit, like `90m` or `30d`")
    return float(match[1]) * _SECONDS[match[2]]


def duration_text(seconds: float) -> str:
    """Return a time as ``parse_duration`` reads it, in the largest unit that is exact."""
    for unit in reversed(_SECONDS):
        if seconds and seconds % _SECONDS[unit] == 0:
            return f"{int(seconds // _SECONDS[unit])}{unit}"
    return f"{seconds:g}s"


def age_text(seconds: float) -> str:
    """Return an age for a person: `3 minutes`, `2 days`. A clock may have gone back meanwhile: then none is known."""
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
        count = int(seconds // size)
        if count > 0:
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return "a moment"
