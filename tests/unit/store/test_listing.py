"""Pages of pins: every sort and offset gives what one long sorted list would, and the filter language."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from pincrew.trusted.author import Author, WriteRequest

from pincrew.errors import Misuse
from pincrew.keys import SigningKey
from pincrew.record import encode_record
from pincrew.replica import Replica
from pincrew.steps import finish
from pincrew.store.database import Database
from pincrew.store.filters import Filter
from pincrew.store.listing import SORTS, Listing
from pincrew.store.statuses import Statuses
from pincrew.tracker import StatusUpdate
from pincrew.values import Pin, PinState

KEY = SigningKey.from_seed(b"list" * 8)
COUNT = 60
NOW = 10_000_000


def cid_of(number: int) -> bytes:
    return b"\x01\x55\x12\x20" + hashlib.sha256(b"%d" % number).digest()


@pytest.fixture
def listing(tmp_path: Path) -> Listing:
    database = Database(tmp_path / "state.db")
    replica = Replica(database, cluster=b"c" * 32, curators={KEY.public}, trust=0, shard_bits=4, now_ms=lambda: NOW)
    author = Author(replica, KEY, now_ms=lambda: NOW, nonce=lambda: b"n" * 16)
    requests = []
    for number in range(COUNT):
        name = f"set-{number % 3}/item {number % 7}"
        pin = Pin(cid_of(number), name=name, added_ms=1 + (number * 37) % 11, size=number % 5 * 1_000 or None)
        requests.append(WriteRequest(pin.cid, encode_record(pin)))
    finish(author.write(requests))
    states = [PinState.PINNED, PinState.ERROR, PinState.QUEUED]
    updates = [
        StatusUpdate(cid_of(number), states[number % 3], tries=number % 4, updated_ms=NOW) for number in range(COUNT)
    ]
    Statuses(database, 4).settle(updates, None)
    return Listing(database, 4)


FILTERS = [
    Filter(),
    Filter(states=(PinState.ERROR,)),
    Filter(states=(PinState.ERROR, PinState.PINNED)),
    Filter(name_prefix="set-1/"),
    Filter(words=("item 3",)),
    Filter(words=("item", "set-1")),
    Filter(words=("item",), states=(PinState.ERROR,), size_over=500),
    Filter(words=("2/",), name_prefix="set-"),
    Filter(tries_over=1),
]


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("wanted", FILTERS)
@pytest.mark.parametrize("tried", [4, 20_000])
def test_pages_are_slices_of_one_list(
    listing: Listing, sort: str, wanted: Filter, tried: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pincrew.store.listing._ROWS_TRIED", tried)
    everything = [row.cid for row in listing.page(wanted, sort=sort, limit=COUNT)]
    assert len(set(everything)) == len(everything) > 5
    total = listing.total(wanted)
    assert total in (None, len(everything))
    for limit in (1, 7, 20):
        for offset in range(0, COUNT + 5, 3):
            page = [row.cid for row in listing.page(wanted, sort=sort, limit=limit, offset=offset)]
            assert page == everything[offset : offset + limit]


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("wanted", FILTERS)
def test_a_pin_stands_where_its_page_has_it(
    listing: Listing, sort: str, wanted: Filter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or nothing is said, but never of a list that has an index for its order."""
    cids = [row.cid for row in listing.page(wanted, sort=sort, limit=COUNT)]
    is_plain = wanted in (Filter(), Filter(states=wanted.states), Filter(name_prefix=wanted.name_prefix))
    for tried in (4, 20_000):
        monkeypatch.setattr("pincrew.store.listing._ROWS_TRIED", tried)
        for number in range(COUNT):
            place = listing.place(wanted, sort=sort, cid=cid_of(number))
            if place is not None:
                assert cids[place] == cid_of(number)
            elif cid_of(number) in cids:
                has_index = not wanted.states and not wanted.name_prefix and sort != "tries"
                assert not is_plain or (tried == 4 and not has_index)


