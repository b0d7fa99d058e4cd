"""Which put of one key holds, computed from its whole history, as of any cut: what a base is made of.

Yjs converges on what was written, in whatever causal order: the state of a key is a function of its puts and of its
deletes. So the state at a cut is had from those within the cut, long after the replica went on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from pincrew.yjs import ItemId

# The number of the last envelope of each session (by sid) that lies within a cut; a session that is not named has none.
Numbers = Mapping[int, int]
_NOBODY = 2  # a Yjs client that makes no edits


class StoredPut(NamedTuple):
    """A put as stored: session (sid) and n are its id, ``number`` is that of its envelope, ``item`` orders causally.

    ``pin`` is the row that it is, where it holds here and now.
    """

    sid: int
    n: int
    number: int
    origin: tuple[int, int] | None
    item: int
    pin: int | None

    @property
    def id(self) -> tuple[int, int]:
        """Its id: (sid, n)."""
        return self.sid, self.n


class StoredDelete(NamedTuple):
    """One target of a delete as stored; ``sid`` and ``number`` name the envelope that said it."""

    sid: int
    number: int
    target: tuple[int, int]


@dataclass
class KeyHistory:
    """All that is stored of one key. Within the cut of the base in force only the key's row in it is stored."""

    puts: list[StoredPut] = field(default_factory=list)
    deletes: list[StoredDelete] = field(default_factory=list)

    def live(self) -> StoredPut | None:
        """Return the put that holds here and now."""
        return next((put for put in self.puts if put.pin is not None), None)

    def is_within(self, cut: Numbers) -> bool:
        """Return whether nothing happened to this key beyond a cut."""
        return all(put.number <= cut.get(put.sid, 0) for put in self.puts) and all(
            one.number <= cut.get(one.sid, 0) for one in self.deletes
        )

    def winner(self, clients: Mapping[int, int], based: Numbers, upto: Numbers | None) -> StoredPut | None:
        """Return the put that holds when only what lies within ``upto`` (None = everything) happened.

        ``clients`` gives the Yjs client of each sid, ``based`` is the cut of the base in force. Raises DocumentFault.
        """
        happened = [put for put in self.puts if upto is None or put.number <= upto.get(put.sid, 0)]
        if not happened:
            return None
        # Only here: `doctor` computes shards where pycrdt is missing, as long as no key needs it.
        from pincrew.pinset import Item, KeyDocument

        happened.sort(key=lambda put: (put.number > based.get(put.sid, 0), put.item))
        by_id = {ItemId(clients[put.sid], put.n): put for put in happened}
        document = KeyDocument(
            _NOBODY,
            [
                Item(
                    identifier,
                    None if put.origin is None else ItemId(clients[put.origin[0]], put.origin[1]),
                    live=True,
                    based=put.number <= based.get(put.sid, 0),
                )
                for identifier, put in by_id.items()
            ],
        )
        document.delete(
            [
                ItemId(clients[one.target[0]], one.target[1])
                for one in self.deletes
                if upto is None or one.number <= upto.get(one.sid, 0)
            ]
        )
        found = document.winner()
        return None if found is None else by_id[found]
