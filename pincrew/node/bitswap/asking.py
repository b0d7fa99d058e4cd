"""Of whom a wanted block is asked, who is asked whether he has it, and what is given up: decided by the books. Pure.

The rules are told at `wants`; here are those about asking (1, 3, 4, 5, 9, 10 and 11).
"""

from __future__ import annotations

import math

from pincrew import limits
from pincrew.node.bitswap.orders import Order, SeekProviders
from pincrew.node.bitswap.partner import Kind, Partner, State, Wanted
from pincrew.node.bitswap.want_book import Session, WantBook

_TICK_S = 0.5
_TURN = 16
_SCANNED_MAX = 256


class Asking:
    """Decides what is asked of whom."""

    def __init__(self, book: WantBook) -> None:
        self._book = book
        self._searches: list[Order] = []
        self._checked_at = -math.inf
        self._owed_bytes = 0.0
        self._owed_slowly_bytes = 0.0

    def deadline(self) -> float:
        """Return when ``evaluate`` wants to be called even if nothing happens."""
        soonest = min((session.search_at for session in self._book.sessions.values()), default=math.inf)
        if any(peer.in_flight or peer.probes for peer in self._book.peers.values()):
            soonest = min(soonest, self._checked_at + _TICK_S)
        return soonest

    def evaluate(self, now: float) -> list[Order]:
        """Decide what to do in view of all that is known."""
        if now >= self._checked_at + _TICK_S:
            self._checked_at = now
            for peer in self._book.peers.values():
                self._expire(peer, now)
        for session in self._book.sessions.values():
            if now >= session.search_at:
                self._search(session, now)
        turn = list(self._book.hungry.values())
        if turn:
            self._count_owed()
        while turn:
            turn = [session for session in turn if self._assign(session, now)]
        if len(self._book.hungry) > 1:
            # Whoever was first comes last the next time.
            first = next(iter(self._book.hungry))
            self._book.hungry[first] = self._book.hungry.pop(first)
        searches, self._searches = self._searches, []
        return searches

    def _assign(self, session: Session, now: float) -> bool:
        """Ask for some of what a session has queued; say whether it may go on."""
        passed: list[bytes] = []
        asked = 0
        while session.queue and asked < _TURN and len(passed) < _SCANNED_MAX:
            if session.untaken_bytes > limits.BITSWAP_UNTAKEN_BYTES_MAX:
                break
            multihash = session.queue.popleft()
            want = self._book.wants.get(multihash)
            if want is None or want.state is not State.QUEUED or want.home != session.number:
                continue
            peer, exists = self._source(want, session)
            if peer is not None:
                self._ask(peer, want, now)
                asked += 1
            elif exists:
                passed.append(multihash)
                if not self._room(session):
                    break
            else:
                self._probe(want, session, now)
        session.queue.extendleft(reversed(passed))
        if not session.queue:
            self._book.hungry.pop(session.number, None)
        return asked == _TURN and bool(session.queue)

    def _source(self, want: Wanted, session: Session) -> tuple[Partner | None, bool]:
        """Return the least busy peer that may have a block and has room, and whether there is any without room."""
        best: Partner | None = None
        least = 1.0
        exists = False
        for names in (want.having, session.peers):
            for name in names:
                peer = self._book.peers[name]
                if peer.silent or name in want.lacking:
                    continue
                exists = True
                load = peer.load
                if load < least and self._affords(peer):
                    best, least = peer, load
            if best is not None:
                break
        return best, exists

    def _room(self, session: Session) -> bool:
        peers = map(self._book.peers.__getitem__, session.peers)
        return any(peer.load < 1.0 and self._affords(peer) for peer in peers if not peer.silent)

    def _ask(self, peer: Partner, want: Wanted, now: float) -> None:
        want.state, want.asked = State.ASKED, peer
        peer.ask(want, Kind.BLOCK, now)
        self._book.telling[peer.name] = None
        self._owe(peer, peer.expected_bytes)

    def _affords(self, peer: Partner) -> bool:
        """Say whether a peer may owe us one more block (rule 11)."""
        size = peer.expected_bytes
        if self._owed_bytes + size > limits.BITSWAP_IN_FLIGHT_BYTES_MAX:
            return False
        return peer.is_quick or self._owed_slowly_bytes + size <= limits.BITSWAP_IN_FLIGHT_BYTES_MAX // 2

    def _count_owed(self) -> None:
        self._owed_bytes = self._owed_slowly_bytes = 0.0
        for peer in self._book.peers.values():
            if peer.in_flight:
                self._owe(peer, len(peer.in_flight) * peer.expected_bytes)

    def _owe(self, peer: Partner, size: float) -> None:
        self._owed_bytes += size
        if not peer.is_quick:
            self._owed_slowly_bytes += size

    def _probe(self, want: Wanted, session: Session, now: float) -> None:
        """Ask around who has a block that none of the session's peers has."""
        want.state = State.SOURCELESS
        session.sourceless[want.multihash] = None
        if session.search_at == math.inf:
            session.search_at = now + session.search_delay_s
        strangers = [
            peer for peer in self._book.peers.values() if peer.name not in want.lacking and peer.name not in want.probed
        ]
        strangers.sort(key=lambda peer: peer.name not in session.hints)
        for peer in [peer for peer in strangers if peer.knows_have][: limits.BITSWAP_PROBED_PEERS_MAX]:
            peer.ask(want, Kind.HAVE, now)
            self._book.telling[peer.name] = None
        if want.probed:
            return
        for peer in strangers:
            # Such an old peer cannot say what it has. It is asked for the block, and time tells.
            if peer.load < 1.0 and self._affords(peer):
                del session.sourceless[want.multihash]
                self._ask(peer, want, now)
                return

    def _search(self, session: Session, now: float) -> None:
        """Look for providers of one of the blocks that nobody has, and ask everybody again for some of them."""
        if not session.sourceless:
            session.search_at = math.inf
            return
        first = next(iter(session.sourceless))
        self._searches.append(SeekProviders(session.number, self._book.wants[first].cid))
        session.search_at = now + session.search_delay_s
        session.search_delay_s = min(2 * session.search_delay_s, limits.BITSWAP_SEARCH_DELAY_S_MAX)
        for multihash in list(session.sourceless)[: limits.BITSWAP_PROBES_MAX]:
            want = self._book.wants[multihash]
            if not want.probed:
                want.lacking.clear()
                self._book.enqueue(want)
            elif multihash == first:
                # The next search is for another block.
                session.sourceless[first] = session.sourceless.pop(first)

    def _expire(self, peer: Partner, now: float) -> None:
        """Give up on what a peer does not answer (rule 9)."""
        oldest_allowed = now - peer.timeout_s
        quiet = peer.heard < oldest_allowed
        late = []
        for multihash, sent in peer.in_flight.items():
            if sent > oldest_allowed:
                break
            too_long = sent < now - limits.BITSWAP_TIMEOUT_S_MAX and self._book.elsewhere(
                self._book.wants[multihash], peer
            )
            if quiet or sent < peer.overtaken or too_long:
                late.append(multihash)
        for multihash in late:
            want = self._book.wants[multihash]
            peer.take_back(want)
            want.lacking.add(peer.name)
            want.having.discard(peer.name)
            self._book.give_back(want)
            self._book.telling[peer.name] = None
        if late and quiet:
            peer.silent = True
        for multihash in [each for each, sent in peer.probes.items() if sent <= oldest_allowed]:
            want = self._book.wants[multihash]
            del peer.probes[multihash]
            want.lacking.add(peer.name)
            self._book.unprobed(want, peer)
