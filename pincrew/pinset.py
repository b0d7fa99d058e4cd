"""The pinset's shard documents: pycrdt decides which of concurrent operations wins, and nothing else.

A document is a Yjs map in which the value under a key is *the id of the operation that wrote it* (client id and clock),
not the record: records live in SQLite, documents are a cache that is rebuilt from a shard's items at any moment. This
is the only module that imports pycrdt, and pycrdt only ever sees bytes that this process built (invariant 8): yrs does
not converge on updates out of order and dies on crafted ones, so order is the gate's business and bytes are ours.

Everything here is exact about one property of yrs: items of one key depend on items of that key alone, so replaying a
shard's items in any causal order gives the same winners.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import pycrdt

from pincrew.errors import PincrewError
from pincrew.limits import DOCUMENTS_CACHED_MAX
from pincrew.yjs import ROOT, Captured, ItemId, Struct, build_update, read_update

_VALUE = struct.Struct(">QQ")


class DocumentFault(PincrewError):
    """pycrdt failed on an update; the documents of the window are dropped and rebuilt from the store."""

    code = "document"


class Item(NamedTuple):
    """One put as its document knows it. ``live`` is whether its record is the key's row."""

    id: ItemId
    key: str
    origin: ItemId | None
    live: bool


class ShardDocument:
    """One shard's map. Not thread-safe; one task owns all documents."""

    __slots__ = ("_doc", "_map")

    def __init__(self, client: int, items: Iterable[Item] = ()) -> None:
        """Build the document of ``items``, given in a causal order. ``client`` is that of this process's edits."""
        self._doc: pycrdt.Doc[Any] = pycrdt.Doc(client_id=client)
        self._map = self._doc.get(ROOT, type=pycrdt.Map).integrated
        dead: list[ItemId] = []
        run: list[Item] = []
        for item in items:
            if not item.live:
                dead.append(item.id)
            if run and item.id != (run[-1].id.client, run[-1].id.clock + 1):
                self._apply_run(run)
                run = []
            run.append(item)
        if run:
            self._apply_run(run)
        if dead:
            self.apply(build_update(0, 0, (), dead))

    def _apply_run(self, run: Sequence[Item]) -> None:
        structs = [structure(item) for item in run]
        self.apply(build_update(run[0].id.client, run[0].id.clock, structs, ()))

    def apply(self, update: bytes) -> None:
        """Apply an update that ``build_update`` made. Raises DocumentFault."""
        with _guard(), self._transaction() as transaction:
            self._doc._doc.apply_update(transaction, update)

    def winners(self, keys: Iterable[str]) -> list[ItemId | None]:
        """Return, per key, the put whose record is the key's row, or None where the key is absent."""
        with _guard(), self._transaction() as transaction:
            has, get = self._map.has, self._map.get
            return [ItemId(*_VALUE.unpack(get(transaction, key))) if has(transaction, key) else None for key in keys]

    def edit(self, client: int, first_clock: int, puts: Sequence[str], deletes: Sequence[str]) -> Captured:
        """Make one local transaction: set ``puts`` in this order, remove ``deletes``; return what yrs made of it.

        ``client`` must be the document's own and ``first_clock`` its next clock, which the capture is checked against.
        """
        updates: list[bytes] = []
        with _guard():
            # A subscription that outlives its document leaks the document, so it lives as long as the edit.
            subscription = self._doc._doc.observe(lambda event: updates.append(bytes(event.update)))
            try:
                with self._transaction() as transaction:
                    for offset, key in enumerate(puts):
                        self._map.insert(transaction, key, _VALUE.pack(client, first_clock + offset))
                    for key in deletes:
                        self._map.remove(transaction, key)
            finally:
                subscription.drop()
        if len(updates) != 1:
            raise DocumentFault("one edit made not one update")
        captured = read_update(updates[0])
        if len(captured.structs) != len(puts) or (puts and captured[:2] != (client, first_clock)):
            raise DocumentFault("pycrdt gave an edit other ids than ours")
        return captured

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        transaction = self._doc._doc.create_transaction()
        try:
            yield transaction
            transaction.commit()
        finally:
            transaction.drop()


def structure(item: Item) -> Struct:
    """Return the Yjs struct of a put; its value is its own id."""
    return Struct(item.key if item.origin is None else None, item.origin, _VALUE.pack(*item.id))


class Documents:
    """The documents at hand: least recently used out first, never written back.

    A window touches each shard once and commits before anybody looks again, so a document may be dropped between its
    update and the commit; ``clear`` is for the commit that failed.
    """

    def __init__(self, load: Callable[[int], Iterable[Item]], client: int) -> None:
        """``load(shard)`` gives the committed items of a shard in a causal order."""
        self._load = load
        self._client = client
        self._cached: OrderedDict[int, ShardDocument] = OrderedDict()

    def get(self, shard: int) -> ShardDocument:
        """Return a shard's document, built from the store where it is not at hand."""
        document = self._cached.get(shard)
        if document is None:
            document = self._cached[shard] = ShardDocument(self._client, self._load(shard))
            if len(self._cached) > DOCUMENTS_CACHED_MAX:
                self._cached.popitem(last=False)
        else:
            self._cached.move_to_end(shard)
        return document

    def clear(self) -> None:
        """Forget all documents, for what they hold may not be on disk."""
        self._cached.clear()


@contextmanager
def _guard() -> Iterator[None]:
    """Turn any failure of pycrdt into DocumentFault; its PanicException derives from BaseException alone."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit, GeneratorExit, PincrewError):
        raise
    except BaseException as error:
        if not (isinstance(error, Exception) or type(error).__name__ == "PanicException"):
            raise
        raise DocumentFault(f"pycrdt failed: {error}") from error
