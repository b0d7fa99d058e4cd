"""The books of what this node wants: every want, every session and every peer, and the moves between them. Pure.

`wants` notes in it what happens, `asking` decides by it whom to ask for what; the rules are told at `wants`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable

from pincrew import limits
from pincrew.node.bitswap.partner import Partner, State, Wanted


class Session:
    """Somebody who wants blocks of one DAG."""

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


class WantBook:
    """All that is known of wants; ``hungry`` are the sessions with something in the queue."""

    def __init__(self) -> None:
        self.wants: dict[bytes, Wanted] = {}
        self.peers: dict[str, Partner] = {}
        self.sessions: dict[int, Session] = {}
        self.hungry: dict[int, Session] = {}
        self.telling: dict[str, None] = {}  # peers for which something lies in the outbox

    def enqueue(self, want: Wanted, *, first: bool = False) -> None:
        """Put a want into the queue of its home session."""
        session = self.sessions[want.home]
        want.state = State.QUEUED
        session.sourceless.pop(want.multihash, None)
        if first:
            session.queue.appendleft(want.multihash)
        else:
            session.queue.append(want.multihash)
        self.hungry[want.home] = session

    def give_back(self, want: Wanted) -> None:
        """Take a block as no longer asked for."""
        want.asked = None
        self.enqueue(want, first=True)

    def unprobed(self, want: Wanted, peer: Partner | None = None) -> None:
        """Note that a question has no answer, or a bad one; if it was the last one, others are asked."""
        if peer is not None:
            want.probed.discard(peer.name)
            self.missed(want, peer)
        if want.state is State.SOURCELESS and not want.probed and self.others(want):
            self.enqueue(want, first=True)

    def late(self, peer: Partner, multihash: bytes) -> bool:
        """Take from an answer that is needed no more that its peer has to do with a session's DAG."""
        number = peer.forgotten.pop(multihash, None)
        if number in self.sessions:
            self.sessions[number].peers.setdefault(peer.name, 0)
        return number is not None

    def others(self, want: Wanted) -> bool:
        """Say whether somebody has not been asked yet."""
        return any(name not in want.lacking for name in self.peers)

    def elsewhere(self, want: Wanted, peer: Partner) -> bool:
        """Say whether somebody else who has to do with its session may have a block."""
        return any(
            name != peer.name and name not in want.lacking and not self.peers[name].silent
            for name in self.sessions[want.home].peers
        )

    def missed(self, want: Wanted, peer: Partner) -> None:
        """Drop a peer from sessions for which it never has anything."""
        for number in want.sessions:
            session = self.sessions[number]
            if peer.name in session.peers:
                session.peers[peer.name] += 1
                if session.peers[peer.name] > limits.BITSWAP_MISSES_MAX:
                    del session.peers[peer.name]

    def settle(self, want: Wanted) -> None:
        """Take a want out of wherever it is, and cancel it where it stands."""
        for name in list(want.standing):
            self.peers[name].take_back(want)
            self.telling[name] = None
        self.sessions[want.home].sourceless.pop(want.multihash, None)
        want.asked = None
        want.state = State.ARRIVED

    def leave(self, want: Wanted, session: Session) -> None:
        """Let a session want a block no more."""
        want.sessions.pop(session.number, None)
        session.wants.discard(want.multihash)
        session.sourceless.pop(want.multihash, None)
        if not want.sessions:
            self.settle(want)
            del self.wants[want.multihash]
        elif want.home == session.number:
            want.home = next(iter(want.sessions))
            if want.state in (State.QUEUED, State.SOURCELESS):
                self.enqueue(want)
