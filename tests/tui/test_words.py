"""What strangers wrote, made harmless, and fitted into cells."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pincrew.tui import words
from rich.cells import cell_len

from pincrew.api.shapes import PinLine
from support.shape_examples import pin_line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Nosferatu (1922)", "Nosferatu (1922)"),
        ("[red]x[/red]", "[red]x[/red]"),
        ("\x1b[2J\x07", "�[2J�"),
        ("a\nb\tc", "a�b�c"),
        ("\u202egnp.exe", "�gnp.exe"),
        ("\u200bx\u2066y", "�x�y"),
        ("e\u0301", "e\u0301"),
        ("z" + "\u0301" * 9, "z\u0301\u0301"),
        ("\u0301x", "x"),
        ("❤\ufe0f", "❤"),
        ("世界", "世界"),
    ],
)
def test_safe(text: str, shown: str) -> None:
    assert words.safe(text) == shown


@given(st.text(max_size=60), st.integers(0, 40))
def test_whatever_it_is_it_fits_and_is_one_line(text: str, width: int) -> None:
    shown = words.shorten(words.safe(text), width)
    assert cell_len(shown) <= width
    assert all(character.isprintable() for character in shown)


@given(st.text(max_size=60))
def test_ascii_is_as_wide(text: str) -> None:
    safe = words.safe(text)
    assert words.ascii_text(safe).isascii() and cell_len(words.ascii_text(safe)) == cell_len(safe)


def test_it_is_the_middle_that_is_lost() -> None:
    assert words.shorten("gutenberg/0000/pg000019-images.zip", 20) == "gutenbe…9-images.zip"


def test_every_state_has_its_own_sign_and_word() -> None:
    states = ["pinned", "pinning", "queued", "error", "skipped", "unpinning"]
    assert len({words.pin_state(state)[0] for state in states}) == len(states)
    assert words.pin_state("of a later version") == "? of a later version"
    assert words.cluster_state("complete") == "✓ complete"
    assert isinstance(pin_line(), PinLine) and pin_line().state in words.PIN_SIGNS


def test_text_is_never_read_as_markup() -> None:
    assert words.text("[bold]x[/bold]").plain == "[bold]x[/bold]"


def test_each_state_of_a_pin_has_a_sign_of_its_own() -> None:
    """In a narrow window the sign stands alone; in ASCII too."""
    signs = list(words.PIN_SIGNS.values())
    assert len({*signs}) == len({words.ascii_text(sign) for sign in signs}) == len(signs)
