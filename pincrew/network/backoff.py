"""How long to wait before dialling again: exponential with jitter, so that a crew does not redial in step."""

from __future__ import annotations

from random import Random

from pincrew import limits


class Backoff:
    """Delays for one wanted peer. Pure: the caller waits, and the generator is given."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._ceiling = limits.REDIAL_DELAY_S_MIN

    def failed(self) -> float:
        """Return how many seconds to wait after another failure."""
        ceiling = self._ceiling
        self._ceiling = min(ceiling * 2, limits.REDIAL_DELAY_S_MAX)
        return ceiling * (0.5 + 0.5 * self._random.random())

    def hopeless(self) -> None:
        """Go to the slowest pace at once: trying again soon cannot help, only a person can."""
        self._ceiling = limits.REDIAL_DELAY_S_MAX

    def steady(self) -> None:
        """Start from the shortest delay again: the peer was there for a good while, or its addresses changed."""
        self._ceiling = limits.REDIAL_DELAY_S_MIN
