"""The numbered views, in the order in which they are offered."""

from __future__ import annotations

from pincrew.tui.activity_view import ActivityView
from pincrew.tui.coverage_view import CoverageView
from pincrew.tui.doctor_view import DoctorView
from pincrew.tui.errors_view import ErrorsView
from pincrew.tui.follows_view import FollowsView
from pincrew.tui.overview import Overview
from pincrew.tui.peers_view import PeersView
from pincrew.tui.pins_view import PinsView
from pincrew.tui.view import View

VIEWS: tuple[type[View], ...] = (
    Overview,
    PinsView,
    PeersView,
    ErrorsView,
    ActivityView,
    CoverageView,
    FollowsView,
    DoctorView,
)
