"""Which key does what. The names are those that a user may give other keys to (the setting `view_keys`).

Control with a letter is left to tmux, screen and flow control, but for the palette.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pincrew.tui.views import ERRORS, Numbered
from textual.binding import Binding

from pincrew.errors import Misuse


@dataclass(frozen=True)
class Act:
    """Something that a key does to the cluster shown: the coroutine function ``name`` of ``pincrew.tui.actions``.

    It is called with the app, the cluster's name and the CIDs that are marked, or that under the cursor.
    """

    name: str
    key: str
    label: str
    help: str
    is_on_pins: bool = False  # it needs a list of pins on the screen
    role: str | None = None  # only a peer of this role can do it
    is_shown: bool = False  # in the line of keys, where there is room


ACTS = (
    Act("pause", "p", "Pause", "Fetch nothing new for a while, or go on", is_shown=True),
    Act("change_limits", "l", "Limits", "How much of the disk and the line it may take", is_shown=True),
    Act("retry", "r", "Retry", "Try the marked pins again now", is_on_pins=True, is_shown=True),
    Act("retry_all", "R", "Retry all", "Try every pin in error again now, of those that the filter finds"),
    Act("fetch_next", "n", "Next", "Fetch the marked pins before others", is_on_pins=True, role="follower"),
    Act("skip", "x", "Skip", "Do not keep the marked pins, or keep them again", is_on_pins=True, role="follower"),
    Act("decide", "c", "Decide", "Answer what waits for you: new terms, or a mass removal"),
    Act("join", "a", "Join", "Follow another cluster", is_shown=True),
    Act("leave", "L", "Leave", "Stop following this list"),
    Act("add_pin", "A", "Add", "Put a CID on the list", role="curator", is_shown=True),
    Act("edit_pin", "e", "Edit", "Change a pin's name or expiry", is_on_pins=True, role="curator", is_shown=True),
    Act("remove_pins", "D", "Remove", "Take the marked pins from the list", True, "curator", is_shown=True),
)

# The keys of the app itself. Those that are shown come first in the line of keys.
KEYS = (
    Binding("slash", "filter", "Filter", key_display="/", id="filter", tooltip="Show only pins that match"),
    Binding("question_mark", "help", "Keys", key_display="?", id="help", tooltip="Every key of this screen"),
    Binding("q", "close", "Close", id="close", tooltip="Close this view; following goes on"),
    Binding("t", "change_theme", "Theme", show=False, id="theme", tooltip="Choose other colours"),
    Binding("s", "start_daemon", "Start", id="start_daemon", tooltip="Start pincrew's daemon"),
)


def act_bindings() -> list[Binding]:
    """Return the bindings of all acts."""
    return [
        Binding(act.key, f"act('{act.name}')", act.label, show=act.is_shown, id=act.name, tooltip=act.help)
        for act in ACTS
    ]


def parsed_keys(text: str) -> dict[str, str]:
    """Return which keys a user chose, from ``retry=f5, pause=P``. Raises Misuse."""
    names = {act.name for act in ACTS} | {binding.id for binding in KEYS if binding.id}
    chosen: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, key = (piece.strip() for piece in part.partition("="))
        if not equals or not key or name not in names:
            raise Misuse(
                f"{part!r} gives no key to something that the terminal view does",
                where="view_keys",
                next_step=f"Write it like `retry=f5, pause=P`; there are {', '.join(sorted(names))}",
            )
        chosen[name] = key
    return chosen


def view_bindings(views: Sequence[Numbered]) -> list[Binding]:
    """Return a binding for each view; `!` is the errors' too."""
    found = []
    for view in views:
        keys = f"{view.key},exclamation_mark" if view is ERRORS else view.key
        tooltip = f"Show the view {view.title}"
        found.append(
            Binding(keys, f"open_view('{view.key}')", view.title, show=False, id=f"view.{view.key}", tooltip=tooltip)
        )
    return found
