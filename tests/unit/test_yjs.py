"""The update builder against pycrdt's own captures, byte for byte, and the reader that is its inverse."""

from __future__ import annotations

from typing import Any

import pycrdt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pincrew.errors import PincrewError
from pincrew.yjs import ROOT, ItemId, Struct, build_update, read_update

edits = st.lists(
    st.tuples(
        st.integers(0, 2),  # which document
        st.dictionaries(st.sampled_from("abcd"), st.none() | st.binary(max_size=300), min_size=1, max_size=4),
    ),
    max_size=25,
)


class Replica:
    """A plain pycrdt document whose updates are caught."""

    def __init__(self, client: int) -> None:
        self.document: pycrdt.Doc[Any] = pycrdt.Doc(client_id=client)
        self.map = self.document.get(ROOT, type=pycrdt.Map)
        self.updates: list[bytes] = []

    def edit(self, changes: dict[str, bytes | None]) -> bytes | None:
        subscription = self.document.observe(lambda event: self.updates.append(bytes(event.update)))
        with self.document.transaction():
            for key, value in changes.items():
                if value is not None:
                    self.map[key] = value
                elif key in self.map:
                    del self.map[key]
        self.document.unobserve(subscription)
        return self.updates.pop() if self.updates else None


@settings(max_examples=300, deadline=None)
@given(edits, st.lists(st.integers(2, 2**53 - 1), min_size=3, max_size=3, unique=True))
def test_rebuilt_updates_are_byte_equal_to_captured_ones(
    steps: list[tuple[int, dict[str, bytes | None]]], clients: list[int]
) -> None:
    """Three documents edit each their own state and hear the others late, in order."""
    replicas = [Replica(client) for client in clients]
    late: list[list[bytes]] = [[], [], []]
    for who, changes in steps:
        update = replicas[who].edit(changes)
        if update is None or update == b"\x00\x00":
            continue
        captured = read_update(update)
        again = build_update(captured.client, captured.first_clock, captured.structs, captured.deletes)
        if len({item.client for item in captured.deletes}) < 2:
            assert again == update
        else:  # yrs writes the clients of a delete set in the order of its hash map
            assert len(again) == len(update) and read_update(again)[:3] == captured[:3]
            assert set(read_update(again).deletes) == set(captured.deletes)
        for other in range(3):
            if other != who:
                late[other].append(again)
        if len(late[who]) > 3:
            for one in late[who]:
                replicas[who].document.apply_update(one)
            late[who].clear()


items = st.builds(ItemId, st.integers(0, 2**53 - 1), st.integers(0, 2**53 - 1))


@given(
    st.integers(2, 2**53 - 1),
    st.integers(0, 2**40),
    st.lists(
        st.one_of(
            st.builds(Struct, st.text(max_size=9), st.none(), st.binary(max_size=200)),
            st.builds(Struct, st.none(), items, st.binary(max_size=200)),
        ),
        max_size=5,
    ),
    st.lists(items, max_size=9, unique=True),
)
def test_what_is_built_is_read(client: int, clock: int, structs: list[Struct], deletes: list[ItemId]) -> None:
    captured = read_update(build_update(client, clock, structs, deletes))
    assert captured.structs == tuple(structs)
    assert sorted(captured.deletes) == sorted(deletes)
    if structs:
        assert captured[:2] == (client, clock)


def test_a_delete_is_one_range_per_run() -> None:
    assert (
        build_update(0, 0, (), [ItemId(5, 1), ItemId(5, 2), ItemId(5, 4), ItemId(9, 0)]).hex()
        == "00020901000105020102" + "0401"
    )


@pytest.mark.parametrize(
    "update",
    [
        b"",
        b"\x00",
        b"\x00\x00\x00",
        b"\x01\x01\x05\x00",
        b"\x01\x01\x05\x00\x00\x01",  # a GC run
        b"\x01\x01\x05\x00\x21\x01\x01p\x01a\x01",  # deleted content with a key
        b"\x01\x01\x05\x00\x28\x01\x01q\x01a\x01\x74\x00\x00",  # another root
        b"\x01\x01\x05\x00\x28\x01\x01p\x01a\x01\x77\x00\x00",  # text instead of bytes
    ],
)
def test_another_form_is_refused(update: bytes) -> None:
    with pytest.raises(PincrewError):
        read_update(update)
