"""Numbers as people read them. Pure: the current time is an argument."""

from __future__ import annotations

from datetime import UTC, datetime

from pincrew.quantities import age_text, size_text


def count(number: int) -> str:
    """Return ``1,204,311``."""
    return f"{number:,}"


def plural(number: int, noun: str) -> str:
    """Return ``1 pin``, ``1,204 pins``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def size(number: int | None) -> str:
    """Return ``1.31 TB``; unknown is a dash."""
    return "—" if number is None else size_text(number)


def share(part: int, whole: int) -> str:
    """Return ``86.0 %``, rounded down: 100 % is said of nothing that is not whole."""
    if whole <= 0:
        return "—"
    thousandths = part * 1000 // whole
    return "100 %" if thousandths >= 1000 else f"{thousandths / 10:.1f} %"


def moment(text: str | None) -> datetime | None:
    """Read a time as it travels."""
    if not text:
        return None
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)
    except ValueError:
        return None


def ago(text: str | None, now: datetime) -> str:
    """Return ``3 minutes ago``, or ``never``."""
    at = moment(text)
    if at is None:
        return "never"
    seconds = (now - at).total_seconds()
    return "just now" if seconds < 1 else f"{age_text(seconds)} ago"


def until(text: str | None, now: datetime) -> str:
    """Return ``in 3 minutes``, or ``now``."""
    at = moment(text)
    if at is None:
        return "—"
    seconds = (at - now).total_seconds()
    return "now" if seconds < 1 else f"in {age_text(seconds)}"


def wall_time(text: str, now: datetime) -> str:
    """Return ``23:00``, with the day where it is not within a day, in local time."""
    at = moment(text)
    if at is None:
        return "—"
    local = at.astimezone()
    return local.strftime("%H:%M" if abs((at - now).total_seconds()) < 86_400 else "%d %b %Y %H:%M")


def span(seconds: int) -> str:
    """Return ``3 s``, ``12 min``, ``5 h``, ``9 d``: a length of time in few columns."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def shorten(text: str, width: int) -> str:
    """Return ``text`` in at most ``width`` columns; it loses its middle, since names differ at their ends."""
    if len(text) <= width or width < 3:
        return text
    tail = (width - 1) // 2
    return f"{text[: width - 1 - tail]}…{text[-tail:]}"


def printable(text: str) -> str:
    """Return ``text`` without what could steer a terminal: names come from strangers."""
    return "".join(character if character.isprintable() else "�" for character in text)
