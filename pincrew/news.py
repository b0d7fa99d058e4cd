"""What is told to the outside of how the clusters do: once per change of state, once per reason, and the all-clear.

Pure: summaries and the time in, news out. What is new is told when it has lasted for a while, so that a peer that comes
and goes, or a pin that is fetched within seconds, wakes nobody; what was told is remembered over restarts, so that a
daemon that comes back and finds all as it was says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from pincrew.health import ClusterState

_TROUBLES = {
    state.value
    for state in (
        ClusterState.WAITING,
        ClusterState.CONSENT,
        ClusterState.FULL,
        ClusterState.STOPPED,
        ClusterState.FAILED,
    )
}
_REMEMBERED_MAX = 1_000


class Kind(StrEnum):
    """What an item of news means to somebody who is woken by it."""

    TROUBLE = "trouble"
    ALL_CLEAR = "all_clear"
    STATE = "state"


@dataclass(frozen=True, slots=True)
class Sight:
    """A cluster as it is seen at one moment; ``reasons`` are texts by code."""

    cluster: str
    id: str
    state: str
    reasons: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Item:
    """One item of news. ``code`` is a reason's, None where the state changed; ``before``: the state that was told."""

    kind: Kind
    cluster: str
    id: str
    state: str
    before: str | None
    code: str | None
    text: str


@dataclass
class _Told:
    """What was told of a cluster last, and since when it is seen otherwise (by state or by code)."""

    id: str
    state: str | None = None
    reasons: dict[str, str] = field(default_factory=dict)
    state_seen: tuple[str, float] | None = None
    reasons_seen: dict[str, float] = field(default_factory=dict)


class News:
    """What has been told. ``look`` again and again."""

    def __init__(self, remembered: Mapping[str, Any] | None = None) -> None:
        """``remembered`` is what ``memory`` returned in an earlier life; of what is none, nothing is taken."""
        self._told: dict[str, _Told] = {}
        for name, fields in list((remembered or {}).items())[:_REMEMBERED_MAX]:
            match fields:
                case {"id": str(found), "state": str(state), "reasons": dict(reasons)}:
                    self._told[name] = _Told(found, state, {str(code): str(text) for code, text in reasons.items()})

    def memory(self) -> dict[str, Any]:
        """Return what was told, for a later life; plain values."""
        return {
            name: {"id": told.id, "state": told.state, "reasons": told.reasons}
            for name, told in self._told.items()
            if told.state is not None
        }

    def look(self, sights: Iterable[Sight], *, now_s: float, settle_s: float) -> list[Item]:
        """Return what is to be told: what is otherwise than it was told, and has been for ``settle_s``."""
        items: list[Item] = []
        seen = {sight.cluster: sight for sight in sights}
        for name, told in list(self._told.items()):
            if name not in seen and told.state == ClusterState.LEAVING.value:
                del self._told[name]  # left, as its user wanted
            elif name not in seen:
                seen[name] = Sight(name, told.id, ClusterState.STOPPED.value, {})
        for sight in seen.values():
            told = self._told.setdefault(sight.cluster, _Told(sight.id))
            if sight.id and told.id != sight.id:
                is_another = bool(told.id)
                told = self._told[sight.cluster] = _Told(sight.id) if is_another else replace(told, id=sight.id)
            items += _state_news(told, sight, now_s, settle_s)
            items += _reason_news(told, sight, now_s, settle_s)
        return items


def _state_news(told: _Told, sight: Sight, now_s: float, settle_s: float) -> list[Item]:
    if sight.state == told.state:
        told.state_seen = None
        return []
    if told.state_seen is None or told.state_seen[0] != sight.state:
        told.state_seen = (sight.state, now_s)
    if now_s - told.state_seen[1] < settle_s:
        return []
    before, told.state, told.state_seen = told.state, sight.state, None
    kind = Kind.STATE
    if sight.state in _TROUBLES:
        kind = Kind.TROUBLE
    elif before in _TROUBLES:
        kind = Kind.ALL_CLEAR
    text = f"{sight.cluster} is {sight.state}" + (f"; it was {before}" if before else "")
    return [Item(kind, sight.cluster, told.id, sight.state, before, None, text)]


def _reason_news(told: _Told, sight: Sight, now_s: float, settle_s: float) -> list[Item]:
    items = []
    changed = sight.reasons.keys() ^ told.reasons.keys()
    told.reasons_seen = {code: told.reasons_seen.get(code, now_s) for code in changed}
    for code in sorted(changed):
        if now_s - told.reasons_seen[code] < settle_s:
            continue
        del told.reasons_seen[code]
        if code in sight.reasons:
            kind, text = Kind.TROUBLE, sight.reasons[code]
            told.reasons[code] = text
        else:
            kind, text = Kind.ALL_CLEAR, f"no more: {told.reasons.pop(code)}"
        items.append(Item(kind, sight.cluster, told.id, sight.state, told.state, code, f"{sight.cluster}: {text}"))
    return items
