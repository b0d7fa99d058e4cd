"""What a peer says about itself, signed by itself: the only metric message of the product.

    body = [format, cluster, public key, name, version, listed, addresses, node id, node addresses, heads digest,
            [pins, pinned, bytes pinned, errors], kept part, free bytes, time, ttl]

Newest per peer, relayed pairwise, bounded. It informs and directs, and decides nothing: no claim makes anybody drop,
decline or unpin anything (invariant 15), and a claim about another peer cannot be made at all, for the key that signs
is the peer that is spoken of. ``time`` orders the announcements of one peer; when they expire is counted from arrival.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

import cbor2

from pincrew import domains, limits
from pincrew.errors import Malformed
from pincrew.keys import SigningKey, peer_id, verify
from pincrew.wire import load

_FORMAT = 1
_FIELDS = 15
_TEXT_BYTES_MAX = 256


class Counters(NamedTuple):
    """How far a peer says it is."""

    pins: int = 0
    pinned: int = 0
    bytes_pinned: int = 0
    errors: int = 0


_NO_COUNTERS = Counters()


@dataclass(frozen=True, slots=True)
class Announcement:
    """A peer's own record. ``part`` is the share of all CIDs that it keeps in 1/2^32 (None = all)."""

    cluster: bytes
    key: bytes
    name: str = ""
    version: str = ""
    listed: bool = True
    addresses: tuple[str, ...] = ()
    node_id: str | None = None
    node_addresses: tuple[str, ...] = ()
    digest: bytes = b""
    counters: Counters = _NO_COUNTERS
    part: int | None = None
    free_bytes: int | None = None
    time_ms: int = 0
    ttl_s: int = int(limits.ANNOUNCEMENT_TTL_S)

    @property
    def peer(self) -> str:
        """The peer id that it speaks of, and that signed it."""
        return peer_id(self.key)

    def sealed(self, key: SigningKey) -> bytes:
        """Return it signed by ``key``, which must be its own."""
        assert key.public == self.key
        fields: list[Any] = [_FORMAT, self.cluster, self.key, self.name, self.version, self.listed]
        fields += [list(self.addresses), self.node_id, list(self.node_addresses), self.digest, list(self.counters)]
        fields += [self.part, self.free_bytes, self.time_ms, self.ttl_s]
        body = cbor2.dumps(fields, canonical=True)
        return cbor2.dumps([body, key.sign(domains.ANNOUNCEMENT, body)], canonical=True)


def read_announcement(sealed: bytes, cluster: bytes) -> Announcement:
    """Read and check a signed announcement. Raises Malformed or Forged."""
    if len(sealed) > limits.ANNOUNCEMENT_BYTES_MAX:
        _refuse("an announcement is larger than 8 KiB")
    pair = load(sealed)
    if not (isinstance(pair, list) and len(pair) == 2 and all(type(part) is bytes for part in pair)):
        _refuse("an announcement is not a signed body")
    body, signature = pair
    fields = load(body)
    if not isinstance(fields, list) or len(fields) < _FIELDS or type(fields[0]) is not int or fields[0] != _FORMAT:
        _refuse("an announcement is of an unknown format")
    if fields[1] != cluster or type(fields[2]) is not bytes or len(fields[2]) != 32:
        _refuse("an announcement is of another cluster")
    verify(fields[2], domains.ANNOUNCEMENT, body, signature)
    counters = fields[10]
    if not isinstance(counters, list) or len(counters) != len(Counters._fields):
        _refuse("an announcement has no counters")
    return Announcement(
        cluster=cluster,
        key=fields[2],
        name=_text(fields[3]),
        version=_text(fields[4]),
        listed=fields[5] is True,
        addresses=_texts(fields[6]),
        node_id=None if fields[7] is None else _text(fields[7]),
        node_addresses=_texts(fields[8]),
        digest=fields[9] if type(fields[9]) is bytes and len(fields[9]) == 32 else b"",
        counters=Counters(*(_number(count) for count in counters)),
        part=None if fields[11] is None else _number(fields[11]),
        free_bytes=None if fields[12] is None else _number(fields[12]),
        time_ms=_number(fields[13]),
        ttl_s=min(_number(fields[14]), int(limits.ANNOUNCEMENT_TTL_S)),
    )


@dataclass(frozen=True, slots=True)
class Heard:
    """An announcement as held: its bytes for passing on, and when it came (seconds of the holder's clock)."""

    announcement: Announcement
    sealed: bytes
    at: float


class Announcements:
    """The newest announcement of each peer, at most 5,000; the longest silent ones make room."""

    def __init__(self, cluster: bytes) -> None:
        self._cluster = cluster
        self._heard: dict[bytes, Heard] = {}
        self._sealed: set[bytes] = set()  # of those: every neighbour brings them again, and reading one takes 0.1 ms

    def accept(self, sealed: bytes, now: float) -> bool:
        """Take in a signed announcement; return whether it is newer than what is held. Raises Malformed or Forged."""
        if sealed in self._sealed:
            return False
        announcement = read_announcement(sealed, self._cluster)
        held = self._heard.get(announcement.key)
        if held is not None and held.announcement.time_ms >= announcement.time_ms:
            return False
        if held is None and len(self._heard) >= limits.ANNOUNCED_PEERS_MAX:
            self._drop(next(iter(self._heard)))
        elif held is not None:
            self._drop(announcement.key)
        self._heard[announcement.key] = Heard(announcement, sealed, now)
        self._sealed.add(sealed)
        return True

    def _drop(self, key: bytes) -> None:
        self._sealed.discard(self._heard.pop(key).sealed)

    def __len__(self) -> int:
        return len(self._heard)

    def current(self, now: float) -> list[Heard]:
        """Return those that have not expired; the expired ones are kept for ``last_seen`` only."""
        return [heard for heard in self._heard.values() if now < heard.at + heard.announcement.ttl_s]

    def of(self, key: bytes) -> Heard | None:
        """Return the newest of a peer, expired or not."""
        return self._heard.get(key)

    def all(self) -> list[Heard]:
        """Return the newest of every peer heard, expired or not."""
        return list(self._heard.values())


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value.encode()) > _TEXT_BYTES_MAX:
        _refuse("a text in an announcement is too long")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > limits.ANNOUNCEMENT_ADDRESSES_MAX:
        _refuse("an announcement has too many addresses")
    return tuple(_text(one) for one in value)


def _number(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        _refuse("a number in an announcement is out of range")
    return value


def _refuse(what: str) -> NoReturn:
    raise Malformed(what)