def test_the_first_pin_by_name_is_found_in_any_order(listing: Listing) -> None:
    everything = listing.page(Filter(), sort="name", limit=COUNT)
    by_size = [row.cid for row in listing.page(Filter(), sort="size", limit=COUNT)]
    for prefix in ("", "set-1/", "set-2/item 6"):
        first = next(row for row in everything if row.name.startswith(prefix))
        assert listing.place(Filter(), sort="name", name_prefix=prefix) == everything.index(first)
        assert listing.place(Filter(), sort="size", name_prefix=prefix) == by_size.index(first.cid)
    errors = listing.page(Filter(states=(PinState.ERROR,)), sort="name", limit=COUNT)
    found = listing.place(Filter(states=(PinState.ERROR,)), sort="name", name_prefix="set-1/item 4")
    assert found is not None
    assert errors[found].name == "set-1/item 4"
    assert listing.place(Filter(), name_prefix="sets") is None
    assert listing.place(Filter(states=(PinState.PINNED,)), name_prefix="set-1/") is None


def test_places_in_a_filter_of_one_cid(listing: Listing) -> None:
    assert listing.place(Filter(cid=cid_of(3)), cid=cid_of(3)) == 0
    assert listing.place(Filter(cid=cid_of(3)), cid=cid_of(4)) is None
    with pytest.raises(Misuse, match="name, added"):
        listing.place(Filter(), sort="colour", cid=cid_of(3))


def test_a_page_of_one_state_has_that_state_alone_whatever_the_counters_say(listing: Listing) -> None:
    with listing.database.transaction() as db:
        db.execute("UPDATE counters SET pins=pins+50")
    for sort in ("added", "state"):
        for offset in (0, 10, 30, 50):
            rows = listing.page(Filter(states=(PinState.ERROR,)), sort=sort, limit=40, offset=offset)
            assert {row.state for row in rows} <= {PinState.ERROR}


def test_the_revision_moves_with_states_too(listing: Listing) -> None:
    before = listing.revision()
    assert listing.revision() == before
    Statuses(listing.database, 4).settle([StatusUpdate(cid_of(0), PinState.ERROR, updated_ms=NOW)], None)
    assert listing.revision() > before


def test_who_put_a_pin_on_the_list(listing: Listing) -> None:
    assert listing.author(cid_of(1)) == KEY.public
    assert listing.author(cid_of(COUNT)) is None


def test_every_sort_is_in_order(listing: Listing) -> None:
    rows = {sort: listing.page(Filter(), sort=sort, limit=COUNT) for sort in SORTS}
    assert [row.name for row in rows["name"]] == sorted(row.name for row in rows["name"])
    sizes = [row.size or 0 for row in rows["size"]]
    assert sizes == sorted(sizes, reverse=True)
    tries = [row.tries for row in rows["tries"]]
    assert tries == sorted(tries, reverse=True)
    assert len({row.state for row in rows["state"][:20]}) == 1


def test_an_unknown_sort_names_those_that_exist(listing: Listing) -> None:
    with pytest.raises(Misuse, match="name, added, size, state, tries"):
        listing.page(Filter(), sort="colour")


def test_words_are_taken_literally(listing: Listing) -> None:
    assert listing.page(Filter.parse("%", now_ms=NOW)) == []
    assert len(listing.page(Filter.parse("set-1 item", now_ms=NOW), limit=COUNT)) == COUNT // 3


@pytest.mark.parametrize("tried", [1, 20_000])
def test_words_are_found_wherever_they_stand(listing: Listing, tried: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Among the first rows of the order, or by the names' index behind them."""
    monkeypatch.setattr("pincrew.store.listing._ROWS_TRIED", tried)
    everything = listing.page(Filter(), limit=COUNT)
    for wanted, states in (("SET-2 item", ()), ("item 6", (PinState.ERROR,)), ("set", (PinState.SKIPPED,))):
        words = [word.lower() for word in wanted.split()]
        expected = [
            row for row in everything if all(word in row.name for word in words) and (not states or row.state in states)
        ]
        assert listing.page(Filter(words=tuple(words), states=states), limit=COUNT) == expected
        assert listing.page(Filter(words=tuple(wanted.split()), states=states), limit=COUNT) == expected


def test_one_cid_is_found_by_it(listing: Listing) -> None:
    (row,) = listing.page(Filter(cid=cid_of(5)))
    assert row.cid == cid_of(5)
    assert listing.page(Filter(cid=b"\x01\x55\x12\x20" + bytes(32))) == []


def test_all_yields_every_row_once(listing: Listing) -> None:
    assert len({row.cid for row in listing.all(limit=7)}) == COUNT


def test_causes_are_grouped(listing: Listing) -> None:
    (cause,) = listing.causes()
    assert cause.pins == COUNT // 3
