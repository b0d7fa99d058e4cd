"""Lets one peer's bases follow each other: checks and adopts what neighbours have, and makes them where it is keeper.

Checking runs aside, while windows go on; a base comes into force, and log is forgotten, in turn with them
(``pincrew.bases`` says why). What a base makes void of this peer's own writing is handed to ``on_turned``'s owner.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection

import trio

from pincrew.applier import Applier, drive
from pincrew.base_due import is_due
from pincrew.base_form import decode_base, seal
from pincrew.base_sync import Stage
from pincrew.bases import Turned
from pincrew.bell import Bell
from pincrew.errors import NotAllowed, PincrewError, StoreFault
from pincrew.keys import SigningKey
from pincrew.limits import BASE_QUIET_S, STORE_RETRY_DELAY_S
from pincrew.member import Member

_log = logging.getLogger("pincrew.succession")


class Succession:
    """The bases of one peer in one cluster. ``run`` until cancelled."""

    def __init__(self, member: Member, applier: Applier, key: SigningKey, on_turned: Callable[[Turned], None]) -> None:
        self._member = member
        self._applier = applier
        self._key = key
        self._on_turned = on_turned
        self._bell = Bell()
        self._limiter = trio.CapacityLimiter(1)
        self._making = trio.Lock()
        self._last_applied = 0.0
        self._is_grown = True  # since it was last looked whether a base is due

    def wake(self) -> None:
        """Something was received or trusted."""
        self._bell.ring()

    def applied(self) -> None:
        """Something took effect."""
        self._last_applied = trio.current_time()
        self._is_grown = True
        self._bell.ring()

    @property
    def is_keeper(self) -> bool:
        """Whether the trust record in force lets this peer make bases."""
        return self._member.chain.keeper == self._key.public

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Go on to the next base whenever there is one."""
        task_status.started()
        while True:
            try:
                await self._go_on()
            except StoreFault as fault:
                _log.error("a base cannot be taken in: %s", fault.sentence)
                await trio.sleep(STORE_RETRY_DELAY_S)
                continue
            with trio.move_on_after(BASE_QUIET_S if self.is_keeper else math.inf):
                await self._bell.wait()

    async def make(self) -> None:
        """Make the next base now, and wait until it is in force here. Raises NotAllowed, StoreFault."""
        if not self.is_keeper:
            raise NotAllowed(
                "This peer is not the keeper of the cluster, so it makes no bases",
                next_step="Ask the keeper (`pincrew trust ls`), or sign one with an owner key: `--owner-key FILE`",
            )
        async with self._making:
            header = await drive(self._member.base_header(), self._limiter)
        await self.offer(seal(header, self._key))

    async def header(self) -> bytes:
        """Return what an owner is to sign of the next base: all that took effect here and that trust lets count."""
        async with self._making:
            return await drive(self._member.base_header(is_owners=True), self._limiter)

    async def offer(self, sealed: bytes) -> None:
        """Take in a base that was signed here, and put it in force. Raises PincrewError where it cannot be."""
        wanted, bases = decode_base(sealed), self._member.bases
        fault = self._member.base_offered(sealed)
        turned = None if fault else await self._go_on()
        if (base := bases.in_force.base) is None or base.hash != wanted.hash:
            why = fault or (turned.fault if turned is not None else None) or "another one came first"
            raise PincrewError(f"The base did not come into force: {why}", next_step="Try again")

    async def mend(self, shards: Collection[int]) -> int:
        """Fetch damaged shards of the base in force anew, from whoever has them; return how many are to be fetched."""
        async with self._making:
            wanted = self._member.bases.doubt(shards, self._member.chain)
        self._bell.ring()
        return wanted

    def _is_due(self) -> bool:
        base, chain = self._member.bases.in_force.base, self._member.chain
        if base is not None and base.signer not in {chain.keeper, *chain.owners}:
            return True  # newcomers take nobody's but the present keeper's
        if not self._is_grown:
            return False
        is_quiet = trio.current_time() >= self._last_applied + BASE_QUIET_S
        self._is_grown = not is_quiet
        return is_due(**self._member.bases.making.figures(), is_quiet=is_quiet)

    async def _go_on(self) -> Turned | None:
        """Do what can be done; return what came of the last candidate."""
        bases, last = self._member.bases, None
        async with self._making:
            while True:
                stage = bases.stage()
                if stage is Stage.CHECK:
                    turned = await drive(self._member.turn(), self._limiter)
                elif stage is Stage.READY:
                    turned = await self._applier.drive(self._member.turn())
                    await drive(bases.in_force.forget_log(), self._limiter)
                elif self.is_keeper and stage is None and self._is_due():
                    self._is_grown = False  # where it is refused, the next write is soon enough
                    header = await drive(self._member.base_header(), self._limiter)
                    self._member.base_offered(seal(header, self._key))
                    continue
                else:
                    return last
                if turned is not None:
                    last = turned
                    self._on_turned(turned)
