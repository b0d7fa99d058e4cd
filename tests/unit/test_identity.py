"""Secret keys on disk."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from pincrew.errors import Conflict, Malformed, NotFound, StoreFault
from pincrew.files import write_file
from pincrew.identity import create_key, load_key, load_or_create_key, load_secret, render_secret

SECRET = bytes(range(32))


def test_a_key_is_kept_in_the_form_of_libp2p_for_its_owner_alone(tmp_path: Path) -> None:
    key = create_key(tmp_path / "k", lambda n: bytes(n))
    assert (tmp_path / "k").read_bytes() == bytes.fromhex("08011220") + bytes(32)
    assert stat.S_IMODE((tmp_path / "k").stat().st_mode) == 0o600
    assert load_key(tmp_path / "k") == key


def test_two_keys_differ(tmp_path: Path) -> None:
    assert create_key(tmp_path / "a") != create_key(tmp_path / "b")


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    key = create_key(tmp_path / "k")
    with pytest.raises(Conflict):
        create_key(tmp_path / "k")
    assert load_key(tmp_path / "k") == key


@pytest.mark.parametrize("data", [b"", bytes(36), bytes.fromhex("08011220") + bytes(31), bytes(5000)])
def test_a_damaged_key_is_refused(tmp_path: Path, data: bytes) -> None:
    write_file(tmp_path / "k", data)
    with pytest.raises(StoreFault):
        load_key(tmp_path / "k")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_key_that_others_can_touch_is_refused(tmp_path: Path, mode: int) -> None:
    create_key(tmp_path / "k")
    (tmp_path / "k").chmod(mode)
    with pytest.raises(StoreFault, match="chmod 600"):
        load_key(tmp_path / "k")


def test_no_key_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        load_key(tmp_path / "k")


def test_a_new_peer_gets_a_key_and_keeps_it(tmp_path: Path) -> None:
    key = load_or_create_key(tmp_path / "k", tmp_path / "state.db")
    (tmp_path / "state.db").touch()
    assert load_or_create_key(tmp_path / "k", tmp_path / "state.db") == key


def test_no_new_identity_is_made_over_existing_state(tmp_path: Path) -> None:
    (tmp_path / "state.db").touch()
    with pytest.raises(StoreFault, match="identity of this peer is gone"):
        load_or_create_key(tmp_path / "k", tmp_path / "state.db")
    assert not (tmp_path / "k").exists()


def test_a_damaged_key_is_not_replaced_by_a_new_one(tmp_path: Path) -> None:
    write_file(tmp_path / "k", b"damaged")
    with pytest.raises(StoreFault):
        load_or_create_key(tmp_path / "k", tmp_path / "state.db")
    assert (tmp_path / "k").read_bytes() == b"damaged"


def test_a_network_key_is_read_with_and_without_its_header(tmp_path: Path) -> None:
    for data in (render_secret(SECRET), SECRET.hex().encode(), SECRET.hex().upper().encode() + b"\r\n"):
        write_file(tmp_path / "s", data)
        assert load_secret(tmp_path / "s") == SECRET


@pytest.mark.parametrize("data", [b"", b"hello", SECRET.hex().encode()[:-2], b"\xff" * 64, b"/key/swarm/psk/1.0.0/\n"])
def test_what_is_no_network_key_is_refused(tmp_path: Path, data: bytes) -> None:
    write_file(tmp_path / "s", data)
    with pytest.raises(Malformed, match="64 hex digits"):
        load_secret(tmp_path / "s")


def test_our_own_network_key_must_be_private_and_a_handed_out_one_need_not(tmp_path: Path) -> None:
    write_file(tmp_path / "s", render_secret(SECRET), 0o644)
    with pytest.raises(StoreFault, match="chmod"):
        load_secret(tmp_path / "s")
    assert load_secret(tmp_path / "s", is_ours=False) == SECRET
