"""Whether the figures on the screen are of now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pincrew.errors import PincrewError


@dataclass(frozen=True)
class Connection:
    """How it stands between the view and the daemon.

    ``state``: new (nothing heard yet), live, lost. ``seen`` is when the newest figures came, ``since`` when the daemon
    was lost, ``is_stopped`` whether nobody listens at its socket.
    """

    state: str = "new"
    seen: datetime | None = None
    since: datetime | None = None
    error: PincrewError | None = None
    is_stopped: bool = False
    is_starting: bool = False

    @property
    def is_live(self) -> bool:
        """Whether the newest figures are of now."""
        return self.state == "live"

    def seconds_lost(self, now: datetime) -> int:
        """Return for how long the daemon has been away."""
        return max(0, int((now - self.since).total_seconds())) if self.since is not None else 0
