"""Key documents: winners, rebuilding from items, and failures of pycrdt."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pincrew.pinset import DocumentFault, Item, KeyDocument
from pincrew.yjs import ItemId
from unit.test_pycrdt_regressions import PANICKING

Change = tuple[ItemId | None, ItemId | None, ItemId | None]  # put, its origin, deleted


class Author:
    """A live document beside what the store keeps of it: items in the order in which they were applied."""

    def __init__(self, client: int) -> None:
        self.client = client
        self.document = KeyDocument(client)
        self.n = 0
        self.items: dict[ItemId, ItemId | None] = {}

    def stored(self) -> list[Item]:
        live = self.document.winner()
        return [Item(item, origin, item == live) for item, origin in self.items.items()]

    def hear(self, change: Change) -> None:
        put, origin, gone = change
        if put is not None:
            self.document.put(put, origin)
            self.items[put] = origin
        if gone is not None:
            self.document.delete([gone])

    def write(self, is_put: bool, step: int) -> Change | None:
        live = self.document.winner()
        if not is_put:
            if live is None:
                return None
            self.document.delete([live])
            return None, None, live
        self.n += step  # numbers count all puts of a session in a shard, so a key sees gaps
        item = ItemId(self.client, self.n)
        origin = self.document.write_put(item)
        self.items[item] = origin
        return item, origin, None


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.integers(0, 7), st.integers(1, 3)), max_size=25),
    st.lists(st.integers(2, 2**53 - 1), min_size=3, max_size=3, unique=True),
)
def test_a_document_rebuilt_from_its_items_has_the_same_winner(
    script: list[tuple[int, bool, int, int]], clients: list[int]
) -> None:
    """Three authors who hear each other late, in causal order; each is rebuilt after every step, and all agree at last.

    A document that is rebuilt and edited makes the same origins as the live one: the store is enough.
    """
    authors = [Author(client) for client in clients]
    log: list[list[tuple[Change, list[int]]]] = [[], [], []]
    heard = [[0, 0, 0] for _ in range(3)]

    def hear(who: int, others: int) -> None:
        progress = True
        while progress:
            progress = False
            for other in range(3):
                at = heard[who][other]
                if other == who or not others >> other & 1 or at >= len(log[other]):
                    continue
                change, needs = log[other][at]
                if all(heard[who][third] >= needs[third] for third in range(3) if third not in (who, other)):
                    authors[who].hear(change)
                    heard[who][other] += 1
                    progress = True

    for who, is_put, others, step in script:
        hear(who, others)
        author = authors[who]
        again = KeyDocument(author.client, author.stored())
        assert again.winner() == author.document.winner()
        change = author.write(is_put, step)
        if change is not None:
            if change[0] is not None:
                assert again.write_put(change[0]) == change[1]
            elif change[2] is not None:
                again.delete([change[2]])
            assert again.winner() == author.document.winner()
            log[who].append((change, list(heard[who])))
    for who in (*range(3), *range(3)):
        hear(who, 7)
    assert len({author.document.winner() for author in authors}) == 1
    for author in authors:
        assert KeyDocument(2, author.stored()).winner() == authors[0].document.winner()


def test_the_higher_client_wins_and_a_set_beats_a_concurrent_delete() -> None:
    document = KeyDocument(2)
    assert document.winner() is None
    document.put(ItemId(9, 4), None)
    document.put(ItemId(5, 0), None)
    assert document.winner() == ItemId(9, 4)
    document.delete([ItemId(9, 4)])
    assert document.winner() is None
    document.put(ItemId(7, 0), ItemId(9, 4))
    assert document.winner() == ItemId(7, 0)


def test_an_edit_of_another_client_is_a_fault() -> None:
    document = KeyDocument(4)
    document.put(ItemId(4, 0), None)
    with pytest.raises(DocumentFault):
        document.write_put(ItemId(3, 0))


def test_a_panic_becomes_a_fault() -> None:
    """PanicException derives from BaseException alone; it must not get past this module."""
    faults = 0
    for before in range(3):
        document = KeyDocument(9)
        for number in range(before):
            document.put(ItemId(7, number), None if number == 0 else ItemId(7, 0))
        try:
            document._apply(PANICKING)
        except DocumentFault as fault:
            faults += "panicked" in str(fault)
    assert faults


class Cancelled(BaseException):
    """As trio's."""


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit, Cancelled])
def test_what_ends_a_task_or_the_process_is_not_swallowed(
    error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Raising:
        def has(self, *_: object) -> bool:
            raise error

    document = KeyDocument(9)
    document.put(ItemId(7, 0), None)
    document.put(ItemId(8, 0), None)
    monkeypatch.setattr(document, "_map", Raising())
    with pytest.raises(error):
        document.winner()


@pytest.mark.parametrize("second", [ItemId(5, 3), ItemId(9, 3)])
def test_a_put_alone_holds_and_counts_once_another_comes(second: ItemId) -> None:
    """The first put needs no yrs, and yrs hears of it before anything else is asked of it."""
    for first_is_own in (False, True):
        document = KeyDocument(7)
        assert document.winner() is None
        if first_is_own:
            assert document.write_put(ItemId(7, 2)) is None
        else:
            document.put(ItemId(7, 2), None)
        assert document.winner() == ItemId(7, 2)
        document.put(second, None)
        assert document.winner() == max(ItemId(7, 2), second)
        document.delete([ItemId(7, 2), second])
        assert document.winner() is None


def test_a_dead_put_alone_does_not_hold() -> None:
    assert KeyDocument(7, [Item(ItemId(5, 0), None, live=False)]).winner() is None


def test_many_clients_on_one_key_rebuild() -> None:
    clients = Random(3).sample(range(2, 10_000), 60)
    live = KeyDocument(2)
    for client in clients:
        live.put(ItemId(client, 0), None)
    winner = live.winner()
    again = KeyDocument(2, [Item(ItemId(client, 0), None, ItemId(client, 0) == winner) for client in clients])
    assert again.winner() == winner == ItemId(max(clients), 0)


# ---- over a base ----------------------------------------------------------------------------------------------------

ROW, GONE, AFTER, OTHER = ItemId(900, 4), ItemId(900, 1), ItemId(50, 0), ItemId(60, 0)


def over_a_base(*more: Item, live: bool = True) -> KeyDocument:
    return KeyDocument(2, [Item(ROW, None, live, based=True), *more])


def test_a_put_made_on_what_a_base_settled_follows_its_row() -> None:
    for origin in (ROW, GONE):
        document = over_a_base()
        document.put(AFTER, origin)
        assert document.winner() == AFTER
        document.delete([AFTER])
        assert document.winner() is None


def test_a_put_concurrent_with_the_row_holds_whoever_wrote_the_row() -> None:
    document = over_a_base()
    document.put(AFTER, None)
    assert document.winner() == AFTER


def test_two_puts_on_what_a_base_settled_are_decided_by_client_in_any_order() -> None:
    for order in ((AFTER, OTHER), (OTHER, AFTER)):
        document = over_a_base()
        for put, origin in zip(order, (GONE, ROW), strict=True):
            document.put(put, origin)
        assert document.winner() == OTHER


def test_what_was_made_without_the_row_holds_over_what_was_made_on_it() -> None:
    """Though its client is the lower one: what was made on something settled stands behind the row."""
    for order in (((AFTER, None), (OTHER, GONE)), ((OTHER, GONE), (AFTER, None))):
        document = over_a_base()
        for put, origin in order:
            document.put(put, origin)
        assert document.winner() == AFTER


def test_without_a_row_the_origin_below_the_cut_is_none() -> None:
    document = KeyDocument(2)
    document.put(AFTER, GONE)
    assert document.winner() == AFTER
    document.put(OTHER, None)
    assert document.winner() == OTHER


def test_a_delete_below_the_cut_counts_only_for_the_row_itself() -> None:
    document = over_a_base()
    document.delete([GONE])
    assert document.winner() == ROW
    document.delete([ROW])
    assert document.winner() is None
    assert over_a_base(live=False).winner() is None


def test_the_writer_names_the_row_by_its_own_id() -> None:
    document = KeyDocument(50, [Item(ROW, None, True, based=True)])
    assert document.write_put(AFTER) == ROW
    assert document.winner() == AFTER


def test_the_rows_own_session_goes_on_beyond_the_cut() -> None:
    later = ItemId(900, 7)
    document = KeyDocument(900, [Item(ROW, None, True, based=True)])
    assert document.write_put(later) == ROW
    again = KeyDocument(2, [Item(ROW, None, False, based=True), Item(later, ROW, True)])
    assert again.winner() == later
