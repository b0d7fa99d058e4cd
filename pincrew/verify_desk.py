"""Re-reading of what a running cluster has pinned, as its API offers it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing

from pincrew import limits
from pincrew.api.lines import time_text
from pincrew.api.shapes import Verified
from pincrew.cid import cid_text, parse_cid
from pincrew.errors import Misuse
from pincrew.peer import Peer
from pincrew.verifying import Verdict


class VerifyDesk:
    """Implements ``api.contract.VerifyDoor``."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    async def verify(self, cids: Sequence[str], which: str | None) -> AsyncIterator[list[Verified]]:
        """Yield a line for each pin when it was re-read; who stops listening stops it. Raises Misuse, NotFound."""
        verifying = self._peer.verifying
        if bool(cids) is (which is not None) or which not in (None, "sample", "all"):
            raise Misuse("What to verify was not said", next_step="Name CIDs, or say sample or all")
        if len(cids) > limits.VERIFY_CIDS_MAX:
            raise Misuse(f"More than {limits.VERIFY_CIDS_MAX:,} CIDs were named", next_step="Say all, or fewer")
        wanted = [parse_cid(text) for text in dict.fromkeys(cids)]
        verdicts = verifying.these(wanted) if cids else verifying.sample() if which == "sample" else verifying.all()
        async with aclosing(verdicts):
            async for verdict in verdicts:
                yield [self._line(verdict)]

    def _line(self, verdict: Verdict) -> Verified:
        return Verified(
            cluster=self._peer.options.name,
            cid=cid_text(verdict.cid),
            name=verdict.name,
            result=verdict.result,
            blocks=verdict.blocks,
            bytes=verdict.bytes,
            damaged=verdict.damaged,
            missing=verdict.missing,
            text=verdict.text,
            checked=time_text(verdict.checked_ms),
        )
