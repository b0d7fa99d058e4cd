"""Words that can be read, whatever the theme."""

from __future__ import annotations

import pytest
from pincrew.tui.themes import CONTRAST_MIN, OURS, contrast, legible
from textual.color import Color
from textual.theme import BUILTIN_THEMES, Theme

THEMES = {**BUILTIN_THEMES, **{theme.name: theme for theme in OURS}}
WORDS = ("text-success", "text-warning", "text-error", "text-accent", "text-primary")
GROUNDS = ("background", "surface", "panel")


def variables(theme: Theme) -> dict[str, str]:
    return theme.to_color_system().generate()


@pytest.mark.parametrize("name", [name for name in THEMES if not name.startswith("ansi")])
def test_every_tone_stands_out_from_each_ground(name: str) -> None:
    shown = legible(variables(THEMES[name]))
    for word in WORDS:
        for ground in GROUNDS:
            apart = contrast(Color.parse(shown[word]), Color.parse(shown[ground]))
            assert apart >= CONTRAST_MIN, (word, ground, apart)


def test_what_could_be_read_stays_as_it_was() -> None:
    before = variables(THEMES["textual-dark"])
    after = legible(before)
    assert [after[word] for word in WORDS] == [before[word] for word in WORDS]


@pytest.mark.parametrize("name", ["ansi-dark", "ansi-light"])
def test_the_terminals_own_colours_are_left_alone(name: str) -> None:
    before = variables(THEMES[name])
    assert legible(before) == before
