"""What `pins` prints of each pin, on terminals of any width and in a pipe."""

from __future__ import annotations

import io
from typing import Any

import pytest

from pincrew.api.shapes import PinLine
from pincrew.cli import pins
from pincrew.cli.output import Output
from support.shape_examples import CID

LINE = PinLine(
    cluster="books",
    cid=CID,
    name="a.iso",
    state="skipped",
    cause="denied by your list",
    error="line 2 of your denylist /name/*.iso",
    tries=0,
    next_try=None,
    size=2_000_000,
    bytes_done=None,
    blocks_done=None,
    updated="2026-01-01T00:00:00.000Z",
    checked=None,
)


class Terminal(io.StringIO):
    encoding = "utf-8"  # type: ignore[assignment]

    def isatty(self) -> bool:
        return True


def shown(monkeypatch: pytest.MonkeyPatch, columns: int | None, line: PinLine, **options: Any) -> tuple[str, str]:
    """Return what goes to stdout and to stderr; ``columns`` None: into a pipe."""
    monkeypatch.setenv("COLUMNS", str(columns or 80))
    out, err = (io.StringIO(), io.StringIO()) if columns is None else (Terminal(), Terminal())
    output = Output(environment={"TERM": "xterm", "NO_COLOR": "1"}, out=out, err=err)
    assert pins.print_lines(output, iter([line]), **options) == 1
    return out.getvalue(), err.getvalue()


def test_a_narrow_terminal_shows_names_and_says_where_cids_are(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = shown(monkeypatch, 80, LINE)
    assert "a.iso  (denied by your list)" in out and CID not in out and "100 columns" in err
    assert max(map(len, out.splitlines())) <= 80
    out, _ = shown(monkeypatch, 60, PinLine(**{**_fields(), "name": "x" * 99}))
    assert max(map(len, out.splitlines())) <= 60 and "(denied by your list)" in out


@pytest.mark.parametrize("columns", [120, None])
def test_where_there_is_room_cids_are_shown(monkeypatch: pytest.MonkeyPatch, columns: int | None) -> None:
    out, err = shown(monkeypatch, columns, LINE)
    assert CID in out and not err


def test_a_single_pin_says_more(monkeypatch: pytest.MonkeyPatch) -> None:
    out, _ = shown(monkeypatch, 120, LINE, is_detailed=True)
    assert "             line 2 of your denylist /name/*.iso" in out.splitlines()
    pinned = PinLine(**{**_fields(), "state": "pinned", "cause": None, "error": None})
    assert "re-read and found sound: never yet" in shown(monkeypatch, 120, pinned, is_detailed=True)[0]
    assert "sound" not in shown(monkeypatch, 120, pinned)[0]


def _fields() -> dict[str, Any]:
    return {name: getattr(LINE, name) for name in LINE.__struct_fields__}
