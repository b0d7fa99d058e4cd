"""A bar on stderr where it is a terminal, and what passes through it."""

from __future__ import annotations

import io

import pytest

from pincrew.cli import state_progress
from pincrew.cli.output import Output


class Terminal(io.StringIO):
    """A stream that says it is one."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def drawn(*, is_drawn: bool = True, is_json: bool = False, is_plain: bool = False, err: io.StringIO) -> list[int]:
    output = Output(is_json=is_json, is_plain=is_plain, environment={"TERM": "xterm"}, out=io.StringIO(), err=err)
    with state_progress.shown(output, "books", 1_200, is_drawn=is_drawn) as progress:
        return list(progress.over(range(1_200)))


def test_it_is_drawn_on_a_terminal_even_where_the_data_goes_to_a_file() -> None:
    err = Terminal()
    assert drawn(err=err) == list(range(1_200))
    assert "books" in err.getvalue() and "/1200" in err.getvalue()


@pytest.mark.parametrize("changes", [{"is_json": True}, {"is_plain": True}, {"is_drawn": False}])
def test_it_is_not_drawn_where_it_is_not_wanted(changes: dict[str, bool]) -> None:
    err = Terminal()
    assert drawn(err=err, **changes) == list(range(1_200))
    assert err.getvalue() == ""


def test_no_terminal() -> None:
    err = io.StringIO()
    assert drawn(err=err) == list(range(1_200))
    assert err.getvalue() == ""
