"""A table whose rows are all here: peers, causes, clusters, what happened. Its owner bounds how many there are.

It looks and is moved through like the list of pins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from pincrew.tui.line_table import Column, LineTable

T = TypeVar("T")


def no_tone(column: str, row: object) -> str:
    """Give no cell a colour."""
    return ""


class HeldTable(LineTable[T]):
    """Shows rows. The cursor stays on its row while others come and go, but on the first line it stays first."""

    def __init__(
        self,
        columns: Sequence[Column],
        cells: Callable[[T], Sequence[str]],
        key: Callable[[T], str],
        tone: Callable[[str, T], str] = no_tone,
        *,
        has_details: bool = False,
        id: str | None = None,
    ) -> None:
        """``has_details``: enter on a row does something."""
        super().__init__(columns, cells, key, tone, id=id)
        self._has_details = has_details
        self.rows: Sequence[T] = ()

    def row(self, index: int) -> T | None:
        """Return a row; None beyond the last one."""
        return self.rows[index] if 0 <= index < len(self.rows) else None

    def put(self, rows: Sequence[T]) -> None:
        """Show these rows instead; of those on the screen only what changed is painted again."""
        cursor, current = self.cursor, self.current
        first, last = self._visible_rows()
        before = [self.row(index) for index in range(first, last + 1)]
        self.rows = rows
        is_other_length = len(rows) != self.total
        self.is_counted = True
        if is_other_length:
            self._set_total(len(rows))
        same = {index for index, row in enumerate(before, first) if row is not None and row == self.row(index)}
        for line in [line for line in self._lines if line[0] not in same]:
            del self._lines[line]
        for index in range(first, last + 1):
            if index not in same:
                self._refresh_row(index)
        if is_other_length:
            self.refresh()
        self._keep_place(current, cursor)
        if self.current != current:
            self._tell_cursor()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer no key that does nothing."""
        return (action != "select" or self._has_details) and super().check_action(action, parameters)

    def _keep_place(self, before: T | None, cursor: int) -> None:
        """Follow the row that was under the cursor, with as much above it as before."""
        if before is None or cursor == 0:
            return
        key = self._key(before)
        index = next((number for number, row in enumerate(self.rows) if self._key(row) == key), None)
        if index is not None and index != self.cursor:
            self.scroll_to(y=max(0, self.scroll_offset.y + index - cursor), animate=False)
            self.cursor = index
