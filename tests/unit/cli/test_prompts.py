"""Asking, and not asking where nobody is there."""

from __future__ import annotations

import io
import os
import sys

import pytest

from pincrew.cli.invocation import Invocation
from pincrew.cli.output import Output
from pincrew.cli.prompts import agree, ask
from pincrew.errors import Misuse
from pincrew.quantities import parse_size
from support.typist import Keyboard


@pytest.mark.parametrize(
    ("typed", "default", "expected"),
    [
        ("y\n", False, True),
        ("YES\n", False, True),
        ("n\n", True, False),
        ("\n", True, True),
        ("\n", False, False),
        ("", True, False),
        ("what\nno\n", True, False),
    ],
)
def test_answers(monkeypatch: pytest.MonkeyPatch, typed: str, default: bool, expected: bool) -> None:
    monkeypatch.setattr(sys, "stdin", Keyboard(typed))
    monkeypatch.setattr(sys, "stderr", Keyboard())
    assert agree(Invocation(Output(), os.environ), "Really?", is_agreed=False, default=default) is expected


def test_nobody_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    invocation = Invocation(Output(), os.environ)
    assert agree(invocation, "Really?", is_agreed=True, default=False)
    with pytest.raises(Misuse, match="--force"):
        agree(invocation, "Really?", is_agreed=False, default=True, flag="--force")


def test_json_never_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Keyboard("y\n"))
    monkeypatch.setattr(sys, "stderr", Keyboard())
    with pytest.raises(Misuse):
        agree(Invocation(Output(is_json=True), os.environ), "Really?", is_agreed=False, default=True)


def test_what_is_typed_is_checked_and_asked_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", Keyboard("much\n5GB\n\n"))
    monkeypatch.setattr(sys, "stderr", said := Keyboard())
    invocation = Invocation(Output(), os.environ)
    assert ask(invocation, "How much", parse_size, default="1GB", shown="1.00 GB") == "5GB"
    assert said.getvalue().count("How much [1.00 GB]: ") == 2 and "not a size" in said.getvalue()
    assert ask(invocation, "How much", parse_size, default="1GB") == "1GB"
    with pytest.raises(EOFError):
        ask(invocation, "How much", parse_size, default="1GB")
