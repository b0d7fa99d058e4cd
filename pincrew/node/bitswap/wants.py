"""What this node wants, and of whom it asks it: the client's half of Bitswap. Pure: events in, orders out.

A *session* is somebody who walks a DAG: whoever had one of its blocks probably has the others. Its first want therefore
goes to every connected peer as a question (WANT-HAVE); who has the block becomes one of the session's peers, and those
are asked for the later blocks directly (WANT-BLOCK), each block of one peer, spread over all of them. Wants belong to
the node: two sessions that want one block share one ask. Blocks are known by their multihash.

The life of a want::

    LOOKING --absent--> QUEUED --ask--> ASKED --block--> ARRIVED --stored--> gone, handed to its sessions
                         ^  |             |
                         |  no source     DONT_HAVE, time-out, peer gone: QUEUED again
                         |  v
                       SOURCELESS (peers may have been asked whether they have it)

Rules; the tests quote the numbers.

1. A block is asked of one peer at a time. Whether it is there may be asked of many.
2. A want is in the queue of its home session, or in flight at one peer, or sourceless, or arrived: never in two.
3. No peer has more wants in flight than its window, which is what it sends in ``BITSWAP_WINDOW_SPAN_S``.
4. Nothing is asked for a session whose receiver is ``BITSWAP_UNTAKEN_BYTES_MAX`` behind.
5. Who said DONT_HAVE, or did not answer, is not asked for that block again before the session's next search.
6. When a want ends, every peer at which it stands unanswered is sent a cancel.
7. A block that is wanted by nobody is dropped. If it was never asked of its sender, it counts against the sender.
8. What was asked of a peer that goes is queued again at once, in front of the rest.
9. A time-out is silence: a peer that answers slowly but steadily keeps its wants, except those that it passed over
   and, where another may have them, those of ``BITSWAP_TIMEOUT_S_MAX`` ago. Only answers to what was asked count.
10. A session with a block that nobody has asks for providers, again and again, ever less often.
11. What all peers together owe us is at most ``BITSWAP_IN_FLIGHT_BYTES_MAX``, half of it what those owe who are slow or
    not measured: however many there are, the quick ones go on being asked.

No link says how large its block is. It counts as what its peer usually sends: as the largest there is, only a few small
blocks could be asked for at once. That mean follows a larger block at once; and until a peer is measured, a block of
its counts as ``BITSWAP_UNMEASURED_BLOCK_BYTES`` at least, because leaves follow nodes that are small.

Events note in the `want_book` what is now known; ``evaluate`` looks at the whole and decides (`asking`). When a peer
comes twice, the later coming replaces the earlier one and everything is asked of it anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum

from pincrew import limits
from pincrew.node.bitswap.asking import Asking
from pincrew.node.bitswap.message import Want
from pincrew.node.bitswap.orders import Disconnect, Order, Tell
from pincrew.node.bitswap.partner import Kind, Partner, State, Wanted
from pincrew.node.bitswap.want_book import Session, WantBook
from pincrew.node.multihash import multihash_of


class Arrival(Enum):
    """What a block that came from a peer is to us."""

    WANTED = "wanted"
    LATE = "late"  # it was asked of that peer, and is here or wanted no more
    UNSOLICITED = "unsolicited"


class Wants:
    """All that this node wants. Sessions are numbers that the caller chooses."""

    def __init__(self) -> None:
        self._book = WantBook()
        self._asking = Asking(self._book)
        self._orders: list[Order] = []

    # ---- what may be asked ---------------------------------------------------------------------------------------
    def wantlist(self) -> list[bytes]:
        """Return the CIDs that are wanted and not here."""
        return [want.cid for want in self._book.wants.values() if want.state not in (State.ARRIVED, State.LOOKING)]

    def who_waits(self, multihash: bytes) -> list[int]:
        """Return the sessions that wait for a block."""
        want = self._book.wants.get(multihash)
        return [] if want is None else list(want.sessions)

    def is_wanted(self, cid: bytes) -> bool:
        """Say whether anybody waits for this block."""
        return multihash_of(cid) in self._book.wants

    @property
    def peers(self) -> list[str]:
        """The peers to which messages can be sent."""
        return list(self._book.peers)

    def in_flight(self, peer: str) -> int:
        """Return how many blocks a peer owes us."""
        return len(self._book.peers[peer].in_flight) if peer in self._book.peers else 0

    def deadline(self) -> float:
        """Return when ``evaluate`` wants to be called even if nothing happens."""
        return self._asking.deadline()

    def evaluate(self, now: float) -> list[Order]:
        """Decide what to do in view of all that is known."""
        orders = [*self._orders, *self._asking.evaluate(now), *map(Tell, self._book.telling)]
        self._orders = []
        self._book.telling.clear()
        return orders

    # ---- sessions ------------------------------------------------------------------------------------------------
    def opened(self, number: int, hints: Iterable[str] = ()) -> None:
        """Note a new session; ``hints`` are peers that probably have its blocks."""
        session = self._book.sessions[number] = Session(number, hints)
        session.peers = {name: 0 for name in session.hints if name in self._book.peers}

    def wanted(self, number: int, cids: Iterable[bytes]) -> list[bytes]:
        """Note wants; return the multihashes to look for in our own store: say ``absent`` or ``stored`` of each."""
        session = self._book.sessions[number]
        new = []
        for cid in cids:
            multihash = multihash_of(cid)
            want = self._book.wants.get(multihash)
            if want is None:
                want = self._book.wants[multihash] = Wanted(multihash, cid, number)
                new.append(multihash)
            named = want.sessions.setdefault(number, [])
            if cid not in named:
                named.append(cid)
            session.wants.add(multihash)
        return new

    def absent(self, multihashes: Iterable[bytes]) -> None:
        """Note that blocks are not in our store: they must come from others."""
        for multihash in multihashes:
            want = self._book.wants.get(multihash)
            if want is not None and want.state is State.LOOKING:
                self._book.enqueue(want)

    def unwanted(self, number: int, cids: Iterable[bytes]) -> None:
        """Note that a session wants blocks no more."""
        session = self._book.sessions[number]
        for cid in cids:
            want = self._book.wants.get(multihash_of(cid))
            named = want.sessions.get(number, []) if want else []
            if want is not None and cid in named:
                named.remove(cid)
                if not named:
                    self._book.leave(want, session)

    def closed(self, number: int) -> None:
        """Note the end of a session and of all that only it wanted."""
        session = self._book.sessions[number]
        for multihash in list(session.wants):
            self._book.leave(self._book.wants[multihash], session)
        del self._book.sessions[number]
        self._book.hungry.pop(number, None)

    def taken(self, number: int, size: int) -> None:
        """Note that a session's owner took ``size`` bytes of blocks."""
        session = self._book.sessions.get(number)
        if session is not None:
            session.untaken_bytes -= size

    def handed(self, number: int, size: int) -> None:
        """Note a block that a session got from our own store: it will be ``taken`` as well."""
        self._book.sessions[number].untaken_bytes += size

    def may_go_on(self, number: int) -> bool:
        """Say whether a session has something queued and room for what comes."""
        session = self._book.hungry.get(number)
        return session is not None and session.untaken_bytes <= limits.BITSWAP_UNTAKEN_BYTES_MAX

    # ---- peers ---------------------------------------------------------------------------------------------------
    def peer_came(self, name: str, now: float, *, knows_have: bool = True) -> None:
        """Note a peer to which messages can be sent."""
        if name in self._book.peers:
            self.peer_went(name)
        peer = self._book.peers[name] = Partner(name, knows_have, now)
        for session in self._book.sessions.values():
            if name in session.hints:
                session.peers[name] = 0
            if not knows_have:
                for multihash in list(session.sourceless):
                    self._book.enqueue(self._book.wants[multihash])
                continue
            asked = list(session.sourceless)[: limits.BITSWAP_PROBES_MAX]
            if not asked:
                # Not needed, but it may help: one block tells whether it has to do with this DAG.
                asked = [each for each in session.wants if self._book.wants[each].state in (State.QUEUED, State.ASKED)][
                    :1
                ]
            for multihash in asked:
                peer.ask(self._book.wants[multihash], Kind.HAVE, now)
            if asked:
                self._book.telling[name] = None

    def peer_went(self, name: str) -> None:
        """Note that a peer is gone, and with it whatever was asked of it."""
        peer = self._book.peers.pop(name, None)
        if peer is None:
            return
        self._book.telling.pop(name, None)
        for session in self._book.sessions.values():
            session.peers.pop(name, None)
        for want in self._book.wants.values():
            want.having.discard(name)
            want.lacking.discard(name)
            want.probed.discard(name)
            want.standing.discard(name)
        for multihash in reversed(peer.in_flight):
            self._book.give_back(self._book.wants[multihash])
        for multihash in peer.probes:
            self._book.unprobed(self._book.wants[multihash])

    def must_repeat(self, name: str, now: float) -> None:
        """Note that a peer may not have got what was sent to it: the stream broke. All is said again."""
        peer = self._book.peers.get(name)
        if peer is None:
            return
        peer.told.clear()
        peer.full_due = True
        peer.outbox = {
            multihash: (self._book.wants[multihash].cid, kind)
            for asked, kind in ((peer.probes, Kind.HAVE), (peer.in_flight, Kind.BLOCK))
            for multihash in asked
        }
        for multihash in peer.in_flight:
            peer.in_flight[multihash] = now
        if peer.outbox:
            self._book.telling[name] = None

    def take_outbox(self, name: str, now: float) -> tuple[list[Want], bool]:
        """Return what a peer shall be told now (at most a message full), and whether that is the full list."""
        peer = self._book.peers.get(name)
        if peer is None or not peer.outbox:
            return [], False
        told = []
        for multihash in list(peer.outbox)[: limits.BITSWAP_WANTS_PER_MESSAGE_MAX]:
            cid, kind = peer.outbox.pop(multihash)
            if kind is Kind.CANCEL:
                peer.told.discard(multihash)
                told.append(Want(cid, priority=0, cancel=True))
                continue
            peer.told.add(multihash)
            (peer.in_flight if kind is Kind.BLOCK else peer.probes)[multihash] = now
            peer.priority = peer.priority - 1 if peer.priority > 1 else 2**31 - 1
            told.append(Want(cid, peer.priority, kind is Kind.HAVE, peer.knows_have))
        full, peer.full_due = peer.full_due, False
        if peer.outbox:
            self._book.telling[name] = None
        return told, full

    # ---- answers -------------------------------------------------------------------------------------------------
    def has(self, name: str, cids: Sequence[bytes], now: float) -> None:
        """Note what a peer says it has."""
        peer = self._book.peers.get(name)
        if peer is None:
            return
        for cid in cids:
            multihash = multihash_of(cid)
            want = self._book.wants.get(multihash)
            if want is None or name not in want.standing:
                self._book.late(peer, multihash)
                continue
            if multihash in peer.in_flight:
                continue  # it was asked for the block, which is on its way then
            # It may have said DONT_HAVE before: what stands on its list is answered again when the block comes.
            peer.answered(multihash, now)
            peer.told.discard(multihash)
            want.probed.discard(name)
            want.standing.discard(name)
            want.lacking.discard(name)
            want.having.add(name)
            for number in want.sessions:
                self._book.sessions[number].peers[name] = 0
            if want.state is State.SOURCELESS:
                self._book.enqueue(want, first=True)

    def lacks(self, name: str, cids: Sequence[bytes], now: float) -> None:
        """Note what a peer says it does not have."""
        peer = self._book.peers.get(name)
        if peer is None:
            return
        for cid in cids:
            multihash = multihash_of(cid)
            probed = multihash in peer.probes
            if not peer.answered(multihash, now):
                peer.forgotten.pop(multihash, None)
                continue
            want = self._book.wants[multihash]
            want.lacking.add(name)
            want.having.discard(name)
            if len(peer.told) > limits.BITSWAP_STANDING_MAX:
                peer.take_back(want)
                self._book.telling[name] = None
            if probed:
                self._book.unprobed(want, peer)
                continue
            self._book.give_back(want)
            self._book.missed(want, peer)

    def arrived(self, name: str, multihash: bytes, size: int, now: float) -> Arrival:
        """Note a block that fits its multihash; a WANTED one must be put into the store: see ``stored``."""
        peer = self._book.peers.get(name)
        asked = False
        if peer is not None:
            asked = peer.answered(multihash, now)
            if self._book.late(peer, multihash):
                asked = True
                peer.heard, peer.silent = now, False
            peer.told.discard(multihash)
            peer.outbox.pop(multihash, None)
            if asked:
                peer.count(size, now)
        want = self._book.wants.get(multihash)
        if want is None or want.state is State.ARRIVED:
            if asked or want is not None or peer is None:
                return Arrival.LATE
            if peer.sent_unasked(size, now):
                self._orders.append(Disconnect(name, "it sends blocks that nobody asked for"))
            return Arrival.UNSOLICITED
        for number in want.sessions:
            session = self._book.sessions[number]
            if peer is not None:
                session.peers[name] = 0
            session.search_delay_s = limits.BITSWAP_SEARCH_DELAY_S_MIN
        want.standing.discard(name)
        self._book.settle(want)
        return Arrival.WANTED

    def have_now(self, multihash: bytes) -> bool:
        """Note a block that came into our store by another way; say whether it was wanted (then ``stored`` is due)."""
        want = self._book.wants.get(multihash)
        if want is None or want.state is State.ARRIVED:
            return False
        self._book.settle(want)
        return True

    def stored(self, multihash: bytes, size: int) -> list[tuple[int, bytes]]:
        """Note that a block is in our store; return (session, CID) of all who wait for it, and who will say ``taken``.

        Of a block that could not be stored ``size`` is 0.
        """
        want = self._book.wants.pop(multihash, None)
        if want is None:
            return []
        if want.state is not State.ARRIVED:
            self._book.settle(want)
        waiting = []
        for number, cids in want.sessions.items():
            self._book.sessions[number].wants.discard(multihash)
            self._book.sessions[number].untaken_bytes += size * len(cids)
            waiting += [(number, cid) for cid in cids]
        return waiting
