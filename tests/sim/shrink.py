"""From a list that fails to a small one that still fails: delta debugging."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def shrink(items: Sequence[Item], fails: Callable[[Sequence[Item]], bool]) -> list[Item]:
    """Return a part of ``items``, in their order, that fails and of which no single item can be left out.

    ``items`` as a whole must fail. Parts are tried from half of the list down to single items.
    """
    left, size = list(items), max(1, len(items) // 2)
    while left:
        is_smaller, at = False, 0
        while at < len(left):
            rest = left[:at] + left[at + size :]
            if fails(rest):
                left, is_smaller = rest, True
            else:
                at += size
        if size == 1 and not is_smaller:
            break
        size = max(1, min(size // 2 if not is_smaller else size, len(left) // 2))
    return left
