"""What is said on the local network."""

from __future__ import annotations

from pincrew import limits
from pincrew.keys import peer_id
from pincrew.network import mdns
from support.crew import CLUSTER, key

PEER = peer_id(key(1).public)


def test_clusters_do_not_share_a_service_type_and_do_not_show_their_id() -> None:
    ours, theirs = mdns.service_type(CLUSTER), mdns.service_type(CLUSTER[::-1])
    assert ours != theirs and CLUSTER.hex()[:12] not in ours
    # RFC 6763: at most 15 characters, without the underscore.
    assert len(ours.split(".")[0]) <= 16
    assert all(len(label) <= 63 for label in mdns.service_name(CLUSTER, PEER).split("."))


def test_a_record_is_read_as_it_was_written_and_bounded() -> None:
    addresses = [f"/ip4/10.0.0.{number}/tcp/1" for number in range(30)]
    written = {name.encode(): text.encode() for name, text in mdns.properties(PEER, addresses).items()}
    assert mdns.read_properties(dict(written)) == (PEER, tuple(addresses[: limits.MDNS_ADDRESSES_MAX]))


def test_records_of_others_are_passed_over() -> None:
    for found in (
        {},
        {b"peer": None},
        {b"peer": b"\xff"},
        {b"peer": b"nobody", b"a0": b"/ip4/1.2.3.4/tcp/1"},
        {b"peer": PEER.encode()},
        {b"peer": PEER.encode(), b"a0": b"nonsense"},
    ):
        assert mdns.read_properties(found) is None
