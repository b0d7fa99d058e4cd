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
_VALUE_BYTES = 4


class DocumentFault(PincrewError):
    """pycrdt failed on an update; the window is given up and tried again one envelope at a time."""

    code = "document"


class Item(NamedTuple):
    """One put of a key: its id (Yjs client of its session, number of the put), its origin, and whether it holds."""

    id: ItemId
    origin: ItemId | None
    live: bool


class KeyDocument:
    """The Yjs document of one key. Clocks are renumbered within it, in the order of each session's puts."""

    __slots__ = ("_client", "_clocks", "_doc", "_first", "_ids", "_map", "_next")

    def __init__(self, client: int, items: Sequence[Item] = ()) -> None:
        """Build the document of ``items``, given in a causal order. ``client`` is that of this process's edits."""
        self._client = client
        self._doc: pycrdt.Doc[Any] | None = None
        self._first: tuple[int, Struct] | None = None  # the only put so far, of which yrs has not heard
        self._ids: list[ItemId] = []
        self._clocks: dict[ItemId, ItemId] = {}
        self._next: dict[int, int] = {}
        for item in items:
            self.put(item.id, item.origin)
        dead = [item.id for item in items if not item.live]
        if dead:
            self.delete(dead)

    def put(self, identifier: ItemId, origin: ItemId | None) -> None:
        """Apply a put. Raises DocumentFault."""
        clock, struct = self._struct(identifier, origin)
        if len(self._ids) == 1:
            self._first = clock, struct
            return
        self._apply(build_update(identifier.client, clock, [struct], ()))

    def delete(self, targets: Iterable[ItemId]) -> None:
        """Apply a delete of puts that are here. Raises DocumentFault."""
        self._apply(build_update(0, 0, (), [self._clocks[target] for target in targets]))

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
        clock, struct = self._struct(identifier, None)
        updates: list[bytes] = []
        # A subscription that outlives its document leaks the document, so it lives as long as the edit.
        subscription = self._document()._doc.observe(lambda event: updates.append(bytes(event.update)))
        try:
            self._run(lambda transaction: self._map.insert(transaction, _KEY, struct.value))
        finally:
            subscription.drop()
        captured = read_update(b"".join(updates))
        if captured[:2] != (self._client, clock) or len(captured.structs) != 1:
            raise DocumentFault("pycrdt gave an edit another id than ours")
        origin = captured.structs[0].origin
        if origin is None:
            return None
        return next(known for known, place in self._clocks.items() if place == origin)

    def _struct(self, identifier: ItemId, origin: ItemId | None) -> tuple[int, Struct]:
        """Give a put its place in this document."""
        clock = self._next.get(identifier.client, 0)
        self._next[identifier.client] = clock + 1
        self._clocks[identifier] = ItemId(identifier.client, clock)
        self._ids.append(identifier)
        value = self._value(len(self._ids) - 1)
        if origin is None:
            return clock, Struct(_KEY, None, value)
        return clock, Struct(None, self._clocks[origin], value)

    def _value(self, index: int) -> bytes:
        return index.to_bytes(_VALUE_BYTES)

    def _document(self) -> pycrdt.Doc[Any]:
        """Return yrs's own document, made when there is something to decide."""
        if self._doc is None:
            self._doc = pycrdt.Doc(client_id=self._client)
            self._map = self._doc.get(ROOT, type=pycrdt.Map).integrated
            if self._first is not None:
                clock, struct = self._first
                self._apply(build_update(self._ids[0].client, clock, [struct], ()))
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
