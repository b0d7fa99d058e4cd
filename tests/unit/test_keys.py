"""Keys: signatures are bound to a domain; peer ids are keys."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pincrew import domains
from pincrew.errors import Forged, Misuse
from pincrew.keys import SigningKey, peer_id, public_of, verify

KEY = SigningKey.from_seed(bytes(range(32)))
TAGS = [value for name, value in vars(domains).items() if name.isupper()]


@given(st.binary(max_size=64))
def test_a_signature_fits_what_was_signed(message: bytes) -> None:
    signature = KEY.sign(domains.ENVELOPE, message)
    verify(KEY.public, domains.ENVELOPE, message, signature)
    for bad in (message + b"x", message[1:] + b"yz"):
        with pytest.raises(Forged):
            verify(KEY.public, domains.ENVELOPE, bad, signature)


def test_a_signature_fits_one_domain() -> None:
    assert len(TAGS) >= 6
    for one, other in itertools.permutations(TAGS, 2):
        assert not other.startswith(one) and one.endswith(b"\0")
        with pytest.raises(Forged):
            verify(KEY.public, other, b"m", KEY.sign(one, b"m"))
    assert not any(tag.startswith(b"noise") for tag in TAGS)


@pytest.mark.parametrize("signature", [b"", bytes(63), bytes(64), bytes(65)])
@pytest.mark.parametrize("public", [KEY.public, bytes(32), b"", bytes(31)])
def test_bad_signatures_and_keys_are_forged(public: bytes, signature: bytes) -> None:
    with pytest.raises(Forged):
        verify(public, domains.TRUST, b"m", signature)


@given(st.binary(min_size=32, max_size=32))
def test_peer_ids_are_keys(public: bytes) -> None:
    assert peer_id(public).startswith("12D3Koo") and public_of(peer_id(public)) == public


@pytest.mark.parametrize("text", ["", "0OIl", "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG", "12D3Koo", "é"])
def test_what_is_no_peer_id_is_said_in_words(text: str) -> None:
    with pytest.raises(Misuse, match="12D3Koo"):
        public_of(text)


def test_a_secret_is_not_shown() -> None:
    assert repr(KEY.seed) not in repr(KEY)
