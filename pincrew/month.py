"""What passed over the line in a calendar month, and whether that is all that may. Pure: counts and the wall in.

Months are those of the clock on the wall, and several are remembered: a clock that is set back finds again what was
counted under the month that it shows. What a node says are counts since its start; what came since the last look is
added to the month that the wall shows at this one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pincrew.errors import Misuse
from pincrew.limits import MONTHS_KEPT_MAX


@dataclass(frozen=True, slots=True)
class Month:
    """Bytes of one month."""

    received: int = 0
    sent: int = 0

    @property
    def passed(self) -> int:
        """Bytes in both directions."""
        return self.received + self.sent


class Months:
    """The months that are remembered. ``is_over``: it was said that nothing more may pass, and not yet taken back."""

    def __init__(self, months: Mapping[str, Month] | None = None, *, is_over: bool = False) -> None:
        self._months = dict(months or {})
        self.is_over = is_over

    def at(self, wall: datetime) -> Month:
        """Return the month that the wall shows."""
        return self._months.get(month_name(wall), Month())

    def add(self, wall: datetime, received: int, sent: int) -> None:
        """So much came and went."""
        if not received and not sent:
            return
        now, name = self.at(wall), month_name(wall)
        self._months[name] = Month(now.received + received, now.sent + sent)
        for old in sorted(self._months)[:-MONTHS_KEPT_MAX]:
            if old != name:
                del self._months[old]

    def encode(self) -> bytes:
        """Return them as `months_of` reads them."""
        months = {name: {"received": one.received, "sent": one.sent} for name, one in sorted(self._months.items())}
        return json.dumps({"format": 1, "is_over": self.is_over, "months": months}, indent=1).encode() + b"\n"


class Count:
    """What one node says that it received and sent since its start."""

    def __init__(self, received: int = 0, sent: int = 0) -> None:
        self._received, self._sent = received, sent

    def look(self, received: int, sent: int) -> tuple[int, int]:
        """Return what passed since the last look. A count that fell is a node that was started anew."""
        is_new = received < self._received or sent < self._sent
        came = (received, sent) if is_new else (received - self._received, sent - self._sent)
        self._received, self._sent = received, sent
        return came


def months_of(data: bytes) -> Months:
    """Read what is kept. Raises Misuse for what is none."""
    try:
        found = json.loads(data)
        months = {_name(name): _month(fields) for name, fields in found["months"].items()}
        return Months(months, is_over=found["is_over"] is True)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise Misuse("What passed this month cannot be read", means="It is counted from 0") from None


def month_name(wall: datetime) -> str:
    """Return the month that the wall shows, like `2026-11`."""
    return f"{wall.year:04}-{wall.month:02}"


def next_month(wall: datetime) -> datetime:
    """Return when the next month begins, on the same wall."""
    start = wall.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    if start.month == 12:
        return start.replace(year=start.year + 1, month=1)
    return start.replace(month=start.month + 1)


def _name(text: str) -> str:
    return month_name(datetime.strptime(text, "%Y-%m"))


def _month(fields: Mapping[str, Any]) -> Month:
    received, sent = fields["received"], fields["sent"]
    if type(received) is not int or type(sent) is not int or min(received, sent) < 0:
        raise ValueError
    return Month(received, sent)
