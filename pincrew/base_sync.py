"""How a base comes from neighbours: its header, its manifest and the rows that are wanted, each blob by its hash.

A neighbour that stands on a higher base is asked for the one after ours. Blobs are asked of every neighbour that has
the base, a few at a time each, in pieces; what one does not have or does not send in time is asked of another. Whether
the base is recomputed or taken is the replica's question (``pincrew.bases``); only sync sees that nobody has the log
any more that would lead to its cut.

Part of ``pincrew.sync``: no I/O, no clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from random import Random
from typing import Protocol

from pincrew import limits
from pincrew.frames import BaseFrame, BaseWant, Blob, BlobWant, Frame
from pincrew.values import Dependency, SessionId


class Stage(Enum):
    """What a base that may come into force waits for."""

    MANIFEST = "its cut and its hashes are being fetched"
    CUT = "this peer does not hold everything up to its cut yet"
    CHECK = "it is to be recomputed"
    ROWS = "its rows are being fetched"
    READY = "it can come into force"


class BaseChoice(Protocol):
    """Where this peer stands with its bases, and with the candidate for the next (``pincrew.bases``)."""

    @property
    def n(self) -> int: ...
    @property
    def candidate_n(self) -> int:
        """Number of the candidate, or of the base in force where there is none."""
        ...

    @property
    def wanted(self) -> int | None:
        """Number of the base to ask neighbours for, 0 for their newest, None if what is known will do."""
        ...

    @property
    def is_new(self) -> bool: ...
    @property
    def is_taking(self) -> bool: ...
    @property
    def is_refuted(self) -> bool: ...
    def stage(self) -> Stage | None: ...
    def missing(self, most: int) -> list[bytes]: ...
    def lacking(self) -> list[Dependency]: ...
    def take(self) -> None: ...
    def drop(self) -> None: ...


class BaseHolder(Protocol):
    """What this needs of the peer's member."""

    @property
    def bases(self) -> BaseChoice: ...
    def base_sealed(self, n: int) -> bytes | None: ...
    def base_offered(self, sealed: bytes) -> str | None: ...
    def blob_piece(self, name: bytes, offset: int) -> Blob: ...
    def keep_blob(self, name: bytes, packed: bytes) -> bool:
        """Keep a blob that came whole; return whether it is the one of that name."""
        ...

    def is_open(self, session: SessionId) -> bool:
        """Whether more of a session can take effect here."""
        ...


@dataclass(slots=True)
class _Link:
    base: int = 0
    wanted: int | None = None  # the base that it was asked for last, and when that may be asked again
    next_want: float = 0.0
    absent: set[SessionId] = field(default_factory=set)  # sessions of which it does not have what we lack
    lacks: set[bytes] = field(default_factory=set)  # blobs that it does not have
    asked: dict[bytes, float] = field(default_factory=dict)  # blob -> deadline


@dataclass(slots=True)
class _Partial:
    peer: str
    packed: bytearray
    size: int


