"""The last line: the keys that matter here and now, as many as fit, most important first."""

from __future__ import annotations

from collections.abc import Sequence

from pincrew.tui.painted import Painted, Piece
from rich.cells import cell_len
from textual.binding import ActiveBinding
from textual.screen import Screen

# Where there is room for few, these go first; others follow as they are bound, and the palette stands at the right.
_FIRST = (
    "start_daemon",
    "submit",
    "back",
    "select",
    "filter",
    "act('add_pin')",
    "act('pause')",
    "close",
    "help",
    "act('edit_pin')",
    "act('remove_pins')",
    "act('change_limits')",
    "act('retry')",
)
_PALETTE = "^p palette"


class KeyLine(Painted):
    """Follows the live bindings; a click on a key presses it."""

    DEFAULT_CSS = """
    KeyLine { height: 1; background: $panel; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._offered: Sequence[ActiveBinding] = ()

    def on_mount(self) -> None:
        """Follow the bindings of the screen."""
        self.screen.bindings_updated_signal.subscribe(self, self._updated)
        self._updated(self.screen)

    def on_resize(self) -> None:
        """Fit the new width."""
        self._draw()

    def _updated(self, screen: Screen[object]) -> None:
        if self.app.screen is self.screen:  # below a dialog it stays as it was
            self._offered = self._shown_bindings()
            self._draw()

    def _draw(self) -> None:
        room = (self.size.width or 80) - len(_PALETTE) - 2
        line = [Piece(" ")]
        used = 1
        for active in self._offered:
            binding = active.binding
            key = binding.key_display or self.app.get_key_display(binding)
            width = cell_len(key) + cell_len(binding.description) + 3
            if used + width > room:
                break
            action = f"app.simulate_key('{binding.key}')"
            line += [Piece(key, "key", action), Piece(f" {binding.description}  ", "", action)]
            used += width
        line += [Piece(" " * max(0, room - used + 1)), Piece(_PALETTE, "dim", "app.command_palette")]
        self.set_lines([line])

    def _shown_bindings(self) -> list[ActiveBinding]:
        found: dict[str, ActiveBinding] = {}
        for active in self.screen.active_bindings.values():
            if active.binding.show and active.enabled and active.binding.action not in found:
                found[active.binding.action] = active
        return sorted(found.values(), key=_importance)


def _importance(active: ActiveBinding) -> int:
    action = active.binding.action
    return _FIRST.index(action) if action in _FIRST else len(_FIRST)
