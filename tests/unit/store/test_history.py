"""What the log serves."""

from __future__ import annotations

from pincrew import limits
from pincrew.store.database import Database
from pincrew.store.history import History
from pincrew.store.window import LogRow

SIGNATURE = b"s" * 64


def history(*signatures: bytes | None, body: bytes = b"body") -> History:
    """A log of one session with these signatures, None where only a later one was checked."""
    found = History(Database(None))
    rows = [LogRow(1, n, b"h", body, signature) for n, signature in enumerate(signatures, 1)]
    with found.database.transaction() as db:
        db.executemany("INSERT INTO log (sid, number, hash, body, signature) VALUES (?,?,?,?,?)", rows)
    return found


def test_a_page_ends_at_a_signature_that_was_checked() -> None:
    log = history(None, SIGNATURE, None, None)
    page = log.page(1, 0)
    assert page is not None
    assert (page.first, len(page.bodies), page.signature) == (1, 2, SIGNATURE)
    assert log.page(1, 2) is None


def test_a_page_is_bounded_by_bytes_but_holds_one_at_least() -> None:
    log = history(SIGNATURE, SIGNATURE, SIGNATURE, body=bytes(limits.PAGE_BYTES_MAX // 2))
    first = log.page(1, 0)
    assert first is not None and len(first.bodies) == 1
    whole = history(SIGNATURE, body=bytes(limits.PAGE_BYTES_MAX + 1)).page(1, 0)
    assert whole is not None and len(whole.bodies) == 1


def test_a_page_stops_at_a_hole_and_nothing_is_no_page() -> None:
    log = history(SIGNATURE, SIGNATURE)
    with log.database.transaction() as db:
        db.execute("UPDATE log SET number=5 WHERE number=2")
    page = log.page(1, 0)
    assert page is not None and len(page.bodies) == 1
    assert log.page(1, 1) is None
    assert log.page(2, 0) is None
