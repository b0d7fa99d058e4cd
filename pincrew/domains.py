"""Domain tags: what a signature or a hash is *for*.

Each signed kind has its own tag, ending in a zero byte so that none is a prefix of another; callers never choose one.
The same identity key also signs noise handshakes ("noise-libp2p-static-key:"), which no tag here can start.
"""

ENVELOPE = b"pincrew/envelope/v1\0"
TRUST = b"pincrew/trust/v1\0"
TRUST_CONFLICT = b"pincrew/trust-conflict/v1\0"
CONFIG = b"pincrew-config/1\0"
ANNOUNCEMENT = b"pincrew/announcement/v1\0"
CLIENT_ID = b"pincrew/client-id/v1\0"
HEADS = b"pincrew/heads/v1\0"
BASE = b"pincrew/base/v1\0"
BASE_BLOB = b"pincrew/base-blob/v1\0"
PART = b"pincrew/part/v1\0"
RESCUE = b"pincrew/rescue/v1\0"
ALLOCATION = b"pincrew/allocation/v1\0"
TURN = b"pincrew/turn/v1\0"
