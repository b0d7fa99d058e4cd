"""The numbered views, in the order in which they are offered. Each is imported when it is first shown: the first frame
waits for none of them."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from pincrew.tui.view import View


@dataclass(frozen=True)
class Numbered:
    """One view: its key, its name, and the class ``name`` of the module ``pincrew.tui.<module>`` that shows it."""

    key: str
    title: str
    module: str
    name: str

    def make(self) -> View:
        """Return a new one."""
        return cast("View", getattr(import_module(f"pincrew.tui.{self.module}"), self.name)())


ERRORS = Numbered("4", "Errors", "errors_view", "ErrorsView")
VIEWS = (
    Numbered("1", "Overview", "overview", "Overview"),
    Numbered("2", "Pins", "pins_view", "PinsView"),
    Numbered("3", "Peers", "peers_view", "PeersView"),
    ERRORS,
    Numbered("5", "Activity", "activity_view", "ActivityView"),
    Numbered("6", "Coverage", "coverage_view", "CoverageView"),
    Numbered("0", "All", "follows_view", "FollowsView"),
    Numbered("d", "Doctor", "doctor_view", "DoctorView"),
)
