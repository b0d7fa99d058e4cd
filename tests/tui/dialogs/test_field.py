"""Lines of a form."""

from __future__ import annotations

from pincrew.tui.dialogs.field import Field
from textual.app import App, ComposeResult

from support.screens import text_of


class Stage(App[None]):
    def compose(self) -> ComposeResult:
        yield Field("Limit", "2TB", name="limit", hint="200GB [or] none")
        yield Field("Name", name="name", placeholder="what others see")


async def test_what_is_asked_and_what_that_means() -> None:
    app = Stage()
    async with app.run_test(size=(80, 4)) as pilot:
        assert text_of(app).splitlines()[0].split() == ["Limit", "2TB", "200GB", "[or]", "none"]
        assert text_of(app).splitlines()[1].split() == ["Name", "what", "others", "see"]
        app.query_one("#field-limit", Field).hint("of a larger list, a part")
        await pilot.pause()
        assert "of a larger list, a part" in text_of(app)
