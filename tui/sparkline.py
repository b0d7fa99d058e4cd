"""A line of bars: how much, one sample after the other, newest last. Pure."""

from __future__ import annotations

from collections.abc import Sequence

_BARS = "▁▂▃▄▅▆▇"  # never full height: graphs in lines one above the other stay apart


def sparkline(values: Sequence[float | None], width: int) -> str:
    """Return ``width`` characters for the newest samples.

    Several samples that share a character show their mean; nothing known is a space. The highest bar is the largest
    of all; where nothing happened, the line lies flat.
    """
    if width <= 0:
        return ""
    per_bar = max(1, -(-len(values) // width))
    newest = values[-per_bar * width :]
    start = len(newest) % per_bar
    groups = [newest[:start]] if start else []
    groups += [newest[at : at + per_bar] for at in range(start, len(newest), per_bar)]
    heights = [_mean(group) for group in groups][-width:]
    top = max((height for height in heights if height is not None), default=0)
    return "".join(_bar(height, top) for height in heights).rjust(width)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _bar(height: float | None, top: float) -> str:
    if height is None:
        return " "
    if top <= 0 or height <= 0:
        return _BARS[0]
    return _BARS[min(len(_BARS) - 1, int(height / top * (len(_BARS) - 1) + 0.5))]


def bar(share: float, width: int) -> tuple[str, str]:
    """Return a bar of ``width`` characters in its two parts, done and left; its steps are half characters."""
    halves = round(max(0.0, min(1.0, share)) * width * 2)
    if 0.0 < share < 1.0:
        halves = min(max(1, halves), 2 * width - 1)  # something is not nothing, and not all is not all
    done = "━" * (halves // 2) + ("╸" if halves % 2 else "")
    return done, "─" * (width - len(done))
