"""The lines of `doctor` and of `serve --check`."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

from pincrew import figures
from pincrew.api.shapes import Check
from pincrew.cli.output import Output
from pincrew.errors import PincrewError

_LINE_COLUMNS_MIN = 40


def shown(output: Output, check: Check) -> None:
    """Print a line, and what to do about it."""
    if output.is_json:
        output.lines([check])
        return
    tone = {"ok": "good", "FAIL": "bad"}.get(check.result, "warn")
    where = f"{check.cluster}: " if check.cluster else ""
    text = _wrapped(output, f"{where}{check.check}: {check.text}", 6)
    output.data(f"{output.styled(f'{check.result:<5}', tone)} {text}")
    if check.fix:
        output.data(f"      → {_wrapped(output, check.fix, 8)}")


def guarded(check: str, ask: Callable[[], str], cluster: str | None = None) -> Check:
    """Return a check that passes unless asking fails."""
    try:
        return ok(check, ask(), cluster)
    except PincrewError as error:
        return failed(check, error, cluster)


def ok(check: str, text: str, cluster: str | None = None) -> Check:
    """Return a check that passed."""
    return Check(cluster, check, "ok", text, None)


def note(check: str, text: str, fix: str | None = None, cluster: str | None = None) -> Check:
    """Return what is worth knowing and no failure."""
    return Check(cluster, check, "note", text, fix)


def wrong(check: str, text: str, fix: str | None, cluster: str | None = None) -> Check:
    """Return a check that failed by what was seen."""
    return Check(cluster, check, "FAIL", text, fix)


def failed(check: str, error: PincrewError, cluster: str | None = None) -> Check:
    """Return a check that failed with an error."""
    where = f" ({error.where})" if error.where else ""
    return wrong(check, f"{error.what.rstrip('.')}{where}", error.next_step or error.means or None, cluster)


def _wrapped(output: Output, text: str, indent: int) -> str:
    """Return a text whose further lines are indented on a terminal; elsewhere it stays one line."""
    text = figures.printable(text)
    if not output.is_terminal:
        return text
    columns = max(_LINE_COLUMNS_MIN, output.width - indent)
    lines = textwrap.wrap(text, columns, break_long_words=False, break_on_hyphens=False)
    return f"\n{' ' * indent}".join(lines)
