"""Tables whose rows are all here."""

from __future__ import annotations

from dataclasses import dataclass

from pincrew.tui.held_table import HeldTable
from pincrew.tui.paged_table import Column
from textual.app import App, ComposeResult

from support.screens import text_of


@dataclass(frozen=True)
class Row:
    name: str
    figure: int = 0


class Stage(App[None]):
    def compose(self) -> ComposeResult:
        columns = (Column("name", "Name", 0), Column("figure", "Figure", 7, is_right=True))
        yield HeldTable[Row](columns, lambda row: [row.name, str(row.figure)], lambda row: row.name)

    @property
    def table(self) -> HeldTable[Row]:
        return self.query_one(HeldTable)


def rows(*numbers: int) -> list[Row]:
    return [Row(f"row {number}", number) for number in numbers]


async def test_rows_come_and_go() -> None:
    app = Stage()
    async with app.run_test(size=(30, 6)) as pilot:
        app.table.put(rows(1, 2))
        await pilot.pause()
        assert text_of(app).splitlines()[1].split() == ["row", "1", "1"]
        app.table.put([Row("row 1", 7)])
        await pilot.pause()
        assert "row 2" not in text_of(app) and text_of(app).splitlines()[1].split() == ["row", "1", "7"]
        app.table.put(())
        await pilot.pause()
        assert "row" not in text_of(app) and app.table.current is None


async def test_only_lines_that_changed_are_drawn_again() -> None:
    app = Stage()
    async with app.run_test(size=(30, 8)) as pilot:
        app.table.put(rows(*range(5)))
        await pilot.pause()
        kept = {key: strip for key, strip in app.table._lines.items() if key[0] != 3}
        changed = rows(*range(5))
        changed[3] = Row("row 3", 99)
        app.table.put(changed)
        await pilot.pause()
        assert "99" in text_of(app)
        assert all(app.table._lines[key] is strip for key, strip in kept.items())


async def test_the_cursor_stays_on_its_row_but_follows_the_first_line() -> None:
    app = Stage()
    async with app.run_test(size=(30, 6)) as pilot:
        app.table.put(rows(*range(1_000)))
        await pilot.pause()
        app.table.cursor = 500
        await pilot.pause()
        above = 500 - app.table.scroll_offset.y
        app.table.put(rows(-2, -1, *range(1_000)))
        await pilot.pause()
        assert app.table.current == Row("row 500", 500) and app.table.cursor == 502
        assert 502 - app.table.scroll_offset.y == above, "nothing jumps"
        app.table.cursor = 0
        app.table.put(rows(-3, -2, -1, *range(1_000)))
        await pilot.pause()
        assert app.table.current == Row("row -3", -3)
        app.table.cursor = 900
        app.table.put(rows(1, 2, 3))
        await pilot.pause()
        assert app.table.cursor == 2 and "row 3" in text_of(app)
