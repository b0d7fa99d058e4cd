"""Announcements: newest wins, bounded, signed by whom they speak of, expiring."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pincrew import domains, limits
from pincrew.announcement import Announcement, Announcements, Counters, KeptPart, read_announcement
from pincrew.errors import Forged, Malformed, PeerFault
from pincrew.keys import SigningKey, peer_id
from sim.swarm import key_of
from unit.golden.vectors import BEN, CLUSTER, PART, SERVICE, announcement


def sealed(name: str = "a", time_ms: int = 1, **more: Any) -> bytes:
    key = key_of(name)
    return Announcement(CLUSTER, key.public, name=name, time_ms=time_ms, **more).sealed(key)


def resigned(change: Any, key: SigningKey = BEN) -> bytes:
    """The golden announcement of a part with fields changed, signed anew."""
    fields = cbor2.loads(cbor2.loads(announcement(PART))[0])
    changed = change(fields)
    body = cbor2.dumps(fields if changed is None else changed, canonical=True)
    return cbor2.dumps([body, key.sign(domains.ANNOUNCEMENT, body)], canonical=True)


def test_what_is_written_is_read() -> None:
    read = read_announcement(announcement(), CLUSTER)
    assert read.sealed(BEN) == announcement() and read.peer == peer_id(BEN.public)
    assert read.counters == Counters(3, 2, 1_048_576, 1) and read.part is None


def test_a_longer_one_of_a_later_version_is_read() -> None:
    assert read_announcement(resigned_with_tags(lambda fields: fields.append("more")), CLUSTER).name == "attic"
    assert read_announcement(resigned(lambda fields: fields[15].append("more")), CLUSTER).part == PART


def test_the_kept_part_is_read_and_older_readers_need_not_know_it() -> None:
    read = read_announcement(announcement(PART), CLUSTER)
    assert read.part == PART and read.sealed(BEN) == announcement(PART)
    assert read.share == 2**30, "a quarter"
    assert read_announcement(resigned(lambda fields: fields.__delitem__(15)), CLUSTER).part is None
    assert read_announcement(resigned(lambda fields: fields.__setitem__(15, None)), CLUSTER).part is None
    everything = KeptPart(None, None, 7, 0, 0)
    read = read_announcement(sealed(part=everything), CLUSTER)
    assert read.part == everything and read.share is None
    assert len(announcement(PART)) - len(announcement()) < 100


def resigned_with_tags(change: Any) -> bytes:
    fields = cbor2.loads(cbor2.loads(announcement(PART, **SERVICE))[0])
    change(fields)
    body = cbor2.dumps(fields, canonical=True)
    return cbor2.dumps([body, BEN.sign(domains.ANNOUNCEMENT, body)], canonical=True)


def test_tags_and_queue_are_read_and_older_readers_need_not_know_them() -> None:
    read = read_announcement(announcement(PART, **SERVICE), CLUSTER)
    assert (read.tags, read.queue, read.repins) == ((("region", "eu"), ("zone", "b")), 17, True)
    assert read.sealed(BEN) == announcement(PART, **SERVICE)
    assert cbor2.loads(cbor2.loads(announcement(PART, **SERVICE))[0])[:16] == cbor2.loads(
        cbor2.loads(announcement(PART))[0]
    ), "what older readers read is as it was"


def test_older_ones_without_them_are_read() -> None:
    for part in (None, PART):
        read = read_announcement(announcement(part), CLUSTER)
        assert (read.tags, read.queue, read.repins) == ((), None, False)
    shorter = read_announcement(resigned_with_tags(lambda fields: fields.__delitem__(slice(17, None))), CLUSTER)
    assert shorter.tags and (shorter.queue, shorter.repins) == (None, False)
    longer = read_announcement(resigned_with_tags(lambda fields: fields.append("more")), CLUSTER)
    assert longer.tags and longer.queue == 17


def test_tags_without_a_part_are_told() -> None:
    read = read_announcement(sealed(tags=(("zone", "b"),)), CLUSTER)
    assert (read.part, read.tags, read.queue) == (None, (("zone", "b"),), None)
    assert read_announcement(sealed(queue=0), CLUSTER).queue == 0
    many = tuple(
        (f"{n:02}" + "n" * (limits.TAG_BYTES_MAX - 2), "v" * limits.TAG_BYTES_MAX) for n in range(limits.TAGS_MAX)
    )
    assert read_announcement(sealed(tags=many), CLUSTER).tags == many


@pytest.mark.parametrize(
    "change",
    [
        lambda f: f.__setitem__(16, ["region", "eu"]),
        lambda f: f.__setitem__(16, None),
        lambda f: f.__setitem__(16, {f"t{n}": "x" for n in range(limits.TAGS_MAX + 1)}),
        lambda f: f[16].__setitem__("x" * (limits.TAG_BYTES_MAX + 1), "y"),
        lambda f: f[16].__setitem__("y", "ä" * limits.TAG_BYTES_MAX),
        lambda f: f[16].__setitem__(1, "y"),
        lambda f: f[16].__setitem__("y", 1),
        lambda f: f.__setitem__(17, -1),
        lambda f: f.__setitem__(17, True),
    ],
)
def test_tags_and_queues_that_are_refused(change: Any) -> None:
    with pytest.raises(Malformed):
        read_announcement(resigned_with_tags(change), CLUSTER)


BAD: dict[str, Any] = {
    "format": lambda f: f.__setitem__(0, 2),
    "format true": lambda f: f.__setitem__(0, True),
    "fields missing": lambda f: f.__delitem__(slice(14, None)),
    "no array": lambda f: {"a": 1},
    "other cluster": lambda f: f.__setitem__(1, bytes(32)),
    "short key": lambda f: f.__setitem__(2, bytes(31)),
    "long name": lambda f: f.__setitem__(3, "x" * 257),
    "name no text": lambda f: f.__setitem__(3, b"x"),
    "too many addresses": lambda f: f.__setitem__(6, ["x"] * (limits.ANNOUNCEMENT_ADDRESSES_MAX + 1)),
    "addresses no list": lambda f: f.__setitem__(6, "x"),
    "node id no text": lambda f: f.__setitem__(7, 5),
    "node addresses of numbers": lambda f: f.__setitem__(8, [1]),
    "counters of three": lambda f: f[10].pop(),
    "negative counter": lambda f: f[10].__setitem__(0, -1),
    "counter too large": lambda f: f[10].__setitem__(0, 2**63),
    "share no number": lambda f: f.__setitem__(11, "all"),
    "part no list": lambda f: f.__setitem__(15, 2**62),
    "part of four": lambda f: f[15].__delitem__(4),
    "threshold too large": lambda f: f[15].__setitem__(0, 2**64),
    "threshold negative": lambda f: f[15].__setitem__(0, -1),
    "threshold true": lambda f: f[15].__setitem__(0, True),
    "largest negative": lambda f: f[15].__setitem__(1, -1),
    "kept no number": lambda f: f[15].__setitem__(2, None),
    "missing too large": lambda f: f[15].__setitem__(3, 2**63),
    "since a text": lambda f: f[15].__setitem__(4, "today"),
    "free bytes true": lambda f: f.__setitem__(12, True),
    "time no number": lambda f: f.__setitem__(13, None),
    "ttl negative": lambda f: f.__setitem__(14, -1),
}


@pytest.mark.parametrize("name", sorted(BAD))
def test_refused(name: str) -> None:
    with pytest.raises(Malformed):
        read_announcement(resigned(BAD[name]), CLUSTER)


def test_a_claim_about_another_peer_cannot_be_made() -> None:
    with pytest.raises(Forged):
        read_announcement(resigned(lambda fields: None, key_of("somebody else")), CLUSTER)
    with pytest.raises(Forged):
        read_announcement(resigned(lambda fields: fields.__setitem__(2, key_of("victim").public)), CLUSTER)


def test_a_signature_of_another_domain_does_not_count() -> None:
    body = cbor2.loads(announcement())[0]
    with pytest.raises(Forged):
        read_announcement(cbor2.dumps([body, BEN.sign(domains.ENVELOPE, body)], canonical=True), CLUSTER)


def test_refused_by_size() -> None:
    with pytest.raises(Malformed, match="8 KiB"):
        read_announcement(bytes(limits.ANNOUNCEMENT_BYTES_MAX + 1), CLUSTER)


@given(st.lists(st.tuples(st.integers(0, 9999), st.integers(0, 255)), min_size=1, max_size=4))
def test_mutated_announcements_are_a_peers_fault(edits: list[tuple[int, int]]) -> None:
    data = bytearray(announcement())
    for where, byte in edits:
        data[where % len(data)] = byte
    if bytes(data) != announcement():
        with contextlib.suppress(PeerFault):
            read_announcement(bytes(data), CLUSTER)
            pytest.fail("a mutated announcement was believed")


def test_the_newest_of_a_peer_counts() -> None:
    heard = Announcements(CLUSTER)
    assert heard.accept(sealed(time_ms=5), 0.0)
    assert not heard.accept(sealed(time_ms=5), 1.0)
    assert not heard.accept(sealed(time_ms=4), 1.0)
    assert heard.accept(sealed(time_ms=6), 2.0)
    assert [one.announcement.time_ms for one in heard.all()] == [6]


def test_what_is_held_already_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every neighbour brings everybody's announcement; checking a signature each time would be most of the work."""
    heard = Announcements(CLUSTER)
    first, second = sealed(time_ms=1), sealed(time_ms=2)
    assert heard.accept(first, 0.0)
    read: list[bytes] = []

    def reading(told: bytes, cluster: bytes) -> Announcement:
        read.append(told)
        return read_announcement(told, cluster)

    monkeypatch.setattr("pincrew.announcement.read_announcement", reading)
    assert not heard.accept(first, 0.0) and read == []
    assert heard.accept(second, 0.0)
    assert not heard.accept(second, 0.0) and not heard.accept(first, 0.0)
    assert read == [second, first], "what made room is not remembered"


def test_expiry_counts_from_arrival_and_is_bounded() -> None:
    heard = Announcements(CLUSTER)
    heard.accept(sealed("a", ttl_s=10), 100.0)
    heard.accept(sealed("b", ttl_s=10**9), 100.0)
    assert len(heard.current(109.0)) == 2
    assert [one.announcement.name for one in heard.current(111.0)] == ["b"]
    assert not heard.current(100.0 + limits.ANNOUNCEMENT_TTL_S)
    assert heard.of(key_of("a").public) is not None and len(heard.all()) == 2


def test_the_longest_silent_peer_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ANNOUNCED_PEERS_MAX", 3)
    heard = Announcements(CLUSTER)
    for name in "abc":
        heard.accept(sealed(name), 0.0)
    heard.accept(sealed("a", 2), 1.0)
    heard.accept(sealed("d"), 2.0)
    assert {one.announcement.name for one in heard.all()} == {"c", "a", "d"}


def test_an_announcement_is_signed_by_its_own_key_only() -> None:
    with pytest.raises(AssertionError):
        replace(read_announcement(announcement(), CLUSTER), key=key_of("x").public).sealed(BEN)