class BaseSync:
    """One peer's side of fetching and serving bases."""

    def __init__(self, holder: BaseHolder, random: Random) -> None:
        self._holder = holder
        self._random = random
        self._links: dict[str, _Link] = {}
        self._partial: dict[bytes, _Partial] = {}
        self._nobody_since: float | None = None  # that has the candidate
        self._patience_ends: float | None = None  # until when a newcomer waits for a base rather than ask for log

    # ---- events -----------------------------------------------------------------------------------------------

    def stands(self, peer: str, base: int) -> None:
        """A neighbour says which base it stands on."""
        link = self._links.setdefault(peer, _Link())
        if base != link.base:
            link.base = base
            link.lacks.clear()
            link.absent.clear()
            link.next_want = 0.0

    def unlinked(self, peer: str) -> None:
        """A neighbour is gone."""
        self._links.pop(peer, None)
        for name in [name for name, partial in self._partial.items() if partial.peer == peer]:
            del self._partial[name]

    def absent(self, peer: str, session: SessionId) -> None:
        """A neighbour does not have what comes next of a session."""
        if peer in self._links and len(self._links[peer].absent) < limits.SESSIONS_MAX:
            self._links[peer].absent.add(session)

    def received(self, peer: str, frame: BaseWant | BaseFrame | BlobWant | Blob, now: float) -> Frame | str | None:
        """A neighbour asks or answers; return the answer to send, or what is wrong with what it sent."""
        match frame:
            case BaseWant(n):
                sealed = self._holder.base_sealed(n)
                return None if sealed is None else BaseFrame(sealed)
            case BaseFrame(sealed):
                return self._holder.base_offered(sealed)
            case BlobWant(name, offset):
                return self._holder.blob_piece(name, offset)
            case Blob():
                return self._piece(peer, frame, now)

    def _piece(self, peer: str, frame: Blob, now: float) -> Frame | str | None:
        link = self._links.get(peer)
        if link is None or link.asked.pop(frame.name, None) is None:
            return "it sent a blob that nobody asked for"
        if not frame.size:
            link.lacks.add(frame.name)
            self._partial.pop(frame.name, None)
            return None
        partial = self._partial.setdefault(frame.name, _Partial(peer, bytearray(), frame.size))
        if partial.peer != peer:
            partial = self._partial[frame.name] = _Partial(peer, bytearray(), frame.size)
        fits = frame.offset == len(partial.packed) and frame.size == partial.size <= limits.BASE_BLOB_BYTES_MAX
        # Only the last piece may be short: who sends bytes in drops would keep us waiting for ever.
        rest = partial.size - len(partial.packed)
        if not fits or len(frame.piece) != min(rest, limits.BLOB_PIECE_BYTES_MAX):
            del self._partial[frame.name]
            link.lacks.add(frame.name)
            return "it sent a blob in pieces that do not fit"
        if sum(len(one.packed) for one in self._partial.values()) + len(frame.piece) > limits.BLOBS_PARTIAL_BYTES_MAX:
            del self._partial[frame.name]
            link.lacks.add(frame.name)
            return "its blobs are larger than a list can be"
        partial.packed += frame.piece
        if len(partial.packed) < partial.size:
            link.asked[frame.name] = now + limits.WANT_TIMEOUT_S
            return BlobWant(frame.name, len(partial.packed))
        del self._partial[frame.name]
        if self._holder.keep_blob(frame.name, bytes(partial.packed)):
            return None
        link.lacks.add(frame.name)
        return "it sent a blob that is not the one asked for"

    # ---- the decision -----------------------------------------------------------------------------------------

    def holds_back(self, now: float) -> bool:
        """Whether envelopes are not worth asking for: a base is, or will be, taken as it is."""
        bases = self._holder.bases
        if bases.is_taking:
            return True
        is_patient = self._patience_ends is None or now < self._patience_ends
        return bases.is_new and is_patient and any(link.base for link in self._links.values())

    def evaluate(self, now: float) -> list[tuple[str, Frame]]:
        """Say what is to be sent to whom, given all that is known."""
        for link in self._links.values():
            for name in [name for name, deadline in link.asked.items() if now >= deadline]:
                del link.asked[name]
                link.lacks.add(name)
                self._partial.pop(name, None)
        sends = self._want_base(now)
        stage = self._holder.bases.stage()
        if stage is Stage.CUT:
            self._give_up_the_log()
        if stage in (Stage.MANIFEST, Stage.ROWS):
            sends += self._want_blobs(now)
        else:
            self._nobody_since = None
        return sends

    def _want_base(self, now: float) -> list[tuple[str, Frame]]:
        bases = self._holder.bases
        wanted = bases.wanted
        sends: list[tuple[str, Frame]] = []
        if wanted is None:
            return sends
        known = bases.candidate_n if bases.is_taking else bases.n
        for peer, link in self._links.items():
            # Only the same question waits: who is many bases behind asks for one after the other.
            if link.base > known and (now >= link.next_want or wanted != link.wanted):
                link.wanted, link.next_want = wanted, now + limits.WANT_TIMEOUT_S
                if self._patience_ends is None:  # once: a base that is said to be and never comes holds nobody up
                    self._patience_ends = now + limits.WANT_TIMEOUT_S
                sends.append((peer, BaseWant(wanted)))
        return sends

    def _give_up_the_log(self) -> None:
        """Take the candidate as it is once no neighbour on it has what would lead to its cut, or beyond.

        Whoever signed it may write the list anyway: on that word a replica goes on that could not go on at all.
        """
        bases = self._holder.bases
        able = [link.absent for link in self._links.values() if link.base >= bases.candidate_n]
        if not able:
            return
        hopeless = set.intersection(*able)
        lacking = [one.session for one in bases.lacking()]
        if any(one in hopeless or not self._holder.is_open(one) for one in lacking) or (bases.is_refuted and hopeless):
            bases.take()

    def _want_blobs(self, now: float) -> list[tuple[str, Frame]]:
        bases = self._holder.bases
        able = {peer: link for peer, link in self._links.items() if link.base >= bases.candidate_n}
        if not able:
            self._nobody_since = now if self._nobody_since is None else self._nobody_since
            if now >= self._nobody_since + limits.WANT_TIMEOUT_S:
                bases.drop()
            return []
        self._nobody_since = None
        room = sum(limits.BLOBS_IN_FLIGHT_MAX - len(link.asked) for link in able.values())
        if room <= 0:
            return []
        asked = {name for link in self._links.values() for name in link.asked}
        sends: list[tuple[str, Frame]] = []
        for name in bases.missing(len(asked) + room):
            if name in asked:
                continue
            willing = [
                peer
                for peer, link in able.items()
                if name not in link.lacks and len(link.asked) < limits.BLOBS_IN_FLIGHT_MAX
            ]
            if not willing:
                if all(name in link.lacks for link in able.values()):
                    for link in able.values():  # who was slow has it after all, when the base is offered again
                        link.lacks.clear()
                        link.next_want = now + limits.WANT_TIMEOUT_S
                    bases.drop()
                    return sends
                continue
            peer = min(willing, key=lambda one: (len(able[one].asked), self._random.random()))
            able[peer].asked[name] = now + limits.WANT_TIMEOUT_S
            sends.append((peer, BlobWant(name, 0)))
        return sends

    def next_due(self) -> float:
        """Return when ``evaluate`` next has something to say by itself."""
        times = [deadline for link in self._links.values() for deadline in link.asked.values()]
        return min(times, default=float("inf"))
