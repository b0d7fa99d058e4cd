"""Fetching a base as a script: what neighbours say goes in, what is asked of whom comes out."""

from __future__ import annotations

from random import Random

import pytest

from pincrew import limits
from pincrew.base_form import blob_hash
from pincrew.base_sync import BaseSync, Stage
from pincrew.frames import BaseFrame, BaseWant, Blob, BlobWant
from pincrew.values import Dependency, SessionId

BLOBS = {blob_hash(blob): blob for blob in (b"one" * 9, b"two" * 9, b"three" * 9)}
ONE, TWO, THREE = BLOBS
SESSION = SessionId(b"a" * 32, bytes(16))
LATE = limits.WANT_TIMEOUT_S


class Choice:
    """Where a peer stands with its bases, set by hand."""

    def __init__(self) -> None:
        self.n = 0
        self.candidate_n = 0
        self.wanted: int | None = None
        self.is_new = self.is_taking = self.is_refuted = False
        self.now: Stage | None = None
        self.needed: list[bytes] = []
        self.kept: dict[bytes, bytes] = {}
        self.lacks: list[Dependency] = []
        self.told: list[str] = []

    def stage(self) -> Stage | None:
        return self.now

    def missing(self, most: int) -> list[bytes]:
        return [name for name in self.needed if name not in self.kept][:most]

    def lacking(self) -> list[Dependency]:
        return self.lacks

    def take(self) -> None:
        self.told.append("take")

    def drop(self) -> None:
        self.told.append("drop")

    def keep(self, name: bytes, blob: bytes) -> bool:
        if blob_hash(blob) != name:
            return False
        self.kept[name] = blob
        return True


