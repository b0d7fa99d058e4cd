"""Who gets the terminal view, and who never does: Textual itself would draw into any pipe."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable

import pytest

from pincrew.cli import terminal_view
from pincrew.cli.invocation import Invocation
from pincrew.cli.output import Output
from support.shell import Shell
from support.typist import Keyboard

XTERM = {"TERM": "xterm"}


def invocation(
    environment: dict[str, str], *, out: io.StringIO | None = None, err: io.StringIO | None = None, **options: bool
) -> Invocation:
    output = Output(environment=environment, out=out or Keyboard(), err=err or Keyboard(), **options)
    return Invocation(output, environment)


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Keyboard())


@pytest.mark.usefixtures("typed")
@pytest.mark.parametrize(
    ("make", "is_possible"),
    [
        (lambda: invocation(XTERM), True),
        (lambda: invocation(XTERM | {"NO_COLOR": "1"}), True),
        (lambda: invocation(XTERM, is_plain=True), False),
        (lambda: invocation(XTERM, is_json=True), False),
        (lambda: invocation(XTERM | {"PINCREW_PLAIN": "1"}), False),
        (lambda: invocation(XTERM | {"CI": "true"}), False),
        (lambda: invocation({"TERM": "dumb"}), False),
        (lambda: invocation({}), False),
        (lambda: invocation(XTERM, out=io.StringIO()), False),
        (lambda: invocation(XTERM, err=io.StringIO()), False),
    ],
)
def test_who_gets_it(make: Callable[[], Invocation], is_possible: bool) -> None:
    assert terminal_view.is_possible(make()) is is_possible


def test_a_pipe_on_stdin_never_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert not terminal_view.is_possible(invocation(XTERM))
    monkeypatch.setattr(sys, "stdin", None)
    assert not terminal_view.is_possible(invocation(XTERM))


def test_without_a_terminal_it_says_what_to_type(shell: Shell) -> None:
    said = shell("tui")
    assert said.code == 2 and "needs a terminal" in said.err and "`pincrew status`" in said.err
    assert said.out == ""
    assert shell("tui", "--json").code == 2


def test_pincrew_alone_is_short_help_where_there_is_no_terminal(shell: Shell) -> None:
    shell.followed()
    said = shell()
    assert said.code == 0 and "pincrew follow SOURCE" in said.out and "\x1b" not in said.out + said.err


@pytest.mark.usefixtures("typed")
def test_pincrew_alone_opens_it_where_something_is_followed(shell: Shell) -> None:
    environment = XTERM | {"PINCREW_HOME": str(shell.home.root)}
    assert not terminal_view.is_useful(invocation(environment))
    shell.followed()
    assert terminal_view.is_useful(invocation(environment))
