"""The paged table against a list of a million rows that answers when it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from pincrew.tui.line_table import Column
from pincrew.tui.paged_table import Page, PagedTable
from textual.app import App, ComposeResult
from textual.pilot import Pilot

from pincrew import limits
from pincrew.errors import DaemonLost

COLUMNS = (
    Column("name", "Name", 0),
    Column("size", "Size", 8, is_right=True, table_width_min=40),
    Column("tries", "Tries", 5, is_right=True, table_width_min=70),
)
PAGE = limits.VIEW_PAGE_ROWS


@dataclass(frozen=True)
class Row:
    name: str
    size: int = 1


class Source:
    """A list of ``total`` rows. ``gate`` holds its answers back while it is closed."""

    def __init__(self, total: int = 1_000_000, *, is_counted: bool = True) -> None:
        self.total, self.is_counted = total, is_counted
        self.asked: list[int] = []
        self.version = ""
        self.changed: dict[int, Row] = {}
        self.gate = asyncio.Event()
        self.gate.set()
        self.fault: DaemonLost | None = None

    async def fetch(self, offset: int, limit: int) -> Page[Row]:
        self.asked.append(offset)
        version = self.version
        await self.gate.wait()
        if self.fault is not None:
            raise self.fault
        numbers = range(offset, min(self.total, offset + limit))
        rows = [self.changed.get(number, Row(f"{version}row {number}", number)) for number in numbers]
        return Page(rows, self.total if self.is_counted else None)


class TableApp(App[None]):
    def __init__(self, source: Source) -> None:
        super().__init__()
        self.source = source
        self.said: list[object] = []

    def compose(self) -> ComposeResult:
        yield PagedTable(
            COLUMNS,
            self.source.fetch,
            lambda row: (row.name, str(row.size), "0"),
            lambda row: row.name,
            lambda column, row: "dim" if column == "size" else "",
        )

    def on_mount(self) -> None:
        self.query_one(PagedTable).wake()
        self.query_one(PagedTable).reload()

    def on_paged_table_failed(self, message: PagedTable.Failed) -> None:
        self.said.append(message.error)

    def on_line_table_selected(self, message: PagedTable.Selected) -> None:
        self.said.append(message.index)

    def on_line_table_head_clicked(self, message: PagedTable.HeadClicked) -> None:
        self.said.append(message.column)


class Stage:
    def __init__(self, app: TableApp, pilot: Pilot[None]) -> None:
        self.app, self.pilot, self.source = app, pilot, app.source

    @property
    def table(self) -> PagedTable[Row]:
        return self.app.query_one(PagedTable)

    def line(self, y: int) -> str:
        return self.table.render_line(y).text.rstrip()

    async def settle(self) -> None:
        for _ in range(4):
            await self.pilot.pause()

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.settle()


@asynccontextmanager
async def table_of(source: Source, size: tuple[int, int] = (80, 24)) -> AsyncIterator[Stage]:
    app = TableApp(source)
    async with app.run_test(size=size) as pilot:
        stage = Stage(app, pilot)
        await stage.settle()
        yield stage


def run(coroutine) -> None:  # type: ignore[no-untyped-def]
    asyncio.run(coroutine)


def test_only_what_is_on_the_screen_is_fetched() -> None:
    async def play() -> None:
        async with table_of(Source()) as stage:
            assert stage.table.total == 1_000_000
            assert set(stage.source.asked) == {0}
            assert stage.line(0).split() == ["Name", "Size", "Tries"]
            assert stage.line(1).split() == ["row", "0", "0", "0"]
            await stage.press("end")
            assert stage.line(23).split()[:2] == ["row", "999999"]
            assert set(stage.source.asked) == {0, 999_936, 999_680}

    run(play())


def test_memory_is_bounded_however_far_one_scrolls() -> None:
    async def play() -> None:
        async with table_of(Source()) as stage:
            for number in range(40):
                stage.table.cursor = number * 24_000
                await stage.settle()
            assert len(stage.table._pages) <= limits.VIEW_PAGES_KEPT
            assert len(stage.table._lines) <= limits.VIEW_LINES_KEPT
            assert stage.line(23).split()[:2] == ["row", "936000"]

    run(play())


def test_a_million_rows_dragged_over_ask_for_few_pages() -> None:
    """Pages that nobody looks at any more are no longer waited for: with a slow daemon no queue of them builds up."""

    async def play() -> None:
        source = Source()
        async with table_of(source) as stage:
            source.gate.clear()
            for number in range(100):
                stage.table.scroll_to(y=number * 9_000, animate=False)
                await stage.pilot.pause()
            assert len(stage.table._under_way) <= 3
            source.gate.set()
            await stage.settle()
            assert stage.line(1).split()[:2] == ["row", "891000"]

    run(play())


def test_an_answer_to_an_earlier_question_is_dropped() -> None:
    async def play() -> None:
        source = Source()
        async with table_of(source) as stage:
            source.gate.clear()
            source.version = "old "
            stage.table.reload()
            await stage.settle()
            source.version = "new "
            stage.table.reload()
            await stage.settle()
            assert stage.line(1).startswith(" row 0"), "the rows before are shown until others come"
            source.gate.set()
            await stage.settle()
            assert stage.line(1).startswith(" new row 0")

    run(play())


def test_a_failed_page_says_so_and_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "VIEW_RETRY_S", 0.01)

    async def play() -> None:
        source = Source()
        source.fault = DaemonLost()
        async with table_of(source) as stage:
            assert isinstance(stage.app.said[0], DaemonLost)
            source.fault = None
            for _ in range(100):
                await stage.pilot.pause(0.01)
                if stage.table.is_counted:
                    break
            assert stage.line(1).startswith(" row 0")

    run(play())


def test_revalidating_paints_only_what_changed() -> None:
    async def play() -> None:
        source = Source()
        async with table_of(source) as stage:
            source.changed[3] = Row("another", 7)
            source.changed[200] = Row("out of sight", 7)
            assert await stage.table.revalidate() == 1
            assert stage.line(4).split()[:2] == ["another", "7"]
            assert source.asked == [0, 0]

    run(play())


def test_moving() -> None:
    async def play() -> None:
        async with table_of(Source(1_000)) as stage:
            for keys, cursor in (
                (("down", "down", "j"), 3),
                (("k",), 2),
                (("pagedown",), 24),
                (("pageup", "pageup"), 0),
                (("G",), 999),
                (("down",), 999),
                (("g",), 0),
                (("up",), 0),
            ):
                await stage.press(*keys)
                assert stage.table.cursor == cursor, keys
            await stage.press("down", "enter")
            assert stage.app.said == [1]

    run(play())


def test_the_mouse() -> None:
    async def play() -> None:
        async with table_of(Source(1_000)) as stage:
            await stage.pilot.click(PagedTable, offset=(5, 4))
            assert stage.table.cursor == 3
            await stage.pilot.click(PagedTable, offset=(5, 0))
            assert stage.app.said == ["name"]
            await stage.pilot.click(PagedTable, offset=(5, 6), times=2)
            await stage.settle()
            assert stage.app.said == ["name", 5]

    run(play())


def test_columns_drop_out_where_there_is_no_room() -> None:
    async def play() -> None:
        async with table_of(Source(10)) as stage:
            assert stage.line(0).split() == ["Name", "Size", "Tries"]
            await stage.pilot.resize_terminal(60, 10)
            await stage.settle()
            assert stage.line(0).split() == ["Name", "Size"]
            await stage.pilot.resize_terminal(20, 5)
            await stage.settle()
            assert stage.line(0).split() == ["Name"]

    run(play())


def test_a_list_that_nobody_counts_grows_as_it_is_read() -> None:
    async def play() -> None:
        async with table_of(Source(600, is_counted=False)) as stage:
            for total in (PAGE + 1, 2 * PAGE + 1, 600):
                assert stage.table.total == total
                await stage.press("end")
                await stage.settle()
            assert stage.line(23).split()[:2] == ["row", "599"]

    run(play())


def test_the_list_becomes_shorter_under_the_cursor() -> None:
    async def play() -> None:
        source = Source(1_000)
        async with table_of(source) as stage:
            await stage.press("end")
            source.total = 10
            stage.table.reload()
            await stage.settle()
            assert stage.table.total == 10 and stage.table.cursor == 0
            assert stage.line(11) == ""

    run(play())


def test_marked_rows_carry_a_sign() -> None:
    async def play() -> None:
        async with table_of(Source(10)) as stage:
            stage.table.marked = {"row 2"}
            stage.table.repaint_row(2)
            assert stage.line(3).startswith("▎row 2")

    run(play())


def test_while_asleep_nothing_is_fetched() -> None:
    async def play() -> None:
        source = Source()
        async with table_of(source) as stage:
            stage.table.sleep()
            asked = len(source.asked)
            await stage.press("end")
            assert len(source.asked) == asked
            assert "loading" in stage.line(23)
            stage.table.wake()
            await stage.settle()
            assert stage.line(23).split()[:2] == ["row", "999999"]

    run(play())
