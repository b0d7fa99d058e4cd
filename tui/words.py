"""How things are said on the screen: signs, states, and what strangers wrote, made harmless.

Every string that comes from the daemon goes through ``safe`` on its way to the screen, and into a ``Text`` there: Rich
markup is never read from data.
"""

from __future__ import annotations

import unicodedata

from rich.cells import cell_len, set_cell_size
from rich.text import Text

_COMBINING_MAX = 2  # on one letter: more are never a language, and pile up over other lines
_VARIATIONS = range(0xFE00, 0xFE10)  # they change a letter's width in some terminals and not in others

# Each state of a pin has its own sign, so that no colour is needed to tell it.
PIN_SIGNS = {
    "pinned": "✓",
    "pinning": "↓",
    "queued": "·",
    "error": "✗",
    "skipped": "○",
    "remote": "→",
    "unpinning": "↑",
}

CLUSTER_SIGNS = {
    "following": "●",
    "complete": "✓",
    "full": "◑",
    "paused": "❚❚",
    "failed": "✗",
    "stopped": "✗",
    "waiting": "◌",
    "joining": "◌",
    "syncing": "◌",
    "leaving": "◌",
    "consent": "!",
}

# What stands for a sign where the terminal cannot show it: one character each, so that nothing shifts.
ASCII_SIGNS = {
    "✓": "v",
    "↓": ">",
    "↑": "<",
    "·": ".",
    "✗": "x",
    "○": "o",
    "●": "*",
    "◑": "o",
    "◌": "o",
    "❚": "|",
    "★": "*",
    "…": "~",
    "—": "-",
    "–": "-",
    "“": '"',
    "”": '"',
    "→": "-",
    "▸": ">",
    "⏎": "E",
    "▏": "|",
    "▎": "|",
    "│": "|",
    "┃": "|",
    "━": "=",
    "─": "-",
    "╸": "=",
    "╺": "-",
    "╭": "+",
    "╮": "+",
    "╰": "+",
    "╯": "+",
    "█": "#",
    "▁": "_",
    "▂": "_",
    "▃": "_",
    "▄": "=",
    "▅": "=",
    "▆": "#",
    "▇": "#",
    "×": "x",
    "�": "?",
}


def safe(text: str) -> str:
    """Return what a stranger wrote as one line that cannot steer a terminal, turn it around or pile up.

    Control characters and those that order text from right to left become �, as do invisible ones.
    """
    kept: list[str] = []
    combining = 0
    for character in text:
        if ord(character) in _VARIATIONS:
            continue
        if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me"):
            combining += 1
            if combining <= _COMBINING_MAX and kept:
                kept.append(character)
            continue
        combining = 0
        kept.append(character if character.isprintable() else "�")
    return "".join(kept)


def text(content: str, style: str = "") -> Text:
    """Return text that is shown as it is, whatever brackets it holds."""
    return Text(content, style=style, end="")


def shorten(content: str, width: int) -> str:
    """Return ``content`` in at most ``width`` cells; it loses its middle: names differ at their ends, most often."""
    if cell_len(content) <= width:
        return content
    if width < 3:
        return set_cell_size(content, max(width, 0))
    tail_width = (width - 1) * 2 // 3
    head = _leading(content, width - 1 - tail_width)
    tail = _leading(content[::-1], tail_width)[::-1]
    while tail and unicodedata.combining(tail[0]):
        tail = tail[1:]
    return f"{head}…{tail}"


def _leading(content: str, width: int) -> str:
    """Return as many characters as fit into ``width`` cells."""
    used = 0
    for number, character in enumerate(content):
        used += cell_len(character)
        if used > width:
            return content[:number]
    return content


def pin_state(state: str) -> str:
    """Return ``✓ pinned``."""
    return f"{PIN_SIGNS.get(state, '?')} {state}"


def cluster_state(state: str) -> str:
    """Return ``● following``."""
    return f"{CLUSTER_SIGNS.get(state, '?')} {state}"


def ascii_text(content: str) -> str:
    """Return ``content`` in ASCII, as wide as before."""
    if content.isascii():
        return content
    return "".join(
        character if character.isascii() else ASCII_SIGNS.get(character) or "?" * cell_len(character)
        for character in content
    )
