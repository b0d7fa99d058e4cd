"""Rows after a rule changed; tests/contract/test_room.py has the same with a node."""

from __future__ import annotations

from pathlib import Path

from pincrew.admission import Admission
from pincrew.bookkeeper import Work
from pincrew.reconsidering import Reconsidering
from pincrew.tracker import NO_ROOM, NOT_PART, SKIPPED_BY_USER, Fault, Progress, StatusUpdate
from pincrew.values import Choice, PinState
from pincrew.workplace import Workplace
from support.memory_book import MemoryBook
from support.pinner_bench import CLUSTER, START_MS, cid_of, pin_of
from unit.test_admission import admitting

QUEUED, PINNED, SKIPPED, ERROR = PinState.QUEUED, PinState.PINNED, PinState.SKIPPED, PinState.ERROR


def test_each_state_follows_the_rules(tmp_path: Path) -> None:
    async def test(_: Admission, book: MemoryBook, place: Workplace, heard: list[str]) -> None:
        book.put(*(pin_of(number) for number in range(6)))
        for number, state, cause in (
            (0, PINNED, None),
            (1, ERROR, "no provider found"),
            (2, SKIPPED, SKIPPED_BY_USER),
            (3, SKIPPED, NO_ROOM),
            (4, SKIPPED, NOT_PART),
        ):
            book.settle([StatusUpdate(cid_of(number), state, cause=cause)], None)
        place.ownership.holdings.claim("node", cid_of(0), CLUSTER, was_pinned_before=False, name=None)
        reconsidering = Reconsidering(place, lambda: heard.append("changed"))
        place.selection.choices = {cid_of(number): Choice.SKIP for number in (0, 1, 4, 5)}
        await reconsidering.look()
        found = [(book.state(cid_of(number)), book.rows[cid_of(number)].status.cause) for number in range(6)]
        assert found == [
            (SKIPPED, SKIPPED_BY_USER),
            (SKIPPED, SKIPPED_BY_USER),
            (QUEUED, None),
            (SKIPPED, NO_ROOM),
            (SKIPPED, SKIPPED_BY_USER),
            (SKIPPED, SKIPPED_BY_USER),
        ]
        assert book.left == {cid_of(0): -1} and heard == ["changed"]
        settled = len(book.settled)
        await reconsidering.look()
        assert len(book.settled) == settled, "nothing changes twice"

    admitting(tmp_path, test)


def test_without_rules_and_skipped_pins_no_row_is_looked_at(tmp_path: Path) -> None:
    async def test(_: Admission, book: MemoryBook, place: Workplace, heard: list[str]) -> None:
        book.put(pin_of(1))
        book.standings = None  # type: ignore[assignment,method-assign]
        await Reconsidering(place, lambda: None).look()

    admitting(tmp_path, test)


def test_what_is_under_way_is_stopped_and_left_to_its_task(tmp_path: Path) -> None:
    async def test(_: Admission, book: MemoryBook, place: Workplace, heard: list[str]) -> None:
        book.put(pin_of(1))
        work = Work(cid_of(1), pin_of(1), Progress(QUEUED), START_MS)
        place.keeper.begin(work)
        place.selection.choices = {cid_of(1): Choice.SKIP}
        await Reconsidering(place, lambda: None).look()
        assert work.scope.cancel_called and work.refusal is not None and work.refusal.cause == SKIPPED_BY_USER
        assert book.state(cid_of(1)) is QUEUED

    admitting(tmp_path, test)


def test_trimming_takes_the_newest_until_the_rest_fits(tmp_path: Path) -> None:
    async def test(_: Admission, book: MemoryBook, place: Workplace, heard: list[str]) -> None:
        book.put(*(pin_of(number, size=100) for number in range(10)))
        book.settle([StatusUpdate(cid_of(number), PINNED) for number in range(10)], None)
        reconsidering = Reconsidering(place, lambda: heard.append("changed"))
        fault = Fault(NO_ROOM, "")
        assert await reconsidering.trim(1_000, fault) == 0 and heard == []
        assert await reconsidering.trim(750, fault) == 3
        assert [number for number in range(10) if book.state(cid_of(number)) is SKIPPED] == [7, 8, 9]
        assert set(book.left.values()) == {-1} and book.kept_bytes() == 1_000
        assert await reconsidering.trim(0, fault) == 7
        assert await reconsidering.trim(0, fault) == 0

    admitting(tmp_path, test)
