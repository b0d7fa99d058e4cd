"""Pins and those that are being fetched: modes, names, pages, and what replaces what."""

from __future__ import annotations

from pathlib import Path

import pytest

from pincrew.errors import Conflict, NotFound
from pincrew.limits import FETCHING_KEPT_S
from pincrew.node.store import BlockStore, Pin, PinRemoved
from support.dags import leaf

CIDS = sorted(leaf(number).root for number in range(10))


def test_a_pin_is_begun_and_completed(store: BlockStore) -> None:
    pin = Pin(CIDS[0], name="früh")
    store.pins.begin(pin, 1_000)
    assert store.pins.fetching() == [pin] and store.pins.of(pin.cid) is None and store.pins.count() == 0
    store.pins.complete([pin])
    assert store.pins.fetching() == [] and store.pins.of(pin.cid) == pin and store.pins.count() == 1
    assert store.pins.remove(pin.cid) and not store.pins.remove(pin.cid)
    assert store.pins.of(pin.cid) is None


def test_a_pin_is_abandoned(store: BlockStore) -> None:
    store.pins.begin(Pin(CIDS[0]), 1_000)
    assert store.pins.abandon(CIDS[0]) and not store.pins.abandon(CIDS[0])
    assert store.pins.fetching() == []


def test_a_direct_pin_holds_while_a_recursive_one_is_fetched(store: BlockStore) -> None:
    direct, recursive = Pin(CIDS[0], recursive=False, name="one"), Pin(CIDS[0], name="all")
    store.pins.complete([direct])
    store.pins.begin(recursive, 1_000)
    assert store.pins.of(CIDS[0]) == direct
    store.pins.complete([recursive])
    assert store.pins.of(CIDS[0]) == recursive


def test_a_recursive_pin_does_not_shrink_and_none_of_its_company_is_made(store: BlockStore) -> None:
    store.pins.complete([Pin(CIDS[0])])
    with pytest.raises(Conflict, match="recursively"):
        store.pins.complete([Pin(CIDS[1]), Pin(CIDS[0], recursive=False)])
    assert store.pins.page() == [Pin(CIDS[0])]


def test_the_same_pin_again_has_the_new_name(store: BlockStore) -> None:
    store.pins.complete([Pin(CIDS[0], name="old")])
    store.pins.complete([Pin(CIDS[0], name="new")])
    assert store.pins.page() == [Pin(CIDS[0], name="new")]


def test_one_pin_replaces_another_or_nothing_happens(store: BlockStore) -> None:
    store.pins.complete([Pin(CIDS[0])])
    with pytest.raises(PinRemoved):
        store.pins.replace(CIDS[0], Pin(CIDS[1]))
    store.pins.begin(Pin(CIDS[1]), 1_000)
    store.pins.replace(CIDS[0], Pin(CIDS[1]))
    assert store.pins.page() == [Pin(CIDS[1])] and store.pins.fetching() == []
    with pytest.raises(NotFound):
        store.pins.replace(CIDS[0], Pin(CIDS[2]))
    assert store.pins.page() == [Pin(CIDS[1])]


def test_a_pin_that_was_removed_while_it_was_fetched_is_not_made(store: BlockStore) -> None:
    pin = Pin(CIDS[0], name="x")
    store.pins.begin(pin, 1_000)
    store.pins.abandon(pin.cid)
    with pytest.raises(PinRemoved, match="removed while it was being fetched"):
        store.pins.complete([Pin(CIDS[1])], fetched=[pin])
    assert store.pins.page() == []
    store.pins.complete([pin])  # as an add makes it
    assert store.pins.page() == [pin]


def test_two_fetch_the_same(store: BlockStore) -> None:
    pin = Pin(CIDS[0])
    store.pins.begin(pin, 1_000)
    store.pins.begin(pin, 1_001)
    store.pins.complete([], fetched=[pin])
    store.pins.complete([], fetched=[pin._replace(name="second")])
    assert store.pins.page() == [pin._replace(name="second")] and store.pins.fetching() == []


def test_a_direct_pin_leaves_a_recursive_one_on_record(store: BlockStore) -> None:
    direct, recursive = Pin(CIDS[0], recursive=False), Pin(CIDS[0])
    store.pins.begin(recursive, 1_000)
    store.pins.begin(direct, 1_001)
    store.pins.complete([], fetched=[direct])
    assert store.pins.page() == [direct] and store.pins.fetching() == [recursive]
    store.pins.complete([], fetched=[recursive])
    assert store.pins.page() == [recursive] and store.pins.fetching() == []
    store.pins.remove(recursive.cid)
    store.pins.begin(direct, 1_002)
    with pytest.raises(PinRemoved):
        store.pins.complete([], fetched=[recursive])


def test_what_was_begun_long_ago_is_forgotten_unless_it_is_at_work(store: BlockStore) -> None:
    old, working, renewed, gone = (Pin(cid) for cid in CIDS[:4])
    for pin in (old, working, renewed):
        store.pins.begin(pin, 1_000)
    assert store.pins.abandon_forgotten([], 1_000 + FETCHING_KEPT_S) == 0
    store.pins.begin(renewed, 1_001)
    assert store.pins.abandon_forgotten([working.cid, gone.cid], 1_001 + FETCHING_KEPT_S) == 1
    assert store.pins.fetching() == [working, renewed]
    assert store.pins.abandon_forgotten([], 1_002 + FETCHING_KEPT_S) == 1
    assert store.pins.fetching() == [working], "being at work renewed it"


def test_pages(store: BlockStore) -> None:
    pins = [Pin(cid, recursive=number % 2 == 0) for number, cid in enumerate(CIDS)]
    store.pins.complete(pins)
    for pin in pins:
        store.pins.begin(pin, 1_000)
    found: list[Pin] = []
    while page := store.pins.page(found[-1].cid if found else b"", 3):
        found += page
    assert found == pins
    assert store.pins.page(recursive=True) == pins[::2] and store.pins.page(recursive=False) == pins[1::2]
    assert store.pins.fetching(pins[3].cid, 2) == pins[4:6]


def test_pins_are_there_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "blocks.db"
    store = BlockStore(path)
    store.pins.complete([Pin(CIDS[0], name="kept")])
    store.pins.begin(Pin(CIDS[1], recursive=False), 1_000)
    store.close()
    store = BlockStore(path)
    assert store.pins.page() == [Pin(CIDS[0], name="kept")]
    assert store.pins.fetching() == [Pin(CIDS[1], recursive=False)]
    store.close()
