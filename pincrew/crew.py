"""Who of the crew was heard of lately, and what part each keeps: what estimates of copies stand on.

Announcements expire within minutes; a peer that is switched off at night still has what it keeps. So each peer heard
of is remembered, for seven days of silence. Only silence while this peer was listening counts: who comes back from a
month without a network must not take everybody else for gone. No I/O, no clock.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any

import cbor2

from pincrew import limits
from pincrew.addresses import public_network
from pincrew.announcement import Announcement, KeptPart
from pincrew.coverage import Keeper
from pincrew.part import ALL, part_value, rescue_value

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Crewmate:
    """What one peer said last, and for how long (of our listening) it has been silent."""

    key: bytes
    part: KeptPart
    networks: tuple[str, ...] = ()
    silent_s: float = 0.0

    def keeper(self, *, is_vouched: bool) -> Keeper:
        """Return it as estimates count it: what it misses of its part may be any of it."""
        threshold = ALL if self.part.threshold is None else self.part.threshold
        wanted = self.part.kept + self.part.missing
        share = self.part.kept / wanted if wanted else 0.0
        return Keeper(
            part_value(self.key), rescue_value(self.key), threshold, self.part.largest, share, self.networks, is_vouched
        )


class CrewBook:
    """The peers that one peer remembers, itself among them."""

    def __init__(self) -> None:
        self._mates: dict[bytes, Crewmate] = {}

    def __len__(self) -> int:
        return len(self._mates)

    def hear(self, heard: Iterable[Announcement], listened_s: float) -> None:
        """Take in what is announced now; whoever is not among that was silent for ``listened_s`` more."""
        spoke = {one.key: _mate(one) for one in heard}
        for key, mate in list(self._mates.items()):
            if key not in spoke:
                silent_s = mate.silent_s + listened_s
                if silent_s > limits.CREW_SILENT_S_MAX:
                    del self._mates[key]
                else:
                    self._mates[key] = replace(mate, silent_s=silent_s)
        self._mates.update(spoke)
        beyond = len(self._mates) - limits.ANNOUNCED_PEERS_MAX
        if beyond > 0:
            for key in sorted(self._mates, key=lambda key: -self._mates[key].silent_s)[:beyond]:
                del self._mates[key]

    def keepers(self, vouched: Collection[bytes]) -> list[Keeper]:
        """Return everybody who counts; ``vouched`` are the keys of curators, and of those that they name."""
        return [mate.keeper(is_vouched=mate.key in vouched) for mate in self._mates.values()]

    def mates(self) -> list[Crewmate]:
        """Return everybody."""
        return list(self._mates.values())

    def encode(self) -> bytes:
        """Return it as bytes, about a hundred a peer."""
        mates = [[one.key, list(one.part), list(one.networks), int(one.silent_s)] for one in self._mates.values()]
        return cbor2.dumps([_FORMAT, mates])

    @classmethod
    def decode(cls, data: bytes) -> CrewBook:
        """Read what `encode` made; empty where it is of another version, for all of it is soon heard again."""
        book = cls()
        try:
            fields: Any = cbor2.loads(data)
            if fields[0] == _FORMAT:
                for key, part, networks, silent_s in fields[1]:
                    book._mates[key] = Crewmate(key, KeptPart(*part), tuple(networks), float(silent_s))
        except (cbor2.CBORDecodeError, TypeError, ValueError, IndexError, KeyError):
            return cls()
        return book


def _mate(said: Announcement) -> Crewmate:
    networks = dict.fromkeys(filter(None, map(public_network, said.addresses)))
    part = said.part
    if part is None:  # an older version: it keeps all that it has room for
        pinned = min(said.counters.pinned, said.counters.pins)
        part = KeptPart(None, None, pinned, said.counters.pins - pinned)
    return Crewmate(said.key, part, tuple(networks)[: limits.CREW_NETWORKS_MAX])