class Holder:
    """A peer that serves the blobs of above, in pieces of ten bytes."""

    def __init__(self) -> None:
        self.bases = Choice()
        self.open = True
        self.fault: str | None = None

    def base_sealed(self, n: int) -> bytes | None:
        return b"base %d" % n if n <= 3 else None

    def base_offered(self, sealed: bytes) -> str | None:
        return self.fault

    def blob_piece(self, name: bytes, offset: int) -> Blob:
        blob = BLOBS.get(name, b"")
        return Blob(name, offset, len(blob), blob[offset : offset + limits.BLOB_PIECE_BYTES_MAX])

    def keep_blob(self, name: bytes, packed: bytes) -> bool:
        return self.bases.keep(name, packed)

    def is_open(self, session: SessionId) -> bool:
        return self.open


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of ten bytes, so that a blob has three."""
    monkeypatch.setattr(limits, "BLOB_PIECE_BYTES_MAX", 10)


@pytest.fixture
def holder() -> Holder:
    return Holder()


@pytest.fixture
def sync(holder: Holder) -> BaseSync:
    return BaseSync(holder, Random(1))


def fetching(holder: Holder, sync: BaseSync, *peers: str, names: list[bytes] | None = None) -> list[tuple[str, bytes]]:
    """Stand before the rows of base 1, which all peers have; return what is asked of whom."""
    for peer in peers:
        sync.stands(peer, 1)
    holder.bases.candidate_n, holder.bases.now = 1, Stage.ROWS
    holder.bases.needed = list(BLOBS) if names is None else names
    return asked(sync)


def asked(sync: BaseSync, now: float = 0.0) -> list[tuple[str, bytes]]:
    return [(peer, frame.name) for peer, frame in sync.evaluate(now) if isinstance(frame, BlobWant)]


def arrives(sync: BaseSync, peer: str, blob: bytes, now: float = 0.0) -> object:
    """A neighbour sends a whole blob, in pieces; returns what was said to the last."""
    at, answer = 0, None
    while at < len(blob):
        piece = blob[at : at + limits.BLOB_PIECE_BYTES_MAX]
        answer = sync.received(peer, Blob(blob_hash(blob), at, len(blob), piece), now)
        if not isinstance(answer, BlobWant):
            break
        at = answer.offset
    return answer


# ---- serving --------------------------------------------------------------------------------------------------------


def test_what_neighbours_ask_for(sync: BaseSync) -> None:
    assert sync.received("p", BaseWant(2), 0.0) == BaseFrame(b"base 2")
    assert sync.received("p", BaseWant(4), 0.0) is None
    assert sync.received("p", BlobWant(ONE, 20), 0.0) == Blob(ONE, 20, 27, BLOBS[ONE][20:])
    assert sync.received("p", BlobWant(bytes(32), 0), 0.0) == Blob(bytes(32), 0, 0, b"")


def test_a_bad_base_is_its_senders_fault(sync: BaseSync, holder: Holder) -> None:
    assert sync.received("p", BaseFrame(b"x"), 0.0) is None
    holder.fault = "bad"
    assert sync.received("p", BaseFrame(b"x"), 0.0) == "bad"


# ---- which base -----------------------------------------------------------------------------------------------------


def test_who_stands_higher_is_asked_for_the_next_and_not_again_at_once(sync: BaseSync, holder: Holder) -> None:
    for peer, base in (("lower", 0), ("here", 1), ("higher", 4)):
        sync.stands(peer, base)
    holder.bases.n = holder.bases.candidate_n = 1
    assert sync.evaluate(0.0) == []
    holder.bases.wanted = 2
    assert sync.evaluate(0.0) == [("higher", BaseWant(2))]
    assert sync.evaluate(LATE - 1) == []
    assert sync.evaluate(LATE) == [("higher", BaseWant(2))]
    sync.stands("higher", 5)
    assert sync.evaluate(LATE) == [("higher", BaseWant(2))], "it moved on: it is asked anew"
    sync.unlinked("higher")
    assert sync.evaluate(10 * LATE) == []


def test_who_is_many_bases_behind_asks_for_one_after_the_other_without_waiting(holder: Holder, sync: BaseSync) -> None:
    sync.stands("p", 3)
    for n in (0, 1, 2):
        holder.bases.n, holder.bases.wanted = n, n + 1
        assert sync.evaluate(0.0) == [("p", BaseWant(n + 1))]
        assert sync.evaluate(0.0) == [], "the same is not asked twice"


def test_while_one_is_taken_only_a_higher_one_is_of_interest(sync: BaseSync, holder: Holder) -> None:
    sync.stands("p", 4)
    holder.bases.candidate_n, holder.bases.wanted, holder.bases.is_taking = 4, 0, True
    assert sync.evaluate(0.0) == []
    holder.bases.is_taking = False
    assert sync.evaluate(0.0) == [("p", BaseWant(0))]


def test_envelopes_are_not_asked_for_while_a_base_comes(sync: BaseSync, holder: Holder) -> None:
    bases = holder.bases
    assert not sync.holds_back(0.0)
    bases.is_new, bases.wanted = True, 0
    assert not sync.holds_back(0.0), "nobody has a base"
    sync.stands("p", 1)
    sync.evaluate(0.0)
    assert sync.holds_back(LATE - 1)
    assert not sync.holds_back(LATE), "it did not answer"
    bases.is_new, bases.is_taking = False, True
    assert sync.holds_back(0.0)


def test_a_neighbour_that_says_it_has_a_base_and_never_shows_it_holds_a_newcomer_up_once(
    sync: BaseSync, holder: Holder
) -> None:
    holder.bases.is_new, holder.bases.wanted = True, 0
    sync.stands("liar", 5)
    for turn in range(10):
        assert sync.evaluate(turn * LATE) == [("liar", BaseWant(0))], "it is asked all the same"
        sync.stands("liar", 5)
        assert sync.holds_back(turn * LATE) is (turn == 0)


# ---- blobs ----------------------------------------------------------------------------------------------------------


def test_blobs_are_asked_of_all_who_have_the_base(sync: BaseSync, holder: Holder) -> None:
    sync.stands("older", 0)
    wants = fetching(holder, sync, "p", "q")
    assert [name for _, name in wants] == list(BLOBS)
    assert {peer for peer, _ in wants} == {"p", "q"}
    assert asked(sync) == [], "each of one alone"
    assert sync.next_due() == LATE


def test_a_few_at_a_time(sync: BaseSync, holder: Holder) -> None:
    names = [bytes([number]) * 32 for number in range(100)]
    assert len(fetching(holder, sync, "p", "q", names=names)) == 2 * limits.BLOBS_IN_FLIGHT_MAX


@pytest.mark.usefixtures("small_pieces")
def test_piece_by_piece(sync: BaseSync, holder: Holder) -> None:
    fetching(holder, sync, "p", names=[ONE])
    answer: object = BlobWant(ONE, 0)
    pieces = 0
    while isinstance(answer, BlobWant):
        answer = sync.received("p", holder.blob_piece(answer.name, answer.offset), 0.0)
        pieces += 1
    assert answer is None and pieces == 3 and holder.bases.kept == {ONE: BLOBS[ONE]}


@pytest.mark.parametrize(
    "frame",
    [
        Blob(ONE, 1, 27, b"x"),
        Blob(ONE, 0, limits.BASE_BLOB_BYTES_MAX + 1, b"x"),
        Blob(ONE, 0, 27, b""),
        Blob(ONE, 0, 1, b"more"),
        Blob(ONE, 0, 27, b"another" * 4),
        Blob(ONE, 0, 28, b"w" * 28),
    ],
    ids=["not the next piece", "too large", "empty", "longer than it said", "longer than said", "of another hash"],
)
def test_a_bad_piece_is_blamed_and_another_is_asked(sync: BaseSync, holder: Holder, frame: Blob) -> None:
    (first,) = fetching(holder, sync, "p", "q", names=[ONE])
    assert isinstance(sync.received(first[0], frame, 0.0), str)
    (second,) = asked(sync)
    assert second[0] != first[0]
    assert arrives(sync, second[0], BLOBS[ONE]) is None and ONE in holder.bases.kept


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize(
    "second",
    [Blob(ONE, 10, 28, b"x"),
     Blob(ONE, 10, 27, b"x"), Blob(ONE, 9, 27, b"x"), Blob(ONE, 0, 27, b"x"), Blob(ONE, 10, 27, b""),
     Blob(ONE, 10, 27, b"x" * 18)],
    ids=["another size", "in drops", "overlapping", "from the start", "never ends", "too much"],
)  # fmt: skip
def test_a_bad_second_piece(sync: BaseSync, holder: Holder, second: Blob) -> None:
    fetching(holder, sync, "p", "q", names=[ONE])
    peer = next(peer for peer in "pq" if isinstance(sync.received(peer, holder.blob_piece(ONE, 0), 0.0), BlobWant))
    assert sync.received(peer, second, 0.0) == "it sent a blob in pieces that do not fit"
    (again,) = asked(sync)
    assert again[0] != peer and arrives(sync, again[0], BLOBS[ONE]) is None


def test_a_blob_that_nobody_asked_for(sync: BaseSync, holder: Holder) -> None:
    unasked = "it sent a blob that nobody asked for"
    assert arrives(sync, "stranger", BLOBS[ONE]) == unasked
    (want,) = fetching(holder, sync, "p", "q", names=[ONE])
    other = "q" if want[0] == "p" else "p"
    assert arrives(sync, other, BLOBS[ONE]) == unasked
    assert arrives(sync, want[0], BLOBS[ONE]) is None
    assert arrives(sync, want[0], BLOBS[ONE]) == unasked


def test_who_does_not_have_it_or_does_not_send_it_is_passed_over(sync: BaseSync, holder: Holder) -> None:
    (first,) = fetching(holder, sync, "p", "q", "r", names=[ONE])
    assert sync.received(first[0], Blob(ONE, 0, 0, b""), 0.0) is None
    (second,) = asked(sync)
    assert asked(sync, LATE - 1) == []
    (third,) = asked(sync, LATE)
    assert {first[0], second[0], third[0]} == {"p", "q", "r"} and holder.bases.told == []
    assert arrives(sync, third[0], BLOBS[ONE], LATE) is None


@pytest.mark.usefixtures("small_pieces")
def test_who_went_away_half_way_is_replaced_and_starts_anew(sync: BaseSync, holder: Holder) -> None:
    fetching(holder, sync, "p", "q", names=[ONE])
    peer = next(peer for peer in "pq" if isinstance(sync.received(peer, holder.blob_piece(ONE, 0), 0.0), BlobWant))
    sync.unlinked(peer)
    (again,) = asked(sync)
    assert again[0] != peer and arrives(sync, again[0], BLOBS[ONE]) is None


def test_a_base_of_which_nobody_has_a_part_is_dropped_and_tried_again_when_offered_again(
    sync: BaseSync, holder: Holder
) -> None:
    """A neighbour that was slow once has it after all: otherwise a newcomer would wait for ever."""
    fetching(holder, sync, "p", names=[ONE])
    assert asked(sync, LATE) == [] and holder.bases.told == ["drop"]
    assert asked(sync, LATE) == [("p", ONE)]
    assert arrives(sync, "p", BLOBS[ONE], LATE) is None and ONE in holder.bases.kept


def test_a_candidate_that_no_neighbour_has_any_more_is_dropped_after_a_while(sync: BaseSync, holder: Holder) -> None:
    fetching(holder, sync, "p", names=[ONE])
    sync.stands("older", 0)
    sync.unlinked("p")
    assert asked(sync, 1.0) == asked(sync, 1.0 + LATE - 1) == [] and holder.bases.told == []
    sync.stands("q", 1)
    assert asked(sync, LATE) == [("q", ONE)], "somebody has it again"
    sync.unlinked("q")
    assert asked(sync, 2 * LATE) == asked(sync, 3 * LATE - 1) == [] and holder.bases.told == []
    assert asked(sync, 3 * LATE) == [] and holder.bases.told == ["drop"]


# ---- giving up the log ----------------------------------------------------------------------------------------------


def waiting(holder: Holder, sync: BaseSync, *peers: str) -> None:
    for peer in peers:
        sync.stands(peer, 1)
    holder.bases.candidate_n, holder.bases.now = 1, Stage.CUT
    holder.bases.lacks = [Dependency(SESSION, 3, bytes(32))]


def test_the_log_is_given_up_once_nobody_on_the_base_has_it(sync: BaseSync, holder: Holder) -> None:
    sync.stands("older", 0)
    waiting(holder, sync, "p", "q")
    sync.evaluate(0.0)
    sync.absent("p", SESSION)
    sync.absent("older", SESSION)
    sync.evaluate(0.0)
    assert holder.bases.told == [], "one is left who may have it"
    sync.absent("q", SessionId(b"b" * 32, bytes(16)))
    sync.evaluate(0.0)
    assert holder.bases.told == [], "another session is not this one"
    sync.absent("q", SESSION)
    sync.evaluate(0.0)
    assert holder.bases.told == ["take"]


def test_nothing_is_given_up_while_nobody_on_the_base_is_there(sync: BaseSync, holder: Holder) -> None:
    waiting(holder, sync)
    sync.evaluate(0.0)
    sync.stands("older", 0)
    sync.evaluate(0.0)
    assert holder.bases.told == []


def test_a_session_that_goes_no_further_here_cannot_be_waited_for(sync: BaseSync, holder: Holder) -> None:
    waiting(holder, sync, "p")
    holder.open = False
    sync.evaluate(0.0)
    assert holder.bases.told == ["take"]


def test_a_base_that_does_not_follow_is_taken_only_when_the_log_is_gone(sync: BaseSync, holder: Holder) -> None:
    waiting(holder, sync, "p")
    holder.bases.lacks, holder.bases.is_refuted = [], True
    sync.evaluate(0.0)
    assert holder.bases.told == []
    sync.absent("p", SESSION)
    sync.evaluate(0.0)
    assert holder.bases.told == ["take"]


def test_what_a_neighbour_lacked_is_forgotten_when_it_moves_on(sync: BaseSync, holder: Holder) -> None:
    waiting(holder, sync, "p")
    sync.absent("p", SESSION)
    sync.stands("p", 2)
    sync.evaluate(0.0)
    assert holder.bases.told == []
