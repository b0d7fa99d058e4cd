"""Where a revoked curator's writing ends. No I/O."""

from __future__ import annotations

from collections.abc import Mapping

from pincrew.trust import Cut, LastGood
from pincrew.values import Head, SessionId


def cut_of(author: bytes, heads: Mapping[SessionId, Head]) -> Cut:
    """Return the cut that lets count what ``author`` wrote up to ``heads``, and nothing else.

    ``heads`` may name sessions of others, which are left out. A session that has no envelope counts for nothing, as
    does one that is not there.
    """
    ends = [
        LastGood(session.nonce, head.number, head.hash)
        for session, head in sorted(heads.items())
        if session.author == author and head.number > 0
    ]
    return Cut(author, tuple(ends))
