"""Colours: those that Textual has, and two of high contrast. Nothing is told by colour alone."""

from __future__ import annotations

from textual.app import App
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


def register(app: App[None]) -> None:
    """Make our own themes known to the app."""
    for theme in OURS:
        app.register_theme(theme)
