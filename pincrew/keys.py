"""Ed25519 keys and libp2p peer ids.

A peer id is the identity multihash of the protobuf of an Ed25519 public key (libp2p specs, peer-ids): the key can be
read back from it, so trust is stated in peer ids and checked without asking anybody.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import base58
import nacl.exceptions
import nacl.signing

from pincrew.errors import Forged, Misuse

_PEER_IDS_REMEMBERED = 10_000  # base58 in Python takes 10 us and more, and in a crowd it is asked for all the time
_PUBLIC_PREFIX = bytes.fromhex("0024080112 20".replace(" ", ""))


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A secret Ed25519 key. It signs only domain-tagged messages, so that no signature fits two purposes."""

    seed: bytes = field(repr=False)
    public: bytes

    @classmethod
    def from_seed(cls, seed: bytes) -> SigningKey:
        """Build the key of a 32-byte seed."""
        return cls(seed, bytes(nacl.signing.SigningKey(seed).verify_key))

    def sign(self, domain: bytes, message: bytes) -> bytes:
        """Return the 64-byte signature over ``domain`` (one of ``pincrew.domains``) and ``message``."""
        return nacl.signing.SigningKey(self.seed).sign(domain + message).signature


def verify(public: bytes, domain: bytes, message: bytes, signature: bytes) -> None:
    """Raise Forged unless ``signature`` is ``public``'s over ``domain`` and ``message``."""
    try:
        nacl.signing.VerifyKey(public).verify(domain + message, signature)
    except (nacl.exceptions.BadSignatureError, ValueError, TypeError) as error:
        raise Forged from error


@lru_cache(_PEER_IDS_REMEMBERED)
def peer_id(public: bytes) -> str:
    """Return the peer id (`12D3Koo...`) of an Ed25519 public key of 32 bytes."""
    return str(base58.b58encode(_PUBLIC_PREFIX + public).decode())


@lru_cache(_PEER_IDS_REMEMBERED)
def public_of(peer: str) -> bytes:
    """Return the public key inside a peer id. Raises Misuse when it is not an Ed25519 peer id."""
    try:
        raw = bytes(base58.b58decode(peer))
    except ValueError as error:
        raise Misuse(f"{peer!r} is not a peer id", next_step="A peer id starts with `12D3Koo`") from error
    if len(raw) != 38 or not raw.startswith(_PUBLIC_PREFIX):
        raise Misuse(f"{peer!r} is not an Ed25519 peer id", next_step="A peer id starts with `12D3Koo`")
    return raw[len(_PUBLIC_PREFIX) :]
