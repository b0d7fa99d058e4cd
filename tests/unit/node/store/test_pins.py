"""Pins and those that are being fetched: modes, names, pages, and what replaces what."""

from __future__ import annotations

from pathlib import Path

import pytest

from pincrew.errors import Conflict, NotFound
from pincrew.node.store import BlockStore, Pin
from support.dags import leaf

CIDS = sorted(leaf(number).root for number in range(10))


def test_a_pin_is_begun_and_completed(store: BlockStore) -> None:
    pin = Pin(CIDS[0], name="früh")
    store.pins.begin(pin)
    assert store.pins.fetching() == [pin] and store.pins.of(pin.cid) is None and store.pins.count() == 0
    store.pins.complete([pin])
    assert store.pins.fetching() == [] and store.pins.of(pin.cid) == pin and store.pins.count() == 1
    assert store.pins.remove(pin.cid) and not store.pins.remove(pin.cid)
    assert store.pins.of(pin.cid) is None


def test_a_pin_is_abandoned(store: BlockStore) -> None:
    store.pins.begin(Pin(CIDS[0]))
    assert store.pins.abandon(CIDS[0]) and not store.pins.abandon(CIDS[0])
    assert store.pins.fetching() == []


def test_a_direct_pin_holds_while_a_recursive_one_is_fetched(store: BlockStore) -> None:
    direct, recursive = Pin(CIDS[0], recursive=False, name="one"), Pin(CIDS[0], name="all")
    store.pins.complete([direct])
    store.pins.begin(recursive)
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
    store.pins.replace(CIDS[0], Pin(CIDS[1]))
    assert store.pins.page() == [Pin(CIDS[1])]
    with pytest.raises(NotFound):
        store.pins.replace(CIDS[0], Pin(CIDS[2]))
    assert store.pins.page() == [Pin(CIDS[1])]


def test_pages(store: BlockStore) -> None:
    pins = [Pin(cid, recursive=number % 2 == 0) for number, cid in enumerate(CIDS)]
    store.pins.complete(pins)
    for pin in pins:
        store.pins.begin(pin)
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
    store.pins.begin(Pin(CIDS[1], recursive=False))
    store.close()
    store = BlockStore(path)
    assert store.pins.page() == [Pin(CIDS[0], name="kept")]
    assert store.pins.fetching() == [Pin(CIDS[1], recursive=False)]
    store.close()
