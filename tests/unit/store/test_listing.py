"""Pages of pins: every sort and offset gives what one long sorted list would, and the filter language."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from pincrew.trusted.author import Author, WriteRequest

from pincrew.cid import cid_text
from pincrew.errors import Misuse
from pincrew.keys import SigningKey
from pincrew.record import encode_record
from pincrew.replica import Replica
from pincrew.steps import finish
from pincrew.store.database import Database
from pincrew.store.listing import SORTS, Filter, Listing
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
    for number in range(COUNT):
        name = f"set-{number % 3}/item {number % 7}"
        pin = Pin(cid_of(number), name=name, added_ms=1 + (number * 37) % 11, size=number % 5 * 1_000 or None)
        finish(author.write([WriteRequest(pin.cid, encode_record(pin))]))
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


def test_the_filter_language() -> None:
    cid = cid_text(cid_of(1))
    wanted = Filter.parse(f"two words state:error,queued size>1MB tries>3 cid:{cid} added<1h", now_ms=NOW)
    assert wanted == Filter(
        states=(PinState.ERROR, PinState.QUEUED),
        words=("two", "words"),
        cid=cid_of(1),
        size_over=1_000_000,
        tries_over=3,
        added_after_ms=NOW - 3_600_000,
    )


@pytest.mark.parametrize("text", ["state:gone", "size>much", "tries>some", "tries<3", "cid:x", "added<7"])
def test_bad_terms_are_named(text: str) -> None:
    with pytest.raises(Misuse):
        Filter.parse(text, now_ms=NOW)


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
