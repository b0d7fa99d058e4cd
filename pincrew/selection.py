"""Which of the list's pins this peer keeps at all: the user's own word, denylists, and the part that fits. Pure.

Rules, the first that applies wins:

1. What the user said of one pin (`skip`, `next`) holds over everything but a denylist.
2. What a denylist of the user's denies is not kept; of several lists the later ones decide (`pincrew.denylist`).
3. Where a part is kept, what lies outside of it is not kept.

Nothing here comes from other peers, and nothing that they claim moves it (invariant 15). Whether there is *room* for
what is selected is `pincrew.room`'s to say. Who changes what is selected has the rows looked at again
(`pincrew.reconsidering`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from pincrew.denylist import Denylist, ruling
from pincrew.tracker import DENIED, NOT_PART, SKIPPED_BY_USER, Fault
from pincrew.values import Choice, Pin


class Part(Protocol):
    """The part of the list that fits: what `pincrew.part` decides."""

    def keeps(self, pin: Pin) -> bool:
        """Say whether a pin is in it; cheap, for it is asked of every row."""


class Selection:
    """What one cluster's peer keeps. Its attributes are set by whoever learns of a change."""

    def __init__(
        self,
        *,
        choices: Mapping[bytes, Choice] | None = None,
        denylists: Sequence[Denylist] = (),
        part: Part | None = None,
    ) -> None:
        """``part`` None: all of the list, as far as there is room."""
        self.choices: dict[bytes, Choice] = dict(choices or {})
        self.denylists: Sequence[Denylist] = denylists
        self.part: Part | None = part

    @property
    def is_everything(self) -> bool:
        """Whether no rule excludes anything."""
        return not (self.choices or self.denylists or self.part)

    def verdict(self, pin: Pin) -> Fault | None:
        """Return why ``pin`` is not kept, None where it is. Looks at nothing but its CID, name and size."""
        choice = self.choices.get(pin.cid)
        if choice is Choice.SKIP:
            return Fault(SKIPPED_BY_USER, "you skipped it; `pincrew skip --undo` takes that back")
        denied = ruling(self.denylists, pin) if self.denylists else None
        if denied is not None and denied.denies:
            return Fault(DENIED, f"line {denied.line} of your denylist {denied.rule}".rstrip())
        if choice is None and self.part is not None and not self.part.keeps(pin):
            return Fault(NOT_PART, "the whole list is larger than your limit; others keep this")
        return None
