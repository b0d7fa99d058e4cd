"""What keys do to a cluster: each shows its dialog, and says what was done.

Every one is called alike, with the app, the cluster's name and the pins that are marked; it runs in a worker, and a
PincrewError that it raises is shown. What can be taken back and touches one pin alone needs no dialog.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pincrew.tui import words
from pincrew.tui.dialog import Dialog
from pincrew.tui.dialogs.choice import ChoiceDialog, taken
from pincrew.tui.dialogs.joining import JoinDialog
from pincrew.tui.dialogs.leaving import LeaveDialog
from pincrew.tui.dialogs.limits import LimitsDialog
from pincrew.tui.dialogs.listing import AddDialog, EditDialog, RemoveDialog
from pincrew.tui.dialogs.pausing import PauseDialog
from pincrew.tui.dialogs.removals import RemovalsDialog
from pincrew.tui.dialogs.retry import RetryDialog, retried
from pincrew.tui.dialogs.source import SourceDialog

from pincrew.values import Choice

if TYPE_CHECKING:
    from pincrew.tui.app import TerminalView

_MASS_REMOVAL = "mass_removal"


async def pause(app: TerminalView, cluster: str, cids: Sequence[str]) -> None:
    """Show the pause menu, or end a pause."""
    summary = app.summary(cluster)
    if summary is None or summary.state != "paused":
        await _ask(app, PauseDialog(cluster))
        return
    await app.backend.ask(lambda client: client.resume(cluster))
    _say(app, f"{cluster} goes on: what is missing is fetched.")


async def change_limits(app: TerminalView, cluster: str, cids: Sequence[str]) -> None:
    """Show the limits, to be changed."""
    await _ask(app, LimitsDialog(cluster))


async def retry(app: TerminalView, cluster: str, cids: Sequence[str]) -> None:
    """Try pins again: nothing can be lost by it."""
    _say(app, retried(await app.backend.ask(lambda client: sum(client.retry(cluster, cid) for cid in cids))))


async def retry_all(app: TerminalView, cluster: str, cids: Sequence[str]) -> None:
    """Try every pin in error again, of those that are shown."""
    await _ask(app, RetryDialog(cluster, app.narrowing))


async def fetch_next(app: TerminalView, cluster: str, cids: Sequence[str]) -> None:
    """Fetch pins before others."""
    if len(cids) > 1:
        await _ask(app, ChoiceDialog(cluster, cids, Choice.NEXT))
        return
    _say(app, taken(await app.backend.ask(lambda client: client.choose(cluster, cids, Choice.NEXT.value))))


async def skip(app: TerminalView, cluster: str, cids: Sequence[str]) -> None:
    """Skip pins, or keep them again."""
    await _ask(app, ChoiceDialog(cluster, cids, Choice.SKIP))


async def decide(app: TerminalView, cluster: str, cids: Sequence[str]) -> None:
    """Show what waits for the user's word: a mass removal, else the config document."""
    summary = app.summary(cluster)
    reasons = [] if summary is None else [reason.code for reason in summary.reasons]
    await _ask(app, RemovalsDialog(cluster) if _MASS_REMOVAL in reasons else SourceDialog(cluster))


async def join(app: TerminalView, cluster: str, cids: Sequence[str]) -> None:
    """Follow another cluster, and show it."""
    dialog = JoinDialog()
    await _ask(app, dialog)
    if dialog.joined:
        app.show_cluster(dialog.joined)


async def leave(app: TerminalView, cluster: str, cids: Sequence[str]) -> None:
    """Stop following."""
    await _ask(app, LeaveDialog(cluster))


async def add_pin(app: TerminalView, cluster: str, cids: Sequence[str]) -> None:
    """Put a CID on the list."""
    await _ask(app, AddDialog(cluster))


async def edit_pin(app: TerminalView, cluster: str, cids: Sequence[str]) -> None:
    """Change the name or expiry of a pin."""
    await _ask(app, EditDialog(cluster, cids[0]))


async def remove_pins(app: TerminalView, cluster: str, cids: Sequence[str]) -> None:
    """Take pins off the list."""
    await _ask(app, RemoveDialog(cluster, cids))


async def _ask(app: TerminalView, dialog: Dialog[str]) -> None:
    """Show a dialog until it is answered, and say what was done."""
    done = await app.push_screen_wait(dialog)
    if done:
        _say(app, done)


def _say(app: TerminalView, text: str) -> None:
    app.notify(words.safe(text), markup=False)
