"""How the next base is made: how far it goes, and what is to be signed of it.

Work is done in steps (``pincrew.steps``), while windows go on: what a cut holds does not change.
"""

from __future__ import annotations

from collections.abc import Generator
from functools import partial

from pincrew.base_form import HASH_BYTES, Cut, blob_hash, encode_cut, encode_header
from pincrew.base_in_force import BaseInForce
from pincrew.base_reach import Reach
from pincrew.limits import SHARDS_PER_STEP
from pincrew.steps import Step
from pincrew.store.bases import BaseStore, CutView
from pincrew.store.staging import Staged
from pincrew.trust import TrustChain
from pincrew.values import Head, SessionId
from pincrew.windows import Windows


class BaseMaking:
    """What a keeper, or an owner, makes bases with. It signs nothing."""

    def __init__(self, windows: Windows, store: BaseStore, staged: Staged, in_force: BaseInForce, reach: Reach) -> None:
        self._windows = windows
        self._store = store
        self._staged = staged
        self._in_force = in_force
        self._reach = reach
        self._highest = 0  # number of any base that was signed by who might

    def seen(self, n: int) -> None:
        """There is a base of this number somewhere."""
        self._highest = max(self._highest, n)

    def figures(self) -> dict[str, int]:
        """Return what decides whether another base is due (``pincrew.base_due``)."""
        base = self._in_force.base
        return {"base_bytes": 0 if base is None else base.size, **self._store.figures()}

    def allowed_cut(self, chain: TrustChain) -> Generator[Step, None, dict[SessionId, Head]]:
        """Return how far everything that took effect here counts: the cut of the next base."""
        return self._reach.allowed_cut(chain)

    def header(self, trust: int, cut: Cut, *, is_owners: bool = False) -> Generator[Step, None, bytes]:
        """Return what is to be signed of the next base with this cut, which must be held; its manifest is staged.

        An owner's has a number above every base that was seen, lies included: whoever took one goes on to it.
        """
        base = self._in_force.base
        n = max(self._in_force.n, self._highest if is_owners else 0) + 1
        view: list[CutView] = []
        yield lambda: view.append(self._store.view(cut))
        hashes: list[bytes] = []
        pins = size = 0

        def compute(some: range) -> None:
            nonlocal pins, size
            for shard in some:
                blob, rows = self._store.rows_at(shard, view[0])
                hashes.append(blob_hash(blob))
                pins, size = pins + rows, size + len(blob)

        shards = 1 << self._windows.shard_bits
        for first in range(0, shards, SHARDS_PER_STEP):
            yield partial(compute, range(first, min(first + SHARDS_PER_STEP, shards)))
        manifest = encode_cut(cut), b"".join(hashes)
        for blob in manifest:
            self._staged[blob_hash(blob)] = blob
        return encode_header(
            cluster=self._windows.cluster,
            n=n,
            previous=b"" if n == 1 else bytes(HASH_BYTES) if base is None else base.hash,
            trust=trust,
            cut_hash=blob_hash(manifest[0]),
            shards_hash=blob_hash(manifest[1]),
            pins=pins,
            size=size,
        )
