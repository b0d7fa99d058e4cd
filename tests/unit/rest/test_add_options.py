"""Options of `POST /add`."""

from __future__ import annotations

import pytest

from pincrew.errors import Misuse
from pincrew.node.chunking import FixedSize
from pincrew.rest.add_options import AddFormat, read_add_wish


def test_nothing_said_is_as_ipfs_cluster_has_it() -> None:
    wish = read_add_wish({})
    assert (wish.format, wish.local, wish.pins, wish.shows_progress, wish.streams) == (
        AddFormat.UNIXFS,
        False,
        True,
        False,
        True,
    )
    options = wish.options
    assert (options.cid_version, options.raw_leaves, options.chunking) == (0, None, FixedSize())
    assert not options.wrap and not options.trickle


def test_all_that_go_clients_send() -> None:
    wish = read_add_wish(
        {
            "chunker": "size-1024",
            "cid-version": "1",
            "format": "unixfs",
            "hash": "sha2-256",
            "hidden": "false",
            "layout": "trickle",
            "local": "true",
            "no-pin": "true",
            "nocopy": "false",
            "progress": "true",
            "raw-leaves": "false",
            "recursive": "true",
            "shard": "false",
            "stream-channels": "false",
            "wrap-with-directory": "true",
        }
    )
    assert (wish.local, wish.pins, wish.shows_progress, wish.streams) == (True, False, True, False)
    options = wish.options
    assert (options.cid_version, options.raw_leaves, options.chunking) == (1, False, FixedSize(1024))
    assert options.wrap and options.trickle


def test_another_hash_function_brings_version_1_along() -> None:
    assert read_add_wish({"hash": "sha3-512", "cid-version": "0"}).options.cid_version == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cid-version", "2"),
        ("chunker", "size-0"),
        ("chunker", "nonsense"),
        ("format", "zip"),
        ("hash", "md5"),
        ("layout", "flat"),
        ("local", "yes"),
        ("no-pin", "2"),
        ("nocopy", "true"),
        ("progress", "TrUe"),
        ("raw-leaves", "x"),
        ("recursive", "x"),
        ("shard", "x"),
        ("stream-channels", "x"),
        ("wrap-with-directory", "-1"),
    ],
)
def test_what_makes_no_sense_is_refused(name: str, value: str) -> None:
    with pytest.raises(Misuse):
        read_add_wish({name: value})


def test_shards_are_kept_by_their_pins() -> None:
    assert read_add_wish({"shard": "true"}).in_shards and not read_add_wish({"shard": "false"}).in_shards
    with pytest.raises(Misuse, match="no-pin"):
        read_add_wish({"shard": "true", "no-pin": "true"})


def test_a_car_is_not_wrapped() -> None:
    assert read_add_wish({"format": "car"}).format is AddFormat.CAR
    with pytest.raises(Misuse, match="wrapped"):
        read_add_wish({"format": "car", "wrap-with-directory": "true"})
