"""Speaks of this peer to the others, and uses what they say of themselves: whom to seek, which nodes to connect.

It announces every 30 s (in a crowd up to 60), and at once when addresses or node change. What others claim directs
connections only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import trio

from pincrew import __version__, limits
from pincrew.announcement import Announcement, Counters, Heard, KeptPart
from pincrew.bell import Bell
from pincrew.keys import SigningKey, peer_id
from pincrew.member import Member


@dataclass(frozen=True, slots=True)
class Own:
    """What this peer has to say of itself just now."""

    addresses: tuple[str, ...]
    node_id: str | None
    node_addresses: tuple[str, ...]
    counters: Counters
    part: KeptPart | None
    free_bytes: int | None
    tags: tuple[tuple[str, str], ...] = ()
    queue: int | None = None
    repins: bool = False


class Announcer:
    """Announces one peer in one cluster. ``run`` until cancelled."""

    def __init__(
        self,
        member: Member,
        key: SigningKey,
        *,
        name: str,
        listed: bool,
        now_ms: Callable[[], int],
        own: Callable[[], Own],
        announce: Callable[[bytes], None],
        seek: Callable[[str, Sequence[str], bool], None],
        connect_nodes: Callable[[Sequence[str]], None],
    ) -> None:
        """``announce`` sends a signed announcement; ``seek`` asks for a connection to (peer, addresses, priority)."""
        self._member = member
        self._key = key
        self._name = name
        self._listed = listed
        self._now_ms = now_ms
        self._own = own
        self._announce = announce
        self._seek = seek
        self._connect_nodes = connect_nodes
        self._bell = Bell()
        self._nodes: tuple[str, ...] = ()

    def changed(self) -> None:
        """Addresses, node or neighbours changed."""
        self._bell.ring()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Announce now and then, and look at what was heard at least as often."""
        task_status.started()
        last: Own | None = None
        said_at = -limits.ANNOUNCEMENT_INTERVAL_S
        while True:
            own, now = self._own(), trio.current_time()
            moved = last is None or _matters_now(own) != _matters_now(last)
            heard = self._member.heard.current(now)
            if moved or now - said_at >= _interval(len(heard)):
                sealed = self._seal(own)
                self._member.heard.accept(sealed, now)
                self._announce(sealed)
                last, said_at = own, now
            self._use(heard)
            if await self._bell.wait(limits.ANNOUNCEMENT_LOOK_INTERVAL_S):
                # Announcements come in flocks.
                crowd_s = len(heard) * limits.ANNOUNCEMENT_GATHER_PER_PEER_S
                await trio.sleep(min(limits.ANNOUNCEMENT_GATHER_S + crowd_s, limits.ANNOUNCEMENT_LOOK_INTERVAL_S))

    def _seal(self, own: Own) -> bytes:
        most = limits.ANNOUNCEMENT_ADDRESSES_MAX
        return Announcement(
            cluster=self._member.chain.cluster_id,
            key=self._key.public,
            name=self._name,
            version=__version__,
            listed=self._listed,
            addresses=own.addresses[:most],
            node_id=own.node_id,
            node_addresses=own.node_addresses[:most],
            digest=self._member.standing().digest,
            counters=own.counters,
            part=own.part,
            free_bytes=own.free_bytes,
            time_ms=self._time_ms(),
            tags=own.tags,
            queue=own.queue,
            repins=own.repins,
        ).sealed(self._key)

    def _time_ms(self) -> int:
        """Return the time to sign: beyond that of the last one, also where the clock was set back meanwhile.

        Others would take nothing from us until the clock is there again, and us for gone.
        """
        last = self._member.heard.of(self._key.public)
        return max(self._now_ms(), 0 if last is None else last.announcement.time_ms + 1)

    def _use(self, heard: list[Heard]) -> None:
        """Seek announced peers and have their nodes connected, curators first.

        Where there are more than a few, each peer has an order of its own: were it the same for all, the first ones
        would have to turn most of a crowd away.
        """
        others = [one.announcement for one in heard if one.announcement.key != self._key.public]
        others.sort(key=lambda one: (not self._member.chain.is_curator(one.key), self._turn_of(one.key)))
        for one in others[: limits.ANNOUNCED_NODES_CONNECTED_MAX]:
            if one.addresses:
                self._seek(peer_id(one.key), one.addresses, self._member.chain.is_curator(one.key))
        nodes = tuple(
            address for one in others[: limits.ANNOUNCED_NODES_CONNECTED_MAX] for address in one.node_addresses
        )
        if nodes != self._nodes:
            self._nodes = nodes
            self._connect_nodes(nodes)

    def _turn_of(self, key: bytes) -> bytes:
        return hashlib.sha256(self._key.public + key).digest()


def _interval(peers: int) -> float:
    """Return how often each of so many peers speaks."""
    crowd = peers * limits.ANNOUNCEMENT_INTERVAL_PER_PEER_S
    return min(max(limits.ANNOUNCEMENT_INTERVAL_S, crowd), limits.ANNOUNCEMENT_INTERVAL_S_MAX)


def _matters_now(own: Own) -> tuple[object, ...]:
    """What others should not have to wait for: the ways to reach us, and whether the node tells its room at all."""
    return own.addresses, own.node_addresses, own.free_bytes is None
