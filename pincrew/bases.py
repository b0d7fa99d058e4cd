"""A replica's way from one base to the next: choosing, checking, fetching and putting it in force.

A *candidate* is a base with a higher number than the one in force, signed by who may sign it. It comes into force in
one of two ways (invariant 12):

- *recomputed*: this replica holds everything up to its cut, computes every shard as of the cut, and finds the same;
- *taken*: what differs is fetched by hash. Only a replica with nothing of its own, or one that nobody can bring up to
  the cut any more, does that on a keeper's word; an owner's base is always taken.

Work is done in steps (``pincrew.steps``). What a cut holds does not change while windows go on, so shards may be
computed one by one meanwhile; only ``adopt`` must have the replica to itself. What is in force is served by
``base_in_force``; the next is made by ``base_making``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Generator, Iterable
from dataclasses import dataclass
from itertools import islice

from pincrew.base_candidate import EMPTY_HASH, Candidate, ReplacedRows, Signer, signer_of
from pincrew.base_form import Base, Cut, blob_hash, decode_base, decode_cut, decode_shards, encode_cut
from pincrew.base_in_force import BaseInForce
from pincrew.base_making import BaseMaking
from pincrew.base_reach import Reach, Voided
from pincrew.base_sync import Stage
from pincrew.errors import Malformed, PeerFault, StoreFault
from pincrew.limits import BASES_PER_TRUST_RECORD_MAX, SHARDS_PER_STEP
from pincrew.steps import Step
from pincrew.store.adoption import Adoption
from pincrew.store.bases import BaseStore, CutView
from pincrew.store.staging import Staged
from pincrew.trust import TrustChain
from pincrew.values import Dependency, Head
from pincrew.windows import Windows

_log = logging.getLogger("pincrew.bases")


@dataclass
class Turned:
    """What happened to a candidate: it came into force, or (``fault``) it never will."""

    base: Base | None = None
    fault: str | None = None
    taken: int = 0
    void: int = 0


class Bases:
    """Where one replica stands with its bases."""

    def __init__(self, windows: Windows, staged: Staged, *, now_ms: Callable[[], int], author: bytes = b"") -> None:
        """``staged`` keeps fetched blobs by hash, also over a restart. ``author`` is this peer's own, if it writes."""
        self._windows = windows
        self._staged = staged
        self._now_ms = now_ms
        self._author = author
        self.store = BaseStore(windows.database, windows.shard_bits)
        self.in_force = BaseInForce(windows, self.store)
        self._reach = Reach(windows, self.store)
        self.making = BaseMaking(windows, self.store, staged, self.in_force, self._reach)
        self.candidate: Candidate | None = None
        self._is_stranded = False
        self._refused: set[bytes] = set()
        self._refused_n = 0  # number of the last of them

    @property
    def n(self) -> int:
        """Number of the base in force."""
        return self.in_force.n

    # ---- candidates -------------------------------------------------------------------------------------------

    def offer(self, sealed: bytes, chain: TrustChain) -> str | None:
        """Look at a base that somebody has; return what is wrong with it, if anything."""
        try:
            base = decode_base(sealed)
        except PeerFault as fault:
            return fault.what
        if base.cluster != self._windows.cluster:
            return "its base is of another cluster"
        if base.trust > chain.head.n:
            return None
        signer = signer_of(base, chain)
        if signer is None:
            return "its base is signed by nobody who may"
        if base.n >= (base.trust + 1) * BASES_PER_TRUST_RECORD_MAX:
            return "its base has an absurd number"
        self.making.seen(base.n)
        if base.n <= self.n or base.hash in self._refused:
            return None
        if signer is Signer.FORMER and (self.is_new or self._is_stranded):
            return None  # it could only be taken
        if self.candidate is None or self._is_better(base, signer, self.candidate):
            is_needed = signer is Signer.KEEPER and (self.is_new or self._is_stranded)
            self.candidate = Candidate(base, signer, is_taken=signer is Signer.OWNER or is_needed)
            return self._read_manifest()
        return None

    def _is_better(self, base: Base, signer: Signer, known: Candidate) -> bool:
        """Return whether a base is worth more than the candidate: one that follows ours can be recomputed.

        An owner's is the way out of whatever a keeper signed: no keeper's stands in its way.
        """
        is_owners, is_known_owners = signer is Signer.OWNER, known.signer is Signer.OWNER
        if base.n == known.base.n:
            return is_owners and not is_known_owners
        if known.is_taken:
            is_needed = is_owners or not is_known_owners or self.is_new or self._is_stranded
            return base.n > known.base.n and is_needed
        follows = base.n == self.n + 1
        return is_owners or (follows if follows != (known.base.n == self.n + 1) else base.n > known.base.n)

    @property
    def wanted(self) -> int | None:
        """Number of the base to ask neighbours for, 0 for their newest, None if what is known will do."""
        if self.is_new or self.is_taking or self._is_stranded:
            return 0
        if self.candidate is None and self._refused_n == self.n + 1:
            return 0  # what was built on a lie has to be seen, too: an owner's number is above all of it
        if self.candidate is None or self.candidate.base.n != self.n + 1:
            return self.n + 1
        # Who signs a cut that nobody ever reaches must not keep an owner's base from being heard of.
        return 0 if self.stage() is Stage.CUT else None

    @property
    def candidate_n(self) -> int:
        """Number of the candidate, or of the base in force where there is none."""
        return self.n if self.candidate is None else self.candidate.base.n

    @property
    def is_refuted(self) -> bool:
        """Whether the candidate does not follow from what is here, and can only be taken."""
        return self.candidate is not None and self.candidate.is_refuted

    @property
    def is_new(self) -> bool:
        """Whether this replica has nothing of its own."""
        return self.in_force.held is None and not self._windows.heads

    @property
    def is_taking(self) -> bool:
        """Whether a base is taken as it is: until it is in force nothing else may move this replica."""
        return self.candidate is not None and self.candidate.is_taken

    def stage(self) -> Stage | None:
        """Return what the candidate waits for, None when there is none."""
        candidate = self.candidate
        if candidate is None:
            return None
        if candidate.cut is None or candidate.shards is None:
            return Stage.MANIFEST
        if candidate.wanted is None:
            is_held = not candidate.is_refuted and self._holds(candidate)
            return Stage.CHECK if candidate.is_taken or is_held else Stage.CUT
        return Stage.ROWS if self.missing(1) else Stage.READY

    def missing(self, most: int) -> list[bytes]:
        """Return up to ``most`` blobs that the candidate needs and that are not here."""
        candidate = self.candidate
        if candidate is None:
            return []
        if candidate.cut is None or candidate.shards is None:
            needed: Iterable[bytes] = (candidate.base.cut_hash, candidate.base.shards_hash)
            return [name for name in needed if name not in self._staged][:most]
        return list(islice(candidate.lacks, most))

    def fetched(self) -> int:
        """Return about how many of the candidate's pins were fetched: shards are of much the same size."""
        candidate = self.candidate
        if candidate is None or candidate.wanted is None or candidate.shards is None:
            return 0
        here = len(candidate.shards) - len(candidate.lacks)
        return candidate.base.pins * here // len(candidate.shards)

    def lacking(self) -> list[Dependency]:
        """Return the sessions that must go on before the candidate can be recomputed, as far as its cut."""
        if self.stage() is not Stage.CUT:
            return []
        assert self.candidate is not None and self.candidate.cut is not None
        heads = self._windows.heads
        return [
            Dependency(session, *head)
            for session, head in self.candidate.cut.items()
            if session not in heads or heads[session].number < head.number
        ]

    def take(self) -> None:
        """Nobody can bring this replica up to the candidate's cut: what differs is taken from the base."""
        self._is_stranded = True
        if self.candidate is not None and self.candidate.signer is not Signer.FORMER:
            self.candidate.is_taken = True

    def doubt(self, shards: Collection[int], chain: TrustChain) -> int:
        """Fetch these shards of the base in force anew: what is here of them is damaged. Return how many that are.

        Everything else goes on meanwhile. Where neighbours are on a newer base already, that one is taken with
        whatever differs, also one that was refused: it may be the damage that it did not follow from.
        """
        held, base = self.in_force.held, self.in_force.base
        if held is None or base is None or not shards:
            return 0
        # It was right to put it in force, whoever its signer may be by now.
        signer = signer_of(base, chain) or Signer.FORMER
        names = decode_shards(held.shards, self._windows.shard_bits)
        candidate = Candidate(base, signer, decode_cut(held.cut), names)
        self._want(candidate, sorted(shard for shard in shards if 0 <= shard < len(names)))
        self.candidate = candidate
        self._is_stranded = True
        self._refused.clear()
        return len(candidate.wanted or ())

    def _want(self, candidate: Candidate, shards: list[int]) -> None:
        assert candidate.shards is not None
        candidate.wanted = shards
        names = (candidate.shards[shard] for shard in shards)
        candidate.lacks = {name: None for name in names if name != EMPTY_HASH and name not in self._staged}

    def drop(self) -> None:
        """Nobody has what the candidate consists of any more: a newer one will be offered."""
        self.candidate = None

    def keep(self, name: bytes, blob: bytes) -> bool:
        """Keep a blob that was asked for; return whether it is that one.

        Where the disk refuses, the candidate is let go until it is offered again.
        """
        if blob_hash(blob) != name:
            return False
        try:
            self._staged[name] = blob
        except StoreFault as fault:
            _log.error("a base cannot be fetched: %s", fault.sentence)
            self.drop()
        if self.candidate is not None:
            self.candidate.lacks.pop(name, None)
        self._read_manifest()
        return True

    def _read_manifest(self) -> str | None:
        candidate = self.candidate
        if candidate is None or (candidate.cut is not None and candidate.shards is not None):
            return None
        base = candidate.base
        try:
            if base.cut_hash in self._staged:
                candidate.cut = decode_cut(self._staged[base.cut_hash])
            if base.shards_hash in self._staged:
                candidate.shards = decode_shards(self._staged[base.shards_hash], self._windows.shard_bits)
        except Malformed as fault:
            self._refuse()
            return fault.what
        return None

    def _refuse(self) -> None:
        assert self.candidate is not None
        self._refused.add(self.candidate.base.hash)
        self._refused_n = self.candidate.base.n
        self.candidate = None
        self._staged.clear()

    def _holds(self, candidate: Candidate) -> bool:
        """Return whether everything up to its cut took effect here, on the same branches."""
        heads = self._windows.heads
        if candidate.looked_at is not heads:  # replaced whenever one of them moves
            candidate.looked_at, candidate.is_held = heads, self._is_held(candidate.cut or {})
        return candidate.is_held

    def _is_held(self, cut: Cut) -> bool:
        gate, heads = self._windows.gate, self._windows.heads  # the gate alone may be ahead of the disk, by a window
        for session, head in cut.items():
            if session not in heads or heads[session].number < head.number:
                return False
            if gate.hash_at(gate.sessions[session], head.number) != head.hash:
                return False
        return True

    # ---- work -------------------------------------------------------------------------------------------------

    def check(self) -> Generator[Step, None, Turned | None]:
        """Compute every shard as of the candidate's cut; then it can come into force, is refused, or lacks rows.

        Windows may go on meanwhile.
        """
        candidate = self.candidate
        assert candidate is not None and candidate.cut is not None and candidate.shards is not None
        cut, shards = candidate.cut, candidate.shards
        if candidate.signer is not Signer.OWNER and self._goes_back(cut):
            self._refuse()
            return Turned(candidate.base, "its cut goes back behind that of the base in force")
        different = []
        if self.is_new:
            different = [shard for shard, name in enumerate(shards) if name != EMPTY_HASH]
        else:
            view: list[CutView] = []
            yield lambda: view.append(self.store.view(cut))
            for first in range(0, len(shards), SHARDS_PER_STEP):
                some = range(first, min(first + SHARDS_PER_STEP, len(shards)))
                yield lambda some=some: different.extend(  # type: ignore[misc]
                    shard for shard in some if self.store.rows_as_stated(shard, view[0], shards[shard]) is None
                )
        if self.candidate is not candidate:
            return None
        if different and not candidate.is_taken:
            if candidate.base.n > self.n + 1:
                candidate.is_refuted = True
                return None
            self._refuse()
            return Turned(candidate.base, f"{len(different)} of its shards are not what its cut makes of them")
        self._want(candidate, different)
        return None

    def _goes_back(self, cut: Cut) -> bool:
        """Return whether a cut leaves out what the base in force settled: the log of that may be forgotten."""
        sessions = self._windows.gate.sessions
        return any(state.cut.number > cut.get(session, Head(0, b"")).number for session, state in sessions.items())

    def adopt(self, chain: TrustChain) -> Generator[Step, None, Turned]:
        """Put the candidate in force. Nobody else may use the replica meanwhile. Raises StoreFault."""
        candidate = self.candidate
        assert candidate is not None and candidate.cut is not None and candidate.shards is not None
        assert candidate.wanted is not None
        turned = Turned(candidate.base, taken=len(candidate.wanted))
        try:
            replaced = ReplacedRows(candidate, self._staged, self._windows.shard_bits)
            is_again = candidate.base.n == self.n
            is_owners = candidate.signer is Signer.OWNER
            void: Voided = {}
            if not is_again:
                void = yield from self._reach.void(candidate.base, candidate.cut, chain, is_owners=is_owners)
            turned.void = len(void)
            adoption = Adoption(
                candidate.base,
                encode_cut(candidate.cut),
                b"".join(candidate.shards),
                candidate.cut,
                replaced,
                void,
                self._author if self._author in chain.records[candidate.base.trust].curators else b"",
                is_owners and not is_again,
                is_again,
            )
            yield lambda: _ignore(self.store.adopt(adoption, self._now_ms()))
        except Malformed as fault:
            self._refuse()
            return Turned(candidate.base, fault.what)
        except KeyError as lost:  # a staged blob was damaged on the disk: it is fetched again
            candidate.lacks[lost.args[0]] = None
            return Turned()
        self._windows.turned(is_interrupted=bool(void))
        self.in_force.renew()
        self._is_stranded = False
        self.candidate = None
        self._staged.clear()
        return turned


def _ignore(_: object) -> None:
    """Make a step of a call that returns something."""
