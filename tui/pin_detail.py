"""All about one pin: what it is, how far it is, who put it there, and what can be done."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, ClassVar, cast

from pincrew.tui import words
from pincrew.tui.painted import Line, Painted, Piece
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.timer import Timer
from textual.worker import Worker

from pincrew import figures, limits
from pincrew.api.shapes import PinDetail, PinLine
from pincrew.errors import NotFound, PincrewError

if TYPE_CHECKING:
    from pincrew.tui.app import TerminalView

_TONES = {"pinned": "good", "pinning": "busy", "error": "bad"}
_METADATA_SHOWN_MAX = 8
_WORD_CELLS = 9
_ROOM_MIN = 12
_KEYS = {
    "follower": (("r", "retry"), ("x", "skip"), ("n", "fetch next")),
    "curator": (("r", "retry"), ("e", "edit"), ("D", "remove")),
}


class _Text(Painted):
    is_wrapped: ClassVar[bool] = True


class PinDetails(VerticalScroll, can_focus=True):
    """Follows the cursor: what the list knows is there at once, the rest once the cursor rests."""

    DEFAULT_CSS = """
    PinDetails > #about { text-wrap: wrap; text-overflow: fold; }
    PinDetails { padding: 0 1; scrollbar-size-vertical: 1; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._pin: PinLine | None = None
        self._detail: PinDetail | None = None
        self._is_following = False
        self._timer: Timer | None = None

    def compose(self) -> ComposeResult:
        """Hold the text."""
        yield _Text(id="about")

    def follow(self, pin: PinLine | None) -> None:
        """Show this pin, and ask for more once the cursor rests; None: ask for nothing any more."""
        self._is_following = pin is not None
        self._stop()
        if pin is None:
            return
        if self._detail is not None and self._detail.cid != pin.cid:
            self._detail = None
        self._pin = pin
        self._draw()
        if self.is_on_screen:
            self._timer = self.set_timer(limits.VIEW_TYPING_PAUSE_S, self._ask)

    @property
    def is_on_screen(self) -> bool:
        """Whether anybody sees it: what is hidden fetches nothing."""
        return self.display and self.region.width > 0

    def on_show(self) -> None:
        """It has become visible."""
        if self._is_following:
            self.follow(self._pin)

    def on_resize(self) -> None:
        """It may have become visible."""
        if self._is_following and self._detail is None:
            self.follow(self._pin)
        else:
            self._draw()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None

    def _ask(self) -> None:
        self._timer = None
        if self._is_following and self.is_on_screen and self._pin is not None:
            _: Worker[None] = self.run_worker(partial(self._fetch, self._pin), group="detail", exclusive=True)

    def clear(self) -> None:
        """Show nothing: there is no pin."""
        self._pin = self._detail = None
        self.query_one("#about", _Text).set_lines([])

    async def _fetch(self, pin: PinLine) -> None:
        view = cast("TerminalView", self.app)
        name = view.cluster
        try:
            detail = await view.backend.ask(lambda client: client.pin(name, pin.cid))
        except NotFound:
            return  # it has left the list, or the daemon is older: what the list knows stays
        except PincrewError:
            detail = None
        if self._pin is None or self._pin.cid != pin.cid or not self._is_following:
            return
        self._detail = detail or self._detail
        self._draw()
        if detail is None or detail.state == "pinning":
            self._stop()
            self._timer = self.set_timer(limits.VIEW_POLL_S if detail else limits.VIEW_RETRY_S, self._ask)

    def _draw(self) -> None:
        if self._pin is not None and self.is_mounted:
            view = cast("TerminalView", self.app)
            summary = view.summary(view.cluster)
            keys = () if summary is None or view.is_read_only else _KEYS.get(summary.role, ())
            room = max(_ROOM_MIN, self.query_one("#about", _Text).content_size.width or self.content_size.width)
            lines = about(self._pin, self._detail, view.now(), keys=keys, room=room)
            self.query_one("#about", _Text).set_lines(lines)


def about(
    pin: PinLine, detail: PinDetail | None, now: datetime, *, keys: Sequence[tuple[str, str]], room: int
) -> list[Line]:
    """Return the lines about a pin, of at most ``room`` cells; ``keys`` act on it."""
    newest = detail if detail is not None else pin
    lines: list[Line] = [[Piece(words.safe(pin.name) or "(no name)", "strong")], *_state_lines(newest, detail, now)]
    lines += [[], [Piece(pin.cid)], []]
    rows = _origin_rows(detail, now) if detail is not None else []
    if newest.tries:
        following = f", next {figures.until(newest.next_try, now)}" if newest.next_try else ""
        rows.append(("tries", f"{figures.count(newest.tries)}{following}"))
    if newest.checked:
        rows.append(("checked", f"{figures.ago(newest.checked, now)}, all blocks sound"))
    if detail is not None:
        shown = list(detail.metadata.items())[:_METADATA_SHOWN_MAX]
        rows += [(words.safe(key), words.safe(value)) for key, value in shown]
    lines += [line for word, text in rows for line in _row(word, text, room)]
    lines += [*([[]] if rows else []), [Piece("y", "key"), Piece(" copy CID  "), Piece("o", "key"), Piece(" open")]]
    if keys:
        lines.append([piece for key, word in keys for piece in (Piece(key, "key"), Piece(f" {word}  "))])
    return lines


def _state_lines(newest: PinLine | PinDetail, detail: PinDetail | None, now: datetime) -> list[Line]:
    state = Piece(words.pin_state(newest.state), _TONES.get(newest.state, "dim"))
    if newest.state == "pinning":
        amount = figures.size(newest.bytes_done) if newest.bytes_done is not None else ""
        if newest.size:
            amount = f"{amount or '?'} of {figures.size(newest.size)}"
        if not amount and newest.blocks_done is not None:
            amount = figures.plural(newest.blocks_done, "block")
        lines: list[Line] = [[state, Piece(f" {amount}")]]
        if detail is not None:
            last = f"last block {figures.ago(detail.last_block, now)}" if detail.last_block else "no block yet"
            serving = f" from {figures.plural(detail.serving, 'peer')}" if detail.serving else ""
            rate = f", {figures.size(detail.rate)}/s" if detail.rate else ""
            lines.append([Piece(f"{last}{serving}{rate}", "dim")])
        return lines
    lines = [[state, Piece(f" {figures.size(newest.size)}" if newest.size is not None else ", size not known")]]
    said = newest.error or newest.cause
    if said and newest.state != "pinned":
        lines.append([Piece(words.safe(said), "bad" if newest.state == "error" else "")])
    if detail is not None and detail.next_step:
        lines.append([Piece(words.safe(detail.next_step), "dim")])
    if detail is not None and detail.choice:
        chosen = {"skip": "you do not want it (x takes that back)", "next": "you want it before others"}
        lines.append([Piece(chosen.get(detail.choice, detail.choice), "warn")])
    return lines


def _origin_rows(detail: PinDetail, now: datetime) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    if detail.added:
        who = f"…{detail.added_by[-6:]}" if detail.added_by else ""
        if detail.added_by_name:
            who = f"“{words.safe(detail.added_by_name)}” ({who})"
        rows.append(("added", f"{figures.ago(detail.added, now)}{f' by {who}' if who else ''}"))
    if detail.expires:
        rows.append(("expires", figures.until(detail.expires, now)))
    if detail.copies is not None:
        peers = figures.plural(round(detail.copies), "peer")
        rows.append(("copies", f"about {peers}, by what they announce"))
    return rows


def _row(word: str, text: str, room: int) -> list[Line]:
    """Return a word and what is said of it; the lines after the first stand below that."""
    texts = textwrap.wrap(text, max(1, room - _WORD_CELLS)) or [""]
    first: Line = [Piece(f"{word:<{_WORD_CELLS - 1}} ", "dim"), Piece(texts[0])]
    return [first, *([Piece(" " * _WORD_CELLS), Piece(more)] for more in texts[1:])]
