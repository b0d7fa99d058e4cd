"""When a pin was last re-read, and the journal of the look at all of them."""

from __future__ import annotations

import hashlib

import pytest
from pincrew.trusted.author import Author, WriteRequest

from pincrew.keys import SigningKey
from pincrew.record import encode_record
from pincrew.replica import Replica
from pincrew.steps import finish
from pincrew.store.checks import Checks, Damage, Journal
from pincrew.store.database import Database
from pincrew.store.filters import Filter
from pincrew.store.listing import Listing
from pincrew.values import Pin, PinMode, PinState

KEY = SigningKey.from_seed(b"chck" * 8)
BITS = 4


def cid_of(number: int) -> bytes:
    return b"\x01\x55\x12\x20" + hashlib.sha256(b"%d" % number).digest()


@pytest.fixture
def database() -> Database:
    database = Database(None)
    replica = Replica(database, cluster=b"c" * 32, curators={KEY.public}, trust=0, shard_bits=BITS, now_ms=lambda: 1)
    author = Author(replica, KEY, now_ms=lambda: 1, nonce=lambda: b"n" * 16)
    for number in range(3):
        pin = Pin(cid_of(number), name=f"pin {number}", mode=PinMode.DIRECT, added_ms=1)
        finish(author.write([WriteRequest(pin.cid, encode_record(pin))]))
    return database


def test_a_pin_is_found_with_its_state_and_marked(database: Database) -> None:
    checks = Checks(database, BITS)
    found = checks.pin(cid_of(1))
    assert found is not None and found[1] is PinState.QUEUED
    assert (found[0].cid, found[0].name, found[0].mode) == (cid_of(1), "pin 1", PinMode.DIRECT)
    assert checks.pin(cid_of(99)) is None
    checks.sound(cid_of(1), 5_000)
    checks.sound(cid_of(99), 6_000)
    rows = {row.cid: row.checked_ms for row in Listing(database, BITS).page(Filter())}
    assert rows == {cid_of(0): None, cid_of(1): 5_000, cid_of(2): None}
    assert {row.checked_ms for row in Listing(database, BITS).all()} == {None, 5_000}


def test_the_journal_is_kept(database: Database) -> None:
    checks = Checks(database, BITS)
    assert checks.journal() == Journal(None, 0, {})
    journal = Journal(cid_of(1), 7, {cid_of(2): Damage(3, 4, is_aside=True), cid_of(3): Damage(1, 2)})
    checks.save(journal)
    assert Checks(database, BITS).journal() == journal
