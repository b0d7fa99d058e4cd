"""What this node wants, and of whom it asks it: the client's half of Bitswap. Pure: events in, commands out.

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

Events note what is now known; ``evaluate`` looks at the whole and decides. When a peer comes twice, the later coming
replaces the earlier one and everything is asked of it anew.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from pincrew import limits
from pincrew.node.bitswap.message import Want
from pincrew.node.bitswap.partner import Kind, Partner, State, Wanted
from pincrew.node.multihash import multihash_of


@dataclass(frozen=True, slots=True)
class Tell:
    """There is something to send to a peer: take it with ``take_outbox``."""

    peer: str


@dataclass(frozen=True, slots=True)
class SeekProviders:
    """Nobody who is connected has this block: find and connect who does."""

    session: int
    cid: bytes


@dataclass(frozen=True, slots=True)
class Disconnect:
    """End the connection with a peer that breaks the rules."""

    peer: str
    reason: str


Command = Tell | SeekProviders | Disconnect


class Arrival(Enum):
    """What a block that came from a peer is to us."""

    WANTED = "wanted"
    LATE = "late"  # it was asked of that peer, and is here or wanted no more
    UNSOLICITED = "unsolicited"


class _Session:
    def __init__(self, number: int, hints: Iterable[str]) -> None:
        self.number = number
        self.hints = frozenset(hints)
        self.peers: dict[str, int] = {}  # DONT_HAVEs in a row
        self.queue: deque[bytes] = deque()
        self.wants: set[bytes] = set()
        self.sourceless: dict[bytes, None] = {}
        self.untaken_bytes = 0
        self.search_at = math.inf
        self.search_delay_s = limits.BITSWAP_SEARCH_DELAY_S_MIN


_TICK_S = 0.5
_TURN = 16
_SCANNED_MAX = 256


class Wants:
    """All that this node wants. Sessions are numbers that the caller chooses."""

    def __init__(self) -> None:
        self._wants: dict[bytes, Wanted] = {}
        self._peers: dict[str, Partner] = {}
        self._sessions: dict[int, _Session] = {}
        self._hungry: dict[int, _Session] = {}  # those with something in the queue
        self._telling: dict[str, None] = {}
        self._commands: list[Command] = []
        self._checked_at = -math.inf

    # ---- what may be asked ---------------------------------------------------------------------------------------
    def wantlist(self) -> list[bytes]:
        """Return the CIDs that are wanted and not here."""
        return [want.cid for want in self._wants.values() if want.state not in (State.ARRIVED, State.LOOKING)]

    def is_wanted(self, cid: bytes) -> bool:
        """Say whether anybody waits for this block."""
        return multihash_of(cid) in self._wants

    @property
    def peers(self) -> list[str]:
        """The peers to which messages can be sent."""
        return list(self._peers)

    def in_flight(self, peer: str) -> int:
        """Return how many blocks a peer owes us."""
        return len(self._peers[peer].in_flight) if peer in self._peers else 0

    def deadline(self) -> float:
        """Return when ``evaluate`` wants to be called even if nothing happens."""
        soonest = min((session.search_at for session in self._sessions.values()), default=math.inf)
        if any(peer.in_flight or peer.probes for peer in self._peers.values()):
            soonest = min(soonest, self._checked_at + _TICK_S)
        return soonest

    # ---- sessions ------------------------------------------------------------------------------------------------
    def opened(self, number: int, hints: Iterable[str] = ()) -> None:
        """Note a new session; ``hints`` are peers that probably have its blocks."""
        session = self._sessions[number] = _Session(number, hints)
        session.peers = {name: 0 for name in session.hints if name in self._peers}

    def wanted(self, number: int, cids: Iterable[bytes]) -> list[bytes]:
        """Note wants; return the multihashes to look for in our own store: say ``absent`` or ``stored`` of each."""
        session = self._sessions[number]
        new = []
        for cid in cids:
            multihash = multihash_of(cid)
            want = self._wants.get(multihash)
            if want is None:
                want = self._wants[multihash] = Wanted(multihash, cid, number)
                new.append(multihash)
            named = want.sessions.setdefault(number, [])
            if cid not in named:
                named.append(cid)
            session.wants.add(multihash)
        return new

    def absent(self, multihashes: Iterable[bytes]) -> None:
        """Note that blocks are not in our store: they must come from others."""
        for multihash in multihashes:
            want = self._wants.get(multihash)
            if want is not None and want.state is State.LOOKING:
                self._enqueue(want)

    def unwanted(self, number: int, cids: Iterable[bytes]) -> None:
        """Note that a session wants blocks no more."""
        session = self._sessions[number]
        for cid in cids:
            want = self._wants.get(multihash_of(cid))
            named = want.sessions.get(number, []) if want else []
            if want is not None and cid in named:
                named.remove(cid)
                if not named:
                    self._leave(want, session)

    def closed(self, number: int) -> None:
        """Note the end of a session and of all that only it wanted."""
        session = self._sessions[number]
        for multihash in list(session.wants):
            self._leave(self._wants[multihash], session)
        del self._sessions[number]
        self._hungry.pop(number, None)

    def taken(self, number: int, size: int) -> None:
        """Note that a session's owner took ``size`` bytes of blocks."""
        session = self._sessions.get(number)
        if session is not None:
            session.untaken_bytes -= size

    def handed(self, number: int, size: int) -> None:
        """Note a block that a session got from our own store: it will be ``taken`` as well."""
        self._sessions[number].untaken_bytes += size

    def may_go_on(self, number: int) -> bool:
        """Say whether a session has something queued and room for what comes."""
        session = self._hungry.get(number)
        return session is not None and session.untaken_bytes <= limits.BITSWAP_UNTAKEN_BYTES_MAX

    # ---- peers ---------------------------------------------------------------------------------------------------
    def peer_came(self, name: str, now: float, *, knows_have: bool = True) -> None:
        """Note a peer to which messages can be sent."""
        if name in self._peers:
            self.peer_went(name)
        peer = self._peers[name] = Partner(name, knows_have, now)
        for session in self._sessions.values():
            if name in session.hints:
                session.peers[name] = 0
            if not knows_have:
                for multihash in list(session.sourceless):
                    self._enqueue(self._wants[multihash])
                continue
            asked = list(session.sourceless)[: limits.BITSWAP_PROBES_MAX]
            if not asked:
                # Not needed, but it may help: one block tells whether it has to do with this DAG.
                asked = [each for each in session.wants if self._wants[each].state in (State.QUEUED, State.ASKED)][:1]
            for multihash in asked:
                peer.ask(self._wants[multihash], Kind.HAVE, now)
            if asked:
                self._telling[name] = None

    def peer_went(self, name: str) -> None:
        """Note that a peer is gone, and with it whatever was asked of it."""
        peer = self._peers.pop(name, None)
        if peer is None:
            return
        self._telling.pop(name, None)
        for session in self._sessions.values():
            session.peers.pop(name, None)
        for want in self._wants.values():
            want.having.discard(name)
            want.lacking.discard(name)
            want.probed.discard(name)
            want.standing.discard(name)
        for multihash in reversed(peer.in_flight):
            self._give_back(self._wants[multihash])
        for multihash in peer.probes:
            self._unprobed(self._wants[multihash])

    def must_repeat(self, name: str, now: float) -> None:
        """Note that a peer may not have got what was sent to it: the stream broke. All is said again."""
        peer = self._peers.get(name)
        if peer is None:
            return
        peer.told.clear()
        peer.full_due = True
        peer.outbox = {
            multihash: (self._wants[multihash].cid, kind)
            for asked, kind in ((peer.probes, Kind.HAVE), (peer.in_flight, Kind.BLOCK))
            for multihash in asked
        }
        for multihash in peer.in_flight:
            peer.in_flight[multihash] = now
        if peer.outbox:
            self._telling[name] = None

    def take_outbox(self, name: str, now: float) -> tuple[list[Want], bool]:
        """Return what a peer shall be told now (at most a message full), and whether that is the full list."""
        peer = self._peers.get(name)
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
            self._telling[name] = None
        return told, full

    # ---- answers -------------------------------------------------------------------------------------------------
    def has(self, name: str, cids: Sequence[bytes], now: float) -> None:
        """Note what a peer says it has."""
        peer = self._peers.get(name)
        if peer is None:
            return
        for cid in cids:
            multihash = multihash_of(cid)
            want = self._wants.get(multihash)
            if want is None or name not in want.standing:
                self._late(peer, multihash)
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
                self._sessions[number].peers[name] = 0
            if want.state is State.SOURCELESS:
                self._enqueue(want, first=True)

    def lacks(self, name: str, cids: Sequence[bytes], now: float) -> None:
        """Note what a peer says it does not have."""
        peer = self._peers.get(name)
        if peer is None:
            return
        for cid in cids:
            multihash = multihash_of(cid)
            probed = multihash in peer.probes
            if not peer.answered(multihash, now):
                peer.forgotten.pop(multihash, None)
                continue
            want = self._wants[multihash]
            want.lacking.add(name)
            want.having.discard(name)
            if len(peer.told) > limits.BITSWAP_STANDING_MAX:
                peer.take_back(want)
                self._telling[name] = None
            if probed:
                self._unprobed(want, peer)
                continue
            self._give_back(want)
            self._missed(want, peer)

    def arrived(self, name: str, multihash: bytes, size: int, now: float) -> Arrival:
        """Note a block that fits its multihash; a WANTED one must be put into the store: see ``stored``."""
        peer = self._peers.get(name)
        asked = False
        if peer is not None:
            asked = peer.answered(multihash, now)
            if self._late(peer, multihash):
                asked = True
                peer.heard, peer.silent = now, False
            peer.told.discard(multihash)
            peer.outbox.pop(multihash, None)
            if asked:
                peer.count(size, now)
        want = self._wants.get(multihash)
        if want is None or want.state is State.ARRIVED:
            if asked or want is not None or peer is None:
                return Arrival.LATE
            if peer.sent_unasked(size, now):
                self._commands.append(Disconnect(name, "it sends blocks that nobody asked for"))
            return Arrival.UNSOLICITED
        for number in want.sessions:
            session = self._sessions[number]
            if peer is not None:
                session.peers[name] = 0
            session.search_delay_s = limits.BITSWAP_SEARCH_DELAY_S_MIN
        want.standing.discard(name)
        self._settle(want)
        return Arrival.WANTED

    def have_now(self, multihash: bytes) -> bool:
        """Note a block that came into our store by another way; say whether it was wanted (then ``stored`` is due)."""
        want = self._wants.get(multihash)
        if want is None or want.state is State.ARRIVED:
            return False
        self._settle(want)
        return True

    def stored(self, multihash: bytes, size: int) -> list[tuple[int, bytes]]:
        """Note that a block is in our store; return (session, CID) of all who wait for it, and who will say ``taken``.

        Of a block that could not be stored ``size`` is 0.
        """
        want = self._wants.pop(multihash, None)
        if want is None:
            return []
        if want.state is not State.ARRIVED:
            self._settle(want)
        waiting = []
        for number, cids in want.sessions.items():
            self._sessions[number].wants.discard(multihash)
            self._sessions[number].untaken_bytes += size * len(cids)
            waiting += [(number, cid) for cid in cids]
        return waiting

    # ---- decisions -----------------------------------------------------------------------------------------------
    def evaluate(self, now: float) -> list[Command]:
        """Decide what to do in view of all that is known."""
        if now >= self._checked_at + _TICK_S:
            self._checked_at = now
            for peer in self._peers.values():
                self._expire(peer, now)
        for session in self._sessions.values():
            if now >= session.search_at:
                self._search(session, now)
        turn = list(self._hungry.values())
        while turn:
            turn = [session for session in turn if self._assign(session, now)]
        if len(self._hungry) > 1:
            # Whoever was first comes last the next time.
            first = next(iter(self._hungry))
            self._hungry[first] = self._hungry.pop(first)
        commands = [*self._commands, *map(Tell, self._telling)]
        self._commands = []
        self._telling.clear()
        return commands

    def _assign(self, session: _Session, now: float) -> bool:
        """Ask for some of what a session has queued; say whether it may go on."""
        passed: list[bytes] = []
        asked = 0
        while session.queue and asked < _TURN and len(passed) < _SCANNED_MAX:
            if session.untaken_bytes > limits.BITSWAP_UNTAKEN_BYTES_MAX:
                break
            multihash = session.queue.popleft()
            want = self._wants.get(multihash)
            if want is None or want.state is not State.QUEUED or want.home != session.number:
                continue
            peer, exists = self._source(want, session)
            if peer is not None:
                want.state, want.asked = State.ASKED, peer
                peer.ask(want, Kind.BLOCK, now)
                self._telling[peer.name] = None
                asked += 1
            elif exists:
                passed.append(multihash)
                if not self._room(session):
                    break
            else:
                self._probe(want, session, now)
        session.queue.extendleft(reversed(passed))
        if not session.queue:
            self._hungry.pop(session.number, None)
        return asked == _TURN and bool(session.queue)

    def _source(self, want: Wanted, session: _Session) -> tuple[Partner | None, bool]:
        """Return the least busy peer that may have a block and has room, and whether there is any without room."""
        best: Partner | None = None
        least = 1.0
        exists = False
        for names in (want.having, session.peers):
            for name in names:
                peer = self._peers[name]
                if peer.silent or name in want.lacking:
                    continue
                exists = True
                load = peer.load
                if load < least:
                    best, least = peer, load
            if best is not None:
                break
        return best, exists

    def _room(self, session: _Session) -> bool:
        return any(peer.load < 1.0 for peer in map(self._peers.__getitem__, session.peers) if not peer.silent)

    def _probe(self, want: Wanted, session: _Session, now: float) -> None:
        """Ask around who has a block that none of the session's peers has."""
        want.state = State.SOURCELESS
        session.sourceless[want.multihash] = None
        if session.search_at == math.inf:
            session.search_at = now + session.search_delay_s
        strangers = [
            peer for peer in self._peers.values() if peer.name not in want.lacking and peer.name not in want.probed
        ]
        strangers.sort(key=lambda peer: peer.name not in session.hints)
        for peer in [peer for peer in strangers if peer.knows_have][: limits.BITSWAP_PROBED_PEERS_MAX]:
            peer.ask(want, Kind.HAVE, now)
            self._telling[peer.name] = None
        if want.probed:
            return
        for peer in strangers:
            # Such an old peer cannot say what it has. It is asked for the block, and time tells.
            if peer.load < 1.0:
                del session.sourceless[want.multihash]
                want.state, want.asked = State.ASKED, peer
                peer.ask(want, Kind.BLOCK, now)
                self._telling[peer.name] = None
                return

    def _search(self, session: _Session, now: float) -> None:
        """Look for providers of one of the blocks that nobody has, and ask everybody again for some of them."""
        if not session.sourceless:
            session.search_at = math.inf
            return
        first = next(iter(session.sourceless))
        self._commands.append(SeekProviders(session.number, self._wants[first].cid))
        session.search_at = now + session.search_delay_s
        session.search_delay_s = min(2 * session.search_delay_s, limits.BITSWAP_SEARCH_DELAY_S_MAX)
        for multihash in list(session.sourceless)[: limits.BITSWAP_PROBES_MAX]:
            want = self._wants[multihash]
            if not want.probed:
                want.lacking.clear()
                self._enqueue(want)
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
            too_long = sent < now - limits.BITSWAP_TIMEOUT_S_MAX and self._elsewhere(self._wants[multihash], peer)
            if quiet or sent < peer.overtaken or too_long:
                late.append(multihash)
        for multihash in late:
            want = self._wants[multihash]
            peer.take_back(want)
            want.lacking.add(peer.name)
            want.having.discard(peer.name)
            self._give_back(want)
            self._telling[peer.name] = None
        if late and quiet:
            peer.silent = True
        for multihash in [each for each, sent in peer.probes.items() if sent <= oldest_allowed]:
            want = self._wants[multihash]
            del peer.probes[multihash]
            want.lacking.add(peer.name)
            self._unprobed(want, peer)

    # ---- moving wants --------------------------------------------------------------------------------------------
    def _enqueue(self, want: Wanted, *, first: bool = False) -> None:
        session = self._sessions[want.home]
        want.state = State.QUEUED
        session.sourceless.pop(want.multihash, None)
        if first:
            session.queue.appendleft(want.multihash)
        else:
            session.queue.append(want.multihash)
        self._hungry[want.home] = session

    def _give_back(self, want: Wanted) -> None:
        """Take a block as no longer asked for."""
        want.asked = None
        self._enqueue(want, first=True)

    def _unprobed(self, want: Wanted, peer: Partner | None = None) -> None:
        """Note that a question has no answer, or a bad one; if it was the last one, others are asked."""
        if peer is not None:
            want.probed.discard(peer.name)
            self._missed(want, peer)
        if want.state is State.SOURCELESS and not want.probed and self._others(want):
            self._enqueue(want, first=True)

    def _late(self, peer: Partner, multihash: bytes) -> bool:
        """Take from an answer that is needed no more that its peer has to do with a session's DAG."""
        number = peer.forgotten.pop(multihash, None)
        if number in self._sessions:
            self._sessions[number].peers.setdefault(peer.name, 0)
        return number is not None

    def _others(self, want: Wanted) -> bool:
        """Say whether somebody has not been asked yet."""
        return any(name not in want.lacking for name in self._peers)

    def _elsewhere(self, want: Wanted, peer: Partner) -> bool:
        """Say whether somebody else who has to do with its session may have a block."""
        return any(
            name != peer.name and name not in want.lacking and not self._peers[name].silent
            for name in self._sessions[want.home].peers
        )

    def _missed(self, want: Wanted, peer: Partner) -> None:
        """Drop a peer from sessions for which it never has anything."""
        for number in want.sessions:
            session = self._sessions[number]
            if peer.name in session.peers:
                session.peers[peer.name] += 1
                if session.peers[peer.name] > limits.BITSWAP_MISSES_MAX:
                    del session.peers[peer.name]

    def _settle(self, want: Wanted) -> None:
        """Take a want out of wherever it is, and cancel it where it stands."""
        for name in list(want.standing):
            self._peers[name].take_back(want)
            self._telling[name] = None
        self._sessions[want.home].sourceless.pop(want.multihash, None)
        want.asked = None
        want.state = State.ARRIVED

    def _leave(self, want: Wanted, session: _Session) -> None:
        """Let a session want a block no more."""
        want.sessions.pop(session.number, None)
        session.wants.discard(want.multihash)
        session.sourceless.pop(want.multihash, None)
        if not want.sessions:
            self._settle(want)
            del self._wants[want.multihash]
        elif want.home == session.number:
            want.home = next(iter(want.sessions))
            if want.state in (State.QUEUED, State.SOURCELESS):
                self._enqueue(want)
