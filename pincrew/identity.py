"""Secret keys on disk: a peer's identity, an owner key, the private network key of a closed cluster.

Ed25519 keys are kept in libp2p's own form (the protobuf of key type 1 with the 32-byte seed, 36 bytes), so that other
libp2p programs can read them; its first bytes are its version. The network key is kept as other IPFS programs keep
theirs (`/key/swarm/psk/1.0.0/`). All are 0600, written once, and never overwritten.
"""

from __future__ import annotations

import secrets
import stat
from collections.abc import Callable
from pathlib import Path

from pincrew.errors import Conflict, Malformed, NotFound, StoreFault
from pincrew.files import create_file, read_file
from pincrew.keys import SigningKey

_PREFIX = bytes.fromhex("08011220")
_SEED_BYTES = 32
_SECRET_HEADER = "/key/swarm/psk/1.0.0/\n/base16/\n"
SECRET_BYTES = 32
_FILE_BYTES_MAX = 4_096

Random = Callable[[int], bytes]


def create_key(path: Path, random: Random = secrets.token_bytes) -> SigningKey:
    """Make a new secret key at ``path``. Raises Conflict when there is one: a key is never overwritten."""
    key = SigningKey.from_seed(random(_SEED_BYTES))
    create_file(path, _PREFIX + key.seed)
    return key


def load_key(path: Path) -> SigningKey:
    """Read a secret key. Raises NotFound, or StoreFault when it is damaged or open to other users."""
    data = _read_secret(path)
    if len(data) != len(_PREFIX) + _SEED_BYTES or not data.startswith(_PREFIX):
        raise StoreFault(
            "The key file is damaged or not one of pincrew's",
            where=str(path),
            means="Without its key this peer is a stranger to its cluster",
            next_step="Restore the file from a backup",
        )
    return SigningKey.from_seed(data[len(_PREFIX) :])


def load_or_create_key(path: Path, state: Path, random: Random = secrets.token_bytes) -> SigningKey:
    """Read the key of a peer, or make it where there is nothing of that peer yet.

    Raises StoreFault when ``state``, what the peer has stored, exists and its key does not: under a new identity the
    old state would be somebody else's.
    """
    try:
        return load_key(path)
    except NotFound:
        if state.exists():
            raise StoreFault(
                "The identity of this peer is gone but its state is still there",
                where=str(path),
                means="A new identity would not be the peer that the others know",
                next_step="Restore the key from a backup, or `pincrew leave` and follow again",
            ) from None
    try:
        return create_key(path, random)
    except Conflict:  # another process made it since we looked: that one is the identity
        return load_key(path)


def render_secret(secret: bytes) -> bytes:
    """Return a private network key as its file."""
    return f"{_SECRET_HEADER}{secret.hex()}\n".encode()


def load_secret(path: Path, *, is_ours: bool = True) -> bytes:
    """Read a private network key: 32 bytes, as 64 hex digits with or without the usual two lines before them.

    A file that a user was handed (not ``is_ours``) may be open to others: it is about to be copied into our folder.
    """
    data = _read_secret(path) if is_ours else read_file(path, _FILE_BYTES_MAX)
    text = data.decode("ascii", "replace").strip()
    digits = text.removeprefix(_SECRET_HEADER.strip()).strip()
    try:
        secret = bytes.fromhex(digits)
    except ValueError:
        secret = b""
    if len(secret) != SECRET_BYTES:
        raise Malformed(
            "That is not a private network key",
            where=str(path),
            next_step="It is a file of 64 hex digits; ask the curator for it",
        )
    return secret


def _read_secret(path: Path) -> bytes:
    data = read_file(path, _FILE_BYTES_MAX)
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise StoreFault(
            "Other users of this machine can read the secret key",
            where=str(path),
            means="pincrew does not use a key that others may have",
            next_step=f"Type `chmod 600 '{path}'`",
        )
    return data
