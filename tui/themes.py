"""Colours: those that Textual has, and two of high contrast. Nothing is told by colour alone.

Many themes have words that can hardly be read on their own grounds, like orange on light grey: their words are moved
towards black or white until they can.
"""

from __future__ import annotations

from textual.app import App
from textual.color import BLACK, WHITE, Color, ColorParseError
from textual.theme import Theme

_CONTRAST_DARK = Theme(
    name="contrast-dark",
    primary="#00d7ff",
    secondary="#ffffff",
    accent="#ffff00",
    warning="#ffd700",
    error="#ff8080",
    success="#5fff5f",
    foreground="#ffffff",
    background="#000000",
    surface="#000000",
    panel="#1c1c1c",
    boost="#262626",
    dark=True,
    luminosity_spread=0.3,
    variables={
        "text-muted": "#e4e4e4",
        "text-disabled": "#c6c6c6",
        "text-primary": "#87e9ff",
        "text-success": "#5fff5f",
        "text-warning": "#ffd700",
        "text-error": "#ff9c9c",
        "block-cursor-background": "#ffff00",
        "block-cursor-foreground": "#000000",
        "block-cursor-text-style": "bold",
        "border": "#ffffff",
    },
)
_CONTRAST_LIGHT = Theme(
    name="contrast-light",
    primary="#00409f",
    secondary="#000000",
    accent="#00409f",
    warning="#6b4a00",
    error="#a00000",
    success="#005a00",
    foreground="#000000",
    background="#ffffff",
    surface="#ffffff",
    panel="#e4e4e4",
    boost="#d0d0d0",
    dark=False,
    variables={
        "text-muted": "#262626",
        "text-disabled": "#444444",
        "text-primary": "#00409f",
        "text-success": "#005a00",
        "text-warning": "#6b4a00",
        "text-error": "#a00000",
        "block-cursor-background": "#00306f",
        "block-cursor-foreground": "#ffffff",
        "block-cursor-text-style": "bold",
        "border": "#000000",
    },
)

OURS = (_CONTRAST_DARK, _CONTRAST_LIGHT)


CONTRAST_MIN = 4.5  # what WCAG asks for between words and their ground
SIGN_CONTRAST_MIN = 3.0  # and for what is no words
_STEPS = 10
_GROUNDS = ("background", "surface", "panel")
_WORDS = ("text-success", "text-warning", "text-error", "text-accent", "text-primary")


def legible(variables: dict[str, str]) -> dict[str, str]:
    """Return a theme's CSS variables with words that can be read on each of its grounds."""
    changed = dict(variables)
    for name in _WORDS:
        changed[name] = _on(variables[name], [variables[ground] for ground in _GROUNDS])
    cursor = variables["block-cursor-background"]
    cursor_words = variables["block-cursor-foreground"]
    changed["block-cursor-foreground"] = "auto" if cursor_words.startswith("auto") else _on(cursor_words, [cursor])
    changed["scrollbar"] = _on(variables["scrollbar"], [variables["scrollbar-background"]], SIGN_CONTRAST_MIN)
    return changed


def _on(words: str, grounds: list[str], contrast_min: float = CONTRAST_MIN) -> str:
    """Return the nearest colour to ``words`` that can be read; the same where a colour is the terminal's own."""
    try:
        color, backs = Color.parse(words), [Color.parse(ground) for ground in grounds]
    except ColorParseError:
        return words  # chosen by Textual as it paints: `auto 87%`
    if color.ansi is not None or any(back.ansi is not None for back in backs):
        return words
    towards = max((BLACK, WHITE), key=lambda pole: min(contrast(pole, back) for back in backs))
    for step in range(_STEPS + 1):
        mixed = color.blend(towards, step / _STEPS)
        if all(contrast(mixed, back) >= contrast_min for back in backs):
            return mixed.hex
    return towards.hex


def contrast(first: Color, second: Color) -> float:
    """Return how far two colours are apart, from 1 to 21, as WCAG has it."""
    lighter, darker = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color: Color) -> float:
    red, green, blue = (
        part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in color.normalized
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def register(app: App[None]) -> None:
    """Make our own themes known to the app."""
    for theme in OURS:
        app.register_theme(theme)
