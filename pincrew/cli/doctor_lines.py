"""The lines of `doctor`."""

from __future__ import annotations

from collections.abc import Callable

from pincrew.api.shapes import Check
from pincrew.errors import PincrewError


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
