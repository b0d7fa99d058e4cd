"""The config document that a curator hands out."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from pincrew.trusted.creation import Created, create
from pincrew.trusted.publishing import publish, published

from pincrew.config_document import parse
from pincrew.errors import Misuse, NotAllowed, StoreFault
from pincrew.identity import create_key, load_key, load_secret
from pincrew.paths import Home
from support.signers import following, key

OWN = ["/ip4/203.0.113.7/tcp/4001"]


@pytest.fixture
def made(tmp_path: Path) -> Created:
    return create(Home(tmp_path / "home"), "crew", now_s=1_700_000_000)


def test_a_published_document_names_this_peer_first_then_followers(made: Created, tmp_path: Path) -> None:
    followers = [[f"/ip4/198.51.100.{n}/tcp/{port}" for port in (1, 2, 3)] for n in range(30)]
    result = publish(made.paths, addresses=OWN, others=followers, now_s=1_700_000_100, output=tmp_path / "c.toml")
    document = parse((tmp_path / "c.toml").read_bytes())
    assert document == result.document
    assert document.peers[0] == f"{OWN[0]}/p2p/{made.peer_id}"
    assert document.peers[1:3] == ("/ip4/198.51.100.0/tcp/1", "/ip4/198.51.100.0/tcp/2")
    assert "/ip4/198.51.100.19/tcp/1" in document.peers
    assert "/ip4/198.51.100.20/tcp/1" not in document.peers
    assert (document.revision, document.issued) == (1, 1_700_000_100)


def test_what_was_published_is_said(made: Created, tmp_path: Path) -> None:
    result = publish(made.paths, addresses=OWN, now_s=0, output=tmp_path / "c.toml", url="https://example.org/c.toml")
    assert result.path == tmp_path / "c.toml"
    assert result.sha256 == hashlib.sha256(result.path.read_bytes()).hexdigest()
    assert result.follow == f"pincrew follow https://example.org/c.toml#{made.cluster_id.hex()}"


def test_a_path_with_spaces_is_quoted_in_the_line_to_send_out(made: Created, tmp_path: Path) -> None:
    result = publish(made.paths, addresses=OWN, now_s=0, output=tmp_path / "my crew.toml")
    assert result.follow == f"pincrew follow '{tmp_path / 'my crew.toml'}#{made.cluster_id.hex()}'"


def test_the_revision_rises_every_time(made: Created, tmp_path: Path) -> None:
    revisions = [publish(made.paths, addresses=OWN, now_s=0, output=tmp_path / "c.toml").revision for _ in range(3)]
    assert revisions == [1, 2, 3]
    assert published(made.paths).revision == 3


def test_a_file_that_cannot_be_written_costs_a_revision_and_never_repeats_one(made: Created, tmp_path: Path) -> None:
    with pytest.raises(StoreFault):
        publish(made.paths, addresses=OWN, now_s=0, output=tmp_path / "absent" / "c.toml")
    assert publish(made.paths, addresses=OWN, now_s=0).revision == 2


def test_what_is_not_given_stays_as_it_was(made: Created) -> None:
    publish(made.paths, addresses=OWN, now_s=0, description="Things", pins_hint=12, silent_after_days=7)
    document = publish(made.paths, addresses=[], now_s=0, bytes_hint=5).document
    assert (document.description, document.pins_hint, document.silent_after_days) == ("Things", 12, 7)
    publish(made.paths, addresses=OWN, now_s=0, silent_after_days=0)
    assert published(made.paths).silent_after_days is None
    assert (document.bytes_hint, document.peers) == (5, ())


def test_newer_trust_records_are_published(made: Created) -> None:
    held = published(made.paths).trust
    longer = held.extended(
        following(held.head, load_key(made.owner_key), curators=[load_key(made.paths.identity), key("x")])
    )
    assert publish(made.paths, addresses=OWN, now_s=0, chain=longer).document.trust == longer


def test_somebody_who_is_no_curator_publishes_nothing(made: Created) -> None:
    made.paths.identity.unlink()
    create_key(made.paths.identity)
    with pytest.raises(NotAllowed, match="no curator"):
        publish(made.paths, addresses=OWN, now_s=0)
    assert published(made.paths).revision == 0


def test_the_network_key_is_inside_only_by_force(tmp_path: Path) -> None:
    closed = create(Home(tmp_path / "home"), "crew", now_s=0, is_closed=True)
    assert publish(closed.paths, addresses=OWN, now_s=0).document.secret is None
    forced = publish(closed.paths, addresses=OWN, now_s=0, is_secret_forced=True)
    assert forced.document.secret == load_secret(closed.paths.secret)
    assert publish(closed.paths, addresses=OWN, now_s=0).document.secret is None


def test_an_open_cluster_has_no_network_key_to_publish(made: Created) -> None:
    with pytest.raises(Misuse, match="open"):
        publish(made.paths, addresses=OWN, now_s=0, is_secret_forced=True)


def test_a_damaged_document_is_a_fault_of_the_disk(made: Created) -> None:
    made.paths.config.write_text("nothing")
    with pytest.raises(StoreFault, match="damaged"):
        publish(made.paths, addresses=OWN, now_s=0)
