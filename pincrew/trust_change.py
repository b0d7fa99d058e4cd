"""What an owner wants changed, as the next trust record: unsigned, and checked as far as a record can be by itself.

Every function takes the chain in force and returns record n+1. It says again what record n says, but for the change;
the cuts of former curators stay until they are curators again. Raises Conflict where nothing would change or the chain
is halted, Misuse where no sound record comes of it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from pincrew.errors import Conflict, Malformed, Misuse, NotFound
from pincrew.keys import peer_id
from pincrew.trust import Cut, TrustChain, TrustRecord


@dataclass(frozen=True)
class FormerCurator:
    """Who was a curator, the number of the record that ended it, and what of their writing still counts.

    ``cut`` None: all of it, as no record says anything else.
    """

    key: bytes
    record: int
    cut: Cut | None


def with_more(
    chain: TrustChain,
    *,
    curators: Collection[bytes] = (),
    owners: Collection[bytes] = (),
    threshold: int | None = None,
) -> TrustRecord:
    """Name more curators or owners, or say how many owners must sign. A former curator's cut ends with that."""
    head = chain.head
    cuts = tuple(cut for cut in head.cuts if cut.author not in curators)
    return _next(
        chain,
        curators=head.curators | frozenset(curators),
        owners=head.owners | frozenset(owners),
        threshold=head.threshold if threshold is None else threshold,
        cuts=cuts,
    )


def with_keeper(chain: TrustChain, keeper: bytes | None) -> TrustRecord:
    """Name the curator that makes bases, or nobody."""
    if keeper is not None and not chain.is_curator(keeper):
        raise Misuse(
            f"{peer_id(keeper)} is no curator, so it cannot be the keeper",
            next_step=f"Name it first: `pincrew trust add {peer_id(keeper)}`",
        )
    return _next(chain, keeper=keeper)


def without(chain: TrustChain, cut: Cut) -> TrustRecord:
    """Revoke the curator whose ``cut`` this is: the cut says what of their writing still counts."""
    author = cut.author
    if not chain.is_curator(author):
        raise NotFound(f"{peer_id(author)} is no curator", next_step="See `pincrew trust ls`")
    cuts = sorted([*(each for each in chain.head.cuts if each.author != author), cut], key=lambda each: each.author)
    keeper = None if chain.keeper == author else chain.keeper
    return _next(chain, curators=chain.curators - {author}, keeper=keeper, cuts=tuple(cuts))


def undone(chain: TrustChain) -> TrustRecord:
    """Take back the last change: say what the record before said. Records never go back, so this is one more."""
    if chain.head.n == 0:
        raise Conflict("There is no change to take back: trust record 0 is in force")
    before = chain.records[-2]
    return _next(
        chain,
        owners=before.owners,
        threshold=before.threshold,
        curators=before.curators,
        keeper=before.keeper,
        cuts=before.cuts,
    )


def former_curators(chain: TrustChain) -> tuple[FormerCurator, ...]:
    """Return who was a curator and is not any more, in the order in which they were revoked."""
    gone: dict[bytes, int] = {}
    for before, after in pairwise(chain.records):
        for key in after.curators:
            gone.pop(key, None)
        gone.update(dict.fromkeys(sorted(before.curators - after.curators), after.n))
    cuts = {cut.author: cut for cut in chain.head.cuts}
    return tuple(FormerCurator(key, record, cuts.get(key)) for key, record in gone.items())


def _next(chain: TrustChain, **changes: Any) -> TrustRecord:
    head = chain.head
    again = replace(head, n=head.n + 1, previous=head.hash, genesis=None, signatures=())
    record = replace(again, **changes)
    try:
        chain.signatures_missing(record)
    except Malformed as error:
        raise Misuse(f"No trust record can say that: {error.what}", means="Nothing was changed") from error
    if record == again:
        raise Conflict("The trust record in force says so already", means="Nothing was changed")
    return record
