"""What the daemon finds when it looks at the cluster: a line for each check, and what to do about it."""

from __future__ import annotations

from typing import ClassVar

from pincrew.tui import words
from pincrew.tui.asking_view import AskingView
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widget import Widget
from textual.widgets import Static

from pincrew import figures, limits
from pincrew.api.shapes import Check

_SIGNS = {"ok": "✓", "note": "·", "FAIL": "✗"}
_ORDER = {"FAIL": 0, "note": 1, "ok": 2}


class DoctorView(AskingView):
    """Shows what is wrong first."""

    interval_s = limits.VIEW_DOCTOR_INTERVAL_S

    DEFAULT_CSS = """
    DoctorView #checks { height: 1fr; padding: 0 1; }
    DoctorView #checks Static { height: auto; }
    DoctorView .check { height: auto; }
    DoctorView .check > .sign { width: 2; }
    DoctorView .check > .text { width: 1fr; }
    DoctorView .FAIL { color: $text-error; }
    DoctorView .note { color: $text-warning; }
    DoctorView .fix { color: $text-muted; padding: 0 0 0 4; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll('down')", show=False),
        Binding("k", "scroll('up')", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._shown: list[Check] = []

    def content(self) -> ComposeResult:
        """Yield the place of the checks."""
        yield VerticalScroll(id="checks")

    def forget(self) -> None:
        """Let go of another cluster's checks."""
        self._shown = []
        self.query_one("#checks").remove_children()
        self.say_head("")
        self.say_empty("looking …")

    async def ask(self) -> None:
        """Have the daemon look."""
        name = self.cluster
        checks = await self.backend.ask(lambda client: list(client.doctor(name)))
        checks.sort(key=lambda check: _ORDER.get(check.result, 0))
        self.say_empty("")
        self.say_head(*_counts(checks))
        if checks != self._shown:
            self._shown = checks
            place = self.query_one("#checks", VerticalScroll)
            await place.remove_children()
            await place.mount_all(line for check in checks for line in _lines(check))

    def action_scroll(self, where: str) -> None:
        """Show what there is no room for."""
        place = self.query_one("#checks", VerticalScroll)
        place.scroll_relative(y=1 if where == "down" else -1, animate=False)


def _lines(check: Check) -> list[Widget]:
    text = f"{words.safe(check.check)}: {words.safe(check.text)}"
    result = check.result if check.result in _SIGNS else "note"
    sign = Static(words.text(_SIGNS.get(check.result, "?")), classes=f"sign {result}")
    lines: list[Widget] = [Horizontal(sign, Static(words.text(text), classes=f"text {result}"), classes="check")]
    if check.fix:
        lines.append(Static(words.text(f"→ {words.safe(check.fix)}"), classes="fix"))
    return lines


def _counts(checks: list[Check]) -> tuple[str, ...]:
    failed = sum(check.result == "FAIL" for check in checks)
    notes = sum(check.result == "note" for check in checks)
    found = f"✗ {figures.plural(failed, 'check')} failed" if failed else "✓ no check failed"
    more = f", {figures.plural(notes, 'note')}" if notes else ""
    return f"{found}{more} of {len(checks)}", "`pincrew doctor` looks at this machine, too"
