"""The searches for providers that are under way: one for each block, of the session that asked for it first."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence

import trio

from pincrew.errors import PincrewError
from pincrew.node.bitswap.session import Session

log = logging.getLogger(__name__)


class _Search:
    def __init__(self, session: Session) -> None:
        self.session = session
        self.scope = trio.CancelScope()
        self.is_given_up = False


class Searches:
    """Searches; ``seek(cid, wants_all)`` finds and connects providers of a block."""

    def __init__(self, seek: Callable[[bytes, bool], Awaitable[None]]) -> None:
        self._seek = seek
        self._searches: dict[bytes, _Search] = {}

    def begin(self, cid: bytes, session: Session, nursery: trio.Nursery) -> None:
        """Look for providers of a block for a session, unless somebody does."""
        if cid not in self._searches:
            search = self._searches[cid] = _Search(session)
            nursery.start_soon(self._run, cid, search)

    def end(
        self, session: Session, is_wanted: Callable[[bytes], bool], unwanted: Sequence[bytes] | None = None
    ) -> None:
        """Give up the searches of a session that is closed, or those for what it no longer wants.

        While others wait for just that block, the search goes on. A block that came ends none: a gateway's stream still
        brings what is below it, and peers that have it are found.
        """
        for cid, search in list(self._searches.items()):
            if search.session is session and (unwanted is None or cid in unwanted):
                search.is_given_up = True
            if search.is_given_up and (search.session.wants_all or not is_wanted(cid)):
                # Whoever still wants it asks for a search of his own.
                search.scope.cancel()
                del self._searches[cid]

    async def _run(self, cid: bytes, search: _Search) -> None:
        try:
            with search.scope:
                await self._seek(cid, search.session.wants_all)
        except PincrewError as error:
            log.info("no provider was found: %s", error.sentence)
        finally:
            if self._searches.get(cid) is search:
                del self._searches[cid]
