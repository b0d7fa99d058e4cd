"""Drawing lines, with all rows at hand; what pages add to it is in test_paged_table."""

from __future__ import annotations

import pytest
from pincrew.tui.held_table import HeldTable
from pincrew.tui.line_table import Column, fitted
from textual.app import App, ComposeResult

COLUMNS = (Column("name", "Name", 0), Column("size", "Size", 6, is_right=True, table_width_min=40))


class TableApp(App[None]):
    def compose(self) -> ComposeResult:
        yield HeldTable[tuple[str, str]](COLUMNS, lambda row: row, lambda row: row[0], has_details=True)

    @property
    def table(self) -> HeldTable[tuple[str, str]]:
        return self.query_one(HeldTable)

    def line(self, y: int) -> str:
        return "".join(segment.text for segment in self.table.render_line(y)).rstrip()


async def test_where_there_is_no_row_it_says_why() -> None:
    app = TableApp()
    async with app.run_test(size=(30, 8)) as pilot:
        app.table.say_empty("Nothing is here yet. It comes with the next change.")
        assert [app.line(y) for y in (1, 2)] == ["", ""], "nobody knows yet"
        app.table.put([])
        await pilot.pause()
        assert [app.line(y) for y in range(5)] == [
            " Name",
            "",
            " Nothing is here yet. It",
            " comes with the next change.",
            "",
        ]
        app.table.put([("one", "1 MB")])
        await pilot.pause()
        assert app.line(1).split() == ["one"] and app.line(2) == ""


async def test_enter_is_offered_where_there_is_a_row() -> None:
    app = TableApp()
    async with app.run_test(size=(30, 8)):
        assert not app.table.check_action("select", ())
        app.table.put([("one", "1 MB")])
        assert app.table.check_action("select", ())


def test_a_column_has_its_bounds() -> None:
    column = Column("sign", "", 1, table_width_min=20, table_width_max=40)
    assert [column.fits(width) for width in (19, 20, 39, 40)] == [False, True, True, False]


@pytest.mark.parametrize(
    ("content", "width", "is_right", "text"),
    [
        ("abc", 5, False, "abc  "),
        ("abc", 5, True, "  abc"),
        ("abcdefghij", 7, False, "ab…ghij"),
        ("世界", 5, True, " 世界"),
        ("世界世界世界", 5, False, "世…界"),
    ],
)
def test_cells_fill_their_width(content: str, width: int, is_right: bool, text: str) -> None:
    assert fitted(content, width, is_right=is_right) == text
