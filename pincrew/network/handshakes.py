"""Why two peers that reached each other did not become neighbours, in words, and not over and over.

libp2p cannot tell a wrong private network key from any other noise on the line; what can be said is what is likely.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable

from libp2p.network.exceptions import SwarmException

from pincrew import limits
from pincrew.errors import HandshakeFailed
from pincrew.network.contract import Handlers

log = logging.getLogger(__name__)

_CHAIN_MAX = 10


class Silence(Exception):
    """Nothing at all came from the other side."""


class HandshakeReports:
    """Passes failures on to the peer above: each reason of each peer (or host) once in a while."""

    def __init__(self, handlers: Handlers, closed: bool, clock: Callable[[], float]) -> None:
        self._handlers = handlers
        self._closed = closed
        self._clock = clock
        self._told: OrderedDict[tuple[str, str], float] = OrderedDict()

    def explained(self, error: Exception, address: str) -> HandshakeFailed:
        """Return the failure of an encrypted handshake with the words for it."""
        return HandshakeFailed(_likely_cause(error, self._closed), where=address)

    def inbound(self, address: str, error: Exception) -> None:
        """Take note of a handshake that another side began. What we refused on purpose is no failure."""
        if not isinstance(error, SwarmException) or "upgrade" in str(error).lower():
            self.tell(address, None, self.explained(error, address))

    def tell(self, address: str, peer: str | None, error: HandshakeFailed) -> None:
        """Pass a failure on, unless the same was told lately."""
        key = (peer or address.partition("/tcp/")[0], error.what)
        now = self._clock()
        if now - self._told.get(key, float("-inf")) < limits.HANDSHAKE_REPORT_INTERVAL_S:
            return
        self._told[key] = now
        self._told.move_to_end(key)
        while len(self._told) > limits.HANDSHAKE_REPORTS_MAX:
            self._told.popitem(last=False)
        try:
            self._handlers.handshake_failed(address, peer, error.said_of(peer or address))
        # A bug of the peer above costs the report; the loop that dials or listens must go on.
        except Exception:
            log.exception("a failed handshake could not be reported")


def other_cluster(address: str) -> HandshakeFailed:
    """Return the failure of a peer that speaks, but not of this cluster."""
    return HandshakeFailed(
        "The peer takes no part in this cluster: it belongs to another one, or it has left this one",
        where=address,
        next_step="Check that both sides name the same cluster id",
    )


def _likely_cause(error: BaseException | None, closed: bool) -> str:
    texts: list[str] = []
    while error is not None and len(texts) < _CHAIN_MAX:
        if isinstance(error, Silence):
            return (
                "The other side takes the connection and then says nothing: its machine sleeps, its process is"
                " stopped, or the way there loses what is sent"
            )
        texts.append(f"{type(error).__name__} {error}".lower())
        error = error.__cause__ or error.__context__
    if any("mismatch" in text and "peer" in text and "protocol" not in text for text in texts):
        return "Another peer than expected answers there: the address is out of date, or the peer has a new key"
    if closed:
        return (
            "The encrypted handshake failed: most likely the other side lacks the private network key of this closed"
            " cluster, or one of the two has another one"
        )
    return (
        "The encrypted handshake failed: the other side probably belongs to a closed cluster and expects its private"
        " network key, or it is no pincrew peer"
    )
