"""Which put of a key holds as of any cut: the same that a document says which lived through it."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from pincrew.folding import KeyHistory, StoredDelete, StoredPut
from pincrew.pinset import Item, KeyDocument
from pincrew.yjs import ItemId

CLIENTS = {1: 100, 2: 50, 3: 75}
NOTHING: dict[int, int] = {}


def stored(
    sid: int, n: int, number: int, origin: tuple[int, int] | None = None, item: int = 0, *, live: bool = False
) -> StoredPut:
    return StoredPut(sid, n, number, origin, item or number, 1 if live else None)


def test_a_key_with_nothing_up_to_the_cut_has_no_row() -> None:
    assert KeyHistory().winner(CLIENTS, NOTHING, None) is None
    assert KeyHistory([stored(1, 0, 5)]).winner(CLIENTS, NOTHING, {1: 4, 2: 9}) is None
    assert KeyHistory().live() is None and KeyHistory().is_within({})


def test_a_later_put_counts_only_within_its_cut() -> None:
    first, second = stored(1, 0, 1), stored(2, 0, 1, (1, 0), 2, live=True)
    history = KeyHistory([first, second])
    assert history.live() == second == history.winner(CLIENTS, NOTHING, None)
    assert history.winner(CLIENTS, NOTHING, {1: 1}) == first
    assert not history.is_within({1: 1}) and history.is_within({1: 1, 2: 1})


def test_a_delete_counts_only_within_its_cut() -> None:
    put = stored(1, 0, 1)
    history = KeyHistory([put], [StoredDelete(2, 3, (1, 0))])
    assert history.winner(CLIENTS, NOTHING, None) is None
    assert history.winner(CLIENTS, NOTHING, {1: 1, 2: 3}) is None
    assert history.winner(CLIENTS, NOTHING, {1: 1, 2: 2}) == put
    assert not history.is_within({1: 1, 2: 2})


def test_concurrent_puts_are_decided_by_client_and_not_by_order_of_arrival() -> None:
    low, high = stored(2, 0, 1, item=2), stored(1, 0, 1, item=1)
    for puts in ([low, high], [high, low]):
        assert KeyHistory(puts).winner(CLIENTS, NOTHING, None) == high


def test_what_is_concurrent_with_the_bases_row_holds() -> None:
    """The row has the lowest client of all, however high that of the session is that wrote it."""
    row, put = stored(1, 0, 1, item=9), stored(2, 0, 1, item=1, live=True)
    assert KeyHistory([put, row]).winner(CLIENTS, {1: 1}, None) == put
    assert KeyHistory([put, row]).winner(CLIENTS, NOTHING, None) == row


def test_an_origin_that_the_base_settled_stands_for_its_row() -> None:
    """The put was made on one that is gone; the row of the base took its place, and is overwritten by it."""
    row = stored(3, 7, 4, item=1)
    after = stored(2, 0, 1, (1, 3), 2, live=True)
    assert KeyHistory([after, row]).winner(CLIENTS, {3: 4, 1: 9}, None) == after
    gone = KeyHistory([after, row], [StoredDelete(1, 10, (2, 0))])
    assert gone.winner(CLIENTS, {3: 4, 1: 9}, None) is None, "what was overwritten does not come back"
    assert gone.winner(CLIENTS, {3: 4, 1: 9}, {3: 4, 1: 9}) == row


def test_an_origin_that_the_base_settled_without_a_row_is_none() -> None:
    after = stored(2, 0, 1, (1, 3), 1, live=True)
    assert KeyHistory([after]).winner(CLIENTS, {1: 9}, None) == after


def test_a_delete_below_the_cut_counts_only_if_it_names_the_row() -> None:
    row = stored(3, 7, 4)
    assert KeyHistory([row], [StoredDelete(1, 10, (1, 3))]).winner(CLIENTS, {3: 4, 1: 9}, None) == row
    assert KeyHistory([row], [StoredDelete(1, 10, (3, 7))]).winner(CLIENTS, {3: 4, 1: 9}, None) is None


@dataclass
class _Peer:
    """A live document of one author, and what a store keeps of it."""

    sid: int
    document: KeyDocument
    n: int = 0


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 3), st.booleans(), st.booleans()), max_size=14), st.integers(0, 14))
def test_the_state_at_a_cut_is_what_a_document_said_there(script: list[tuple[int, bool, bool]], at: int) -> None:
    """Three authors write with or without having heard each other; the cut is everything up to some moment.

    The history is then handed over in an order of arrival that is causal and another one than that of writing.
    """
    peers = {sid: _Peer(sid, KeyDocument(client)) for sid, client in CLIENTS.items()}
    puts: list[StoredPut] = []
    deletes: list[StoredDelete] = []
    numbers = dict.fromkeys(CLIENTS, 0)
    log: list[tuple[int, StoredPut | None, StoredDelete | None]] = []
    heard = dict.fromkeys(CLIENTS, 0)
    cut, said = {}, None
    whole = KeyDocument(2)

    def item(one: tuple[int, int]) -> ItemId:
        return ItemId(CLIENTS[one[0]], one[1])

    def hear(document: KeyDocument, put: StoredPut | None, delete: StoredDelete | None) -> None:
        if put is not None:
            document.put(item(put.id), None if put.origin is None else item(put.origin))
        if delete is not None:
            document.delete([item(delete.target)])

    for step, (sid, is_put, listens) in enumerate(script):
        if step == at:
            cut, said = dict(numbers), whole.winner()
        peer = peers[sid]
        if listens:
            for who, put, delete in log[heard[sid] :]:
                if who != sid:
                    hear(peer.document, put, delete)
            heard[sid] = len(log)
        live = peer.document.winner()
        made_put, made_delete = None, None
        if is_put:
            origin = peer.document.write_put(ItemId(CLIENTS[sid], peer.n))
            who = None if origin is None else next(key for key, client in CLIENTS.items() if client == origin.client)
            numbers[sid] += 1
            made_put = StoredPut(sid, peer.n, numbers[sid], None if who is None else (who, origin.clock), step, None)  # type: ignore[union-attr]
            puts.append(made_put)
            peer.n += 1
        elif live is not None:
            peer.document.delete([live])
            numbers[sid] += 1
            who = next(key for key, client in CLIENTS.items() if client == live.client)
            made_delete = StoredDelete(sid, numbers[sid], (who, live.clock))
            deletes.append(made_delete)
        hear(whole, made_put, made_delete)
        log.append((sid, made_put, made_delete))
    if len(script) <= at:
        cut, said = dict(numbers), whole.winner()
    history = KeyHistory(puts, deletes)
    found = history.winner(CLIENTS, NOTHING, cut)
    assert (None if found is None else item(found.id)) == said
    found = history.winner(CLIENTS, NOTHING, None)
    assert (None if found is None else item(found.id)) == whole.winner()


def test_a_row_of_the_base_comes_first_whatever_its_place_in_the_store() -> None:
    """Its item is younger than those beyond the cut: it was written when the base came into force."""
    row, after, other = stored(1, 0, 1, item=50), stored(3, 0, 1, (1, 0), item=3), stored(2, 0, 1, item=4)
    assert KeyHistory([after, row]).winner(CLIENTS, {1: 1}, None) == after
    assert KeyHistory([after, other, row]).winner(CLIENTS, {1: 1}, None) == other
    document = KeyDocument(2, [Item(ItemId(100, 0), None, True, True), Item(ItemId(75, 0), ItemId(100, 0), False)])
    document.put(ItemId(50, 0), None)
    assert document.winner() == ItemId(50, 0)
