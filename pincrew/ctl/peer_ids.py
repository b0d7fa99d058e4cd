"""The ids of peers, in both of their forms. Pure."""

from __future__ import annotations

import base58

from pincrew.cid import parse_cid
from pincrew.errors import Malformed, Misuse

_IDENTITY, _SHA256 = 0x00, 0x12
_KEY_CID = b"\x01\x72"  # version 1, libp2p-key
_BYTES_MAX = 128


def canonical_peer(text: str) -> str:
    """Return a peer's id in base58, which may be written as a CID too. Raises ValueError with a sentence."""
    try:
        if text.startswith(("Qm", "1")):
            multihash = base58.b58decode(text) if len(text) <= 2 * _BYTES_MAX else b""
        else:
            cid = parse_cid(text)
            multihash = cid.removeprefix(_KEY_CID) if cid.startswith(_KEY_CID) else b""
    except (ValueError, Misuse, Malformed):
        multihash = b""
    if len(multihash) < 3 or multihash[0] not in (_IDENTITY, _SHA256) or multihash[1] != len(multihash) - 2:
        raise ValueError(f"failed to parse peer ID: {text!r} is none; one starts with 12D3Koo or Qm")
    return str(base58.b58encode(multihash).decode())
