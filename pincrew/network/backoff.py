"""How long to wait before dialling again, with jitter, so that a crew does not redial in step.

Towards a peer that was never there the delays double. One that was there and is lost has most likely restarted: it is
tried quickly for as long as a restart takes, and only then like any other.

Where peers answer and their handshakes still come to nothing, somebody's processor has more to do than it can, ours or
theirs, and trying the next peer at once adds to that: in a crowd on one machine everybody then tries and nobody gets
through. As in TCP (Jacobson, Congestion Avoidance and Control, 1988) all tries together become fewer.
"""

from __future__ import annotations

from random import Random

from pincrew import limits


class Backoff:
    """Delays for one wanted peer. Pure: the caller waits, and the generator is given."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._quick_tries = 0
        self._ceiling = limits.REDIAL_DELAY_S_MIN

    def failed(self) -> float:
        """Return how many seconds to wait after another failure, or after a loss."""
        return self._next_ceiling() * (0.5 + 0.5 * self._random.random())

    def _next_ceiling(self) -> float:
        if self._quick_tries:
            tried = limits.REDIAL_QUICK_TRIES_MAX - self._quick_tries
            self._quick_tries -= 1
            return limits.REDIAL_QUICK_DELAYS_S[min(tried, len(limits.REDIAL_QUICK_DELAYS_S) - 1)]
        ceiling = self._ceiling
        self._ceiling = min(ceiling * 2, limits.REDIAL_DELAY_S_MAX)
        return ceiling

    def lost(self) -> None:
        """Try quickly: the peer was there for a good while."""
        self._quick_tries = limits.REDIAL_QUICK_TRIES_MAX
        self._ceiling = 2 * limits.REDIAL_QUICK_DELAYS_S[-1]

    def hopeless(self) -> None:
        """Go to the slowest pace at once: trying again soon cannot help, only a person can."""
        self._quick_tries = 0
        self._ceiling = limits.REDIAL_DELAY_S_MAX

    def renewed(self) -> None:
        """Start from the beginning: what was known of the peer changed."""
        self._quick_tries = 0
        self._ceiling = limits.REDIAL_DELAY_S_MIN


class Congestion:
    """Whether to hold back with peers that are good to have and not needed. Pure: the time is given."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._delay_s = 0.0
        self._ends = 0.0

    @property
    def is_felt(self) -> bool:
        """Whether one try at a time is enough."""
        return self._delay_s > 0

    def wait_s(self, now: float) -> float:
        """Return for how long to try nobody."""
        return max(0.0, self._ends - now)

    def failed(self, now: float) -> None:
        """Somebody answered, and could not be done with in time."""
        self._delay_s = min(max(2 * self._delay_s, limits.CONGESTION_DELAY_S_MIN), limits.CONGESTION_DELAY_S_MAX)
        self._ends = now + self._delay_s * (0.5 + 0.5 * self._random.random())

    def passed(self) -> None:
        """One got through."""
        self._delay_s = 0.0 if self._delay_s <= limits.CONGESTION_DELAY_S_MIN else self._delay_s / 2
        self._ends = 0.0
