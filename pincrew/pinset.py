"""Which of concurrent operations on one key wins: pycrdt decides, and nothing else.

A key's puts form a Yjs map entry: a list of items with origins, of which the rightmost holds the value, if it is not
deleted. Items of one key depend on items of that key alone, so the document of a key is built when the key is touched,
from its few items in the store, and dropped again (docs/adr/0003: 8 us, where a shard's document takes milliseconds).
A put alone with its key holds, whatever yrs would say of others: most puts of a list are alone, so yrs is asked only
from the second change on. The value of an item is *which put it is*, not the record: records live in SQLite.

This is the only module that imports pycrdt, and pycrdt only ever sees bytes that this process built (invariant 8): yrs
does not converge on updates out of order and dies on crafted ones, so order is the gate's business and bytes are ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

import pycrdt

from pincrew.errors import PincrewError
from pincrew.yjs import ROOT, ItemId, Struct, build_update, read_update

Result = TypeVar("Result")
_KEY = "k"
BASE_CLIENT = 1  # of a base's rows; no session has it (design: the writer draws another nonce)
_VALUE_BYTES = 4


class DocumentFault(PincrewError):
    """pycrdt failed on an update; the window is given up and tried again one envelope at a time."""

    code = "document"


class Item(NamedTuple):
    """One put of a key: its id (Yjs client of its session, number of the put), its origin, and whether it holds.

    ``based``: it is the key's row in the base in force, and stands for all that lies within the base's cut.
    """

    id: ItemId
    origin: ItemId | None
    live: bool
    based: bool = False


class KeyDocument:
    """The Yjs document of one key. Clocks are renumbered within it, in the order of each session's puts.

    A put that is not here lies within the cut of the base in force (the gate sees to that). As an origin it counts as
    the key's row in the base, if the key has one, and a delete of it means nothing: the base says what became of it.
    The row has a client id below every session's, so that what is concurrent with the base holds.
    """

    __slots__ = ("_base", "_client", "_clocks", "_doc", "_first", "_ids", "_map", "_next")

    def __init__(self, client: int, items: Sequence[Item] = ()) -> None:
        """Build the document of ``items``, given in a causal order, a row of the base first.

        ``client`` is that of this process's edits.
        """
        self._client = client
        self._base: ItemId | None = None
        self._doc: pycrdt.Doc[Any] | None = None
        self._first: tuple[ItemId, Struct] | None = None  # the only put so far, of which yrs has not heard
        self._ids: list[ItemId] = []
        self._clocks: dict[ItemId, ItemId] = {}
        self._next: dict[int, int] = {}
        for item in items:
            if item.based:
                self._base = item.id
            self.put(item.id, item.origin)
        dead = [item.id for item in items if not item.live]
        if dead:
            self.delete(dead)

    def put(self, identifier: ItemId, origin: ItemId | None) -> None:
        """Apply a put. Raises DocumentFault."""
        place, struct = self._struct(identifier, origin)
        if len(self._ids) == 1:
            self._first = place, struct
            return
        self._apply(build_update(place.client, place.clock, [struct], ()))

    def delete(self, targets: Iterable[ItemId]) -> None:
        """Apply a delete of puts. Raises DocumentFault."""
        known = [self._clocks[target] for target in targets if target in self._clocks]
        if known:
            self._apply(build_update(0, 0, (), known))

    def winner(self) -> ItemId | None:
        """Return the put that holds, None when the key is absent."""
        if self._doc is None:
            return self._ids[0] if self._ids else None

        def look(transaction: Any) -> ItemId | None:
            if not self._map.has(transaction, _KEY):
                return None
            return self._ids[int.from_bytes(self._map.get(transaction, _KEY))]

        return self._run(look)

    def write_put(self, identifier: ItemId) -> ItemId | None:
        """Make a local put, which thereby holds; return the origin that yrs gave it."""
        if not self._ids:
            self.put(identifier, None)
            return None
        place, struct = self._struct(identifier, None)
        updates: list[bytes] = []
        # A subscription that outlives its document leaks the document, so it lives as long as the edit.
        subscription = self._document()._doc.observe(lambda event: updates.append(bytes(event.update)))
        try:
            self._run(lambda transaction: self._map.insert(transaction, _KEY, struct.value))
        finally:
            subscription.drop()
        captured = read_update(b"".join(updates))
        if captured[:2] != place or len(captured.structs) != 1:
            raise DocumentFault("pycrdt gave an edit another id than ours")
        origin = captured.structs[0].origin
        if origin is None:
            return None
        return next(known for known, clock in self._clocks.items() if clock == origin)

    def _struct(self, identifier: ItemId, origin: ItemId | None) -> tuple[ItemId, Struct]:
        """Give a put its place in this document."""
        client = BASE_CLIENT if identifier == self._base else identifier.client
        place = ItemId(client, self._next.get(client, 0))
        self._next[client] = place.clock + 1
        left = self._base if origin is not None and origin not in self._clocks else origin
        self._clocks[identifier] = place
        self._ids.append(identifier)
        value = self._value(len(self._ids) - 1)
        if left is None or left == identifier:
            return place, Struct(_KEY, None, value)
        return place, Struct(None, self._clocks[left], value)

    def _value(self, index: int) -> bytes:
        return index.to_bytes(_VALUE_BYTES)

    def _document(self) -> pycrdt.Doc[Any]:
        """Return yrs's own document, made when there is something to decide."""
        if self._doc is None:
            self._doc = pycrdt.Doc(client_id=self._client)
            self._map = self._doc.get(ROOT, type=pycrdt.Map).integrated
            if self._first is not None:
                place, struct = self._first
                self._apply(build_update(place.client, place.clock, [struct], ()))
        return self._doc

    def _apply(self, update: bytes) -> None:
        document = self._document()
        self._run(lambda transaction: document._doc.apply_update(transaction, update))

    def _run(self, work: Callable[[Any], Result]) -> Result:
        """Do ``work`` in a transaction of its own; any failure of pycrdt becomes DocumentFault.

        Its PanicException derives from BaseException alone, hence the second clause.
        """
        try:
            transaction = self._document()._doc.create_transaction()
            try:
                result = work(transaction)
                transaction.commit()
            finally:
                transaction.drop()
        except Exception as error:  # whatever yrs complains of, the window is given up and tried again
            raise DocumentFault(f"pycrdt failed: {error}") from error
        except BaseException as error:  # PanicException is not an Exception; all others go on up
            if type(error).__name__ != "PanicException":
                raise
            raise DocumentFault(f"pycrdt panicked: {error}") from error
        return result
