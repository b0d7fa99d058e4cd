"""What the pinned pycrdt does where it surprised us, so that an upgrade is judged on purpose.

None of this is a wish: where a newer version behaves better the test fails, and somebody decides whether a defence
may go. Until then the gate exists because of these (docs/protocol.md; pincrew/gate.py, invariants 6 and 8).
"""

from __future__ import annotations

import itertools
import subprocess
import sys
from importlib.metadata import version
from typing import Any

import pycrdt
import pytest

PINNED = "0.14.13"


def test_the_pinned_version() -> None:
    assert version("pycrdt") == PINNED, "judge the new version by this file, then pin it here"


def five_updates() -> list[bytes]:
    document: pycrdt.Doc[Any] = pycrdt.Doc(client_id=7)
    root = document.get("p", type=pycrdt.Map)
    updates: list[bytes] = []
    subscription = document.observe(lambda event: updates.append(bytes(event.update)))
    for key, value in (("a", b"1"), ("b", b"1"), ("a", b"2"), ("b", b"2"), ("a", b"3")):
        root[key] = value
    document.unobserve(subscription)
    return updates


def final(order: tuple[bytes, ...]) -> dict[str, bytes]:
    document: pycrdt.Doc[Any] = pycrdt.Doc(client_id=8)
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


# Found by mutating an honest update: an origin that is not there, in an info byte that says one is.
PANICKING = bytes.fromhex("01010701b101470001620174013100")


def test_a_panic_is_no_exception() -> None:
    """Why pincrew/pinset.py guards with BaseException: an ``except Exception`` would let it end the daemon."""
    raised: list[BaseException] = []
    for before in range(3):
        document: pycrdt.Doc[Any] = pycrdt.Doc(client_id=9)
        document.get("p", type=pycrdt.Map)
        for update in five_updates()[:before]:
            document.apply_update(update)
        try:
            document.apply_update(PANICKING)
        except BaseException as error:
            raised.append(error)
    panics = [error for error in raised if type(error).__name__ == "PanicException"]
    assert panics, "this update no longer panics: judge whether any other does"
    assert not isinstance(panics[0], Exception)


NESTED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
import pycrdt
depth = int(sys.argv[1])
value = b"\\x75\\x01" * depth + b"\\x7e"
document = pycrdt.Doc(client_id=1)
document.get("p", type=pycrdt.Map)
document.apply_update(b"\\x01\\x01\\x05\\x00\\x28\\x01\\x01p\\x01a\\x01" + value + b"\\x00")
"""


@pytest.mark.parametrize(("depth", "survives"), [(1_000, True), (60_000, False)])
def test_deep_nesting_kills_the_process(depth: int, survives: bool) -> None:
    """Why the wire carries operations and never Yjs bytes: 120 kB of them end the process."""
    done = subprocess.run([sys.executable, "-c", NESTED, str(depth)], capture_output=True, timeout=60, check=False)
    assert (done.returncode == 0) is survives, (done.returncode, done.stderr[-500:])


def test_equal_state_vectors_do_not_mean_equal_documents() -> None:
    """Why standings are digests over hash-linked heads and never state vectors."""
    one: pycrdt.Doc[Any] = pycrdt.Doc(client_id=1)
    two: pycrdt.Doc[Any] = pycrdt.Doc(client_id=2)
    for document, value in ((one, b"x"), (two, b"y")):
        document.get("p", type=pycrdt.Map)
        document.apply_update(b"\x01\x01\x05\x00\x28\x01\x01p\x01a\x01\x74\x01" + value + b"\x00")
    assert one.get_state() == two.get_state()
    one.apply_update(two.get_update())
    assert bytes(one.get("p", type=pycrdt.Map)["a"]) == b"x"
    assert bytes(two.get("p", type=pycrdt.Map)["a"]) == b"y"
