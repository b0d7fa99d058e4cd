"""Peers that are wanted, and the patience to reach them.

Each wanted peer has a loop of its own: wait until it is needed, try to make it a neighbour, wait for longer and longer.
A neighbour that is lost is needed again at once, and tried quickly for as long as a restart takes (``backoff.py``).
Curators (``priority``) are always needed; others only while there are fewer neighbours than sought, a few at a time,
and fewer still where handshakes come to nothing (``Congestion``). A peer that answers but is not of this cluster is
tried at the slowest pace: only a person can change that.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Protocol

import trio

from pincrew import limits
from pincrew.errors import HandshakeFailed, Malformed, Misuse, PincrewError, WorldFault
from pincrew.network import addresses
from pincrew.network.backoff import Backoff, Congestion
from pincrew.network.connections import first_of
from pincrew.network.contract import PeerUnreachable
from pincrew.network.neighbours import Neighbours

log = logging.getLogger(__name__)


class Reach(Protocol):
    """What the loops do to the world: the network."""

    def connected_to(self, peer: str) -> bool:
        """Tell whether a connection with ``peer`` is up, dialled by whomever."""

    async def dial(self, address: str, peer: str) -> None:
        """Connect at one IP address. Raises PeerUnreachable or HandshakeFailed."""

    async def join(self, peer: str) -> bool:
        """Open the sync stream on a connection that is up.

        True once the peer is a neighbour, False if it has no room or opened one itself. Raises HandshakeFailed, and
        PeerUnreachable or StreamClosed when the connection is gone.
        """

    def is_out(self, peer: str) -> bool:
        """Tell whether ``peer`` is cut off for flooding."""

    def tell_failure(self, address: str, peer: str, error: HandshakeFailed) -> None:
        """Tell a person, once per reason."""


@dataclass(eq=False, slots=True)
class Wish:
    """A wanted peer. ``trouble`` says why it is not a neighbour yet."""

    peer: str
    addresses: tuple[str, ...]
    priority: bool
    backoff: Backoff
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    woken: trio.Event = field(default_factory=trio.Event)
    trouble: str = ""

    def wake(self) -> None:
        """Make the loop look again now."""
        self.woken.set()
        self.woken = trio.Event()


class Dialling:
    """The table of wishes and their loops."""

    def __init__(
        self,
        reach: Reach,
        neighbours: Neighbours,
        neighbours_max: int,
        random: Random,
        resolve: Callable[[str, str], Awaitable[list[str]]] = addresses.resolve,
    ) -> None:
        self._reach = reach
        self._neighbours = neighbours
        self._neighbours_max = neighbours_max
        self._random = random
        self._resolve = resolve
        self._wishes: dict[str, Wish] = {}
        self._trying: set[str] = set()
        self._congestion = Congestion(random)
        self._queue = trio.Lock()
        self._nursery: trio.Nursery | None = None

    def __len__(self) -> int:
        return len(self._wishes)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Dial until cancelled; wishes may be made before."""
        async with trio.open_nursery() as self._nursery:
            for wish in self._wishes.values():
                self._nursery.start_soon(self._pursue, wish)
            task_status.started()
            await trio.sleep_forever()

    def seek(self, peer: str, addresses: Sequence[str], *, priority: bool) -> None:
        """Want ``peer``; a second call replaces what was known, and tries again soon if that is new.

        Of those without priority no more than SOUGHT_PEERS_MAX are wanted.
        """
        wish = self._wishes.get(peer)
        if wish is not None and priority and not wish.priority:
            self.forget(peer)  # a wish with priority does not wait where this one may be waiting
            wish = None
        if wish is None:
            if not priority and not self._make_place():
                return
            wish = Wish(peer, tuple(addresses), priority, Backoff(self._random))
            self._wishes[peer] = wish
            if self._nursery is not None:
                self._nursery.start_soon(self._pursue, wish)
        elif (wish.addresses, wish.priority) != (tuple(addresses), priority):
            wish.addresses, wish.priority = tuple(addresses), priority
            wish.backoff.renewed()
            wish.wake()

    def _make_place(self) -> bool:
        """See to it that one more peer may be wanted: for it goes the one longest wanted that cannot be reached.

        Announcements name whom they like, and each wish has a task.
        """
        optional = [wish for wish in self._wishes.values() if not wish.priority]
        if len(optional) < limits.SOUGHT_PEERS_MAX:
            return True
        in_vain = next((wish for wish in optional if wish.trouble and wish.peer not in self._neighbours), None)
        if in_vain is None:
            return False
        self.forget(in_vain.peer)
        return True

    def forget(self, peer: str) -> None:
        """Want ``peer`` no more. A connection that is up stays until it ends."""
        wish = self._wishes.pop(peer, None)
        if wish is not None:
            wish.scope.cancel()

    def is_wanted(self, peer: str, *, priority: bool = False) -> bool:
        """Tell whether ``peer`` is sought (with priority)."""
        wish = self._wishes.get(peer)
        return wish is not None and (wish.priority or not priority)

    def trouble(self, peer: str) -> str:
        """Say in words why a wanted peer is not a neighbour; "" where there is nothing to say."""
        wish = self._wishes.get(peer)
        return "" if wish is None else wish.trouble

    async def _pursue(self, wish: Wish) -> None:
        with wish.scope:
            while True:
                await self._until_needed(wish)
                woken = wish.woken  # before the attempt: what becomes known during it counts for the next
                self._trying.add(wish.peer)
                try:
                    reached = await self._attempt(wish)
                # Addresses come from strangers. One that trips us up must not end the loops of all the others.
                except Exception:
                    log.exception("a peer could not be tried", extra={"peer": wish.peer})
                    wish.trouble, reached = "Trying it failed in a way that is a bug of ours; the log has it", False
                finally:
                    self._trying.discard(wish.peer)
                    self._neighbours.notice()
                if reached:
                    await self._until_lost(wish)
                    woken = wish.woken
                # Where the peer comes by itself meanwhile, its loss is what counts next.
                with trio.move_on_after(wish.backoff.failed()):
                    await first_of(woken.wait, partial(self._until_neighbour, wish))

    async def _until_needed(self, wish: Wish) -> None:
        """Wait while it is a neighbour already, or there are enough of them with those that are being tried."""
        while wish.peer in self._neighbours or (not wish.priority and not self._have_room()):
            if wish.peer in self._neighbours:
                await self._until_lost(wish)
                continue
            # The first in the queue watches for all: a change must not wake everybody that is wanted.
            async with self._queue:
                while wish.peer not in self._neighbours and not self._have_room() and not wish.priority:
                    wait_s = self._congestion.wait_s(trio.current_time()) or float("inf")
                    with trio.move_on_after(wait_s):
                        await self._neighbours.change()

    def _have_room(self) -> bool:
        tried = sum(peer not in self._neighbours for peer in self._trying)
        at_once = 1 if self._congestion.is_felt else limits.DIALS_AT_ONCE_MAX
        return (
            tried < at_once
            and len(self._neighbours) + tried < self._neighbours_max
            and not self._congestion.wait_s(trio.current_time())
        )

    async def _until_lost(self, wish: Wish) -> None:
        """Wait while it is a neighbour; one that was there for a good while is soon tried again, and quickly."""
        wish.trouble = ""
        since = trio.current_time()
        while wish.peer in self._neighbours:
            await self._neighbours.change_of(wish.peer)
        if trio.current_time() - since >= limits.REDIAL_STEADY_S:
            wish.backoff.lost()

    async def _attempt(self, wish: Wish) -> bool:
        """Try every way once; True if the peer became a neighbour."""
        if self._reach.is_out(wish.peer):
            wish.trouble = "It is cut off: it sent too much that was of no use"
            return False
        if self._reach.connected_to(wish.peer):
            # The peer dialled us: opening the stream is its part, unless it does not.
            with trio.move_on_after(limits.SYNC_INBOUND_GRACE_S):
                await self._until_neighbour(wish)
                return True
            if self._reach.connected_to(wish.peer):
                return await self._join(wish, "")
        wish.trouble = "None of its addresses is known"
        for address in wish.addresses:
            try:
                targets = await self._resolve(address, wish.peer)
            except (Misuse, WorldFault) as error:
                wish.trouble = error.sentence
                continue
            for target in targets:
                if wish.peer in self._neighbours:
                    return True
                try:
                    await self._reach.dial(target, wish.peer)
                except HandshakeFailed as error:
                    self._failed(wish, target, error)
                    self._note_congestion(wish)
                    continue
                except PeerUnreachable as error:
                    wish.trouble = error.sentence
                    continue
                if await self._join(wish, target):
                    return True
                break
        return False

    async def _join(self, wish: Wish, address: str) -> bool:
        try:
            joined = await self._reach.join(wish.peer)
        except HandshakeFailed as error:
            self._failed(wish, address, error)
            wish.backoff.hopeless()
            return False
        except (WorldFault, Malformed) as error:
            wish.trouble = error.sentence
            self._note_congestion(wish)
            return False
        if joined:
            if not wish.priority:
                self._congestion.passed()
            return True
        wish.trouble = "It has no room for another neighbour now"
        with trio.move_on_after(limits.SYNC_INBOUND_GRACE_S):
            await self._until_neighbour(wish)
            return True
        return False

    def _note_congestion(self, wish: Wish) -> None:
        """Go easy on peers that are not needed; what keeps a curator from answering is his matter alone."""
        if not wish.priority:
            self._congestion.failed(trio.current_time())

    async def _until_neighbour(self, wish: Wish) -> None:
        while wish.peer not in self._neighbours:
            await self._neighbours.change_of(wish.peer)

    def _failed(self, wish: Wish, address: str, error: PincrewError) -> None:
        assert isinstance(error, HandshakeFailed)
        wish.trouble = error.sentence
        self._reach.tell_failure(address, wish.peer, error)
