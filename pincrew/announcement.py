"""What a peer says about itself, signed by itself: the only metric message of the product.

    body = [format, cluster, public key, name, version, listed, addresses, node id, node addresses, heads digest,
            [pins, pinned, bytes pinned, errors], share, free bytes, time, ttl, kept part, tags, queue, repins]

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


class KeptPart(NamedTuple):
    """Which CIDs a peer says it keeps (`pincrew.part`), and how much of them it has.

    ``threshold`` and ``largest`` None = it leaves out none by their rank, or by their size. ``kept`` and ``missing``
    are pins; ``since_ms`` is since when it keeps a part of this set.
    """

    threshold: int | None = None
    largest: int | None = None
    kept: int = 0
    missing: int = 0
    since_ms: int = 0


@dataclass(frozen=True, slots=True)
class Announcement:
    """A peer's own record. ``part`` None = it says nothing of which part it keeps, as older versions do.

    ``tags`` are what its user says of it (region, zone, ...), ascending by name. ``queue`` are pins that are queued or
    being pinned, None = not said. ``repins``: it gives a peer's pins to others when that is gone (`pincrew.repinning`).
    """

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
    part: KeptPart | None = None
    free_bytes: int | None = None
    time_ms: int = 0
    ttl_s: int = int(limits.ANNOUNCEMENT_TTL_S)
    tags: tuple[tuple[str, str], ...] = ()
    queue: int | None = None
    repins: bool = False

    @property
    def peer(self) -> str:
        """The peer id that it speaks of, and that signed it."""
        return peer_id(self.key)

    @property
    def share(self) -> int | None:
        """The share of all CIDs that it keeps in 1/2^32, for readers that know nothing more exact; None = all."""
        return None if self.part is None or self.part.threshold is None else self.part.threshold >> 32

    def sealed(self, key: SigningKey) -> bytes:
        """Return it signed by ``key``, which must be its own."""
        assert key.public == self.key
        fields: list[Any] = [_FORMAT, self.cluster, self.key, self.name, self.version, self.listed]
        fields += [list(self.addresses), self.node_id, list(self.node_addresses), self.digest, list(self.counters)]
        fields += [self.share, self.free_bytes, self.time_ms, self.ttl_s]
        part = None if self.part is None else list(self.part)
        if self.tags or self.queue is not None or self.repins:
            fields += [part, dict(self.tags), self.queue, self.repins]
        elif part is not None:
            fields.append(part)
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
    if fields[11] is not None:
        _number(fields[11])
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
        part=_part(fields[_FIELDS]) if len(fields) > _FIELDS else None,
        free_bytes=None if fields[12] is None else _number(fields[12]),
        time_ms=_number(fields[13]),
        ttl_s=min(_number(fields[14]), int(limits.ANNOUNCEMENT_TTL_S)),
        tags=_tags(fields[16]) if len(fields) > 16 else (),
        queue=_number(fields[17]) if len(fields) > 17 and fields[17] is not None else None,
        repins=len(fields) > 18 and fields[18] is True,
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


def _part(value: Any) -> KeptPart | None:
    """Read the kept part; further entries, of a later version, are ignored."""
    if value is None:
        return None
    if not isinstance(value, list) or len(value) < len(KeptPart._fields):
        _refuse("an announcement has a kept part of the wrong form")
    threshold, largest, kept, missing, since_ms = value[: len(KeptPart._fields)]
    if threshold is not None and (type(threshold) is not int or not 0 <= threshold < 2**64):
        _refuse("a threshold in an announcement is out of range")
    return KeptPart(
        threshold, None if largest is None else _number(largest), _number(kept), _number(missing), _number(since_ms)
    )


def _tags(value: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict) or len(value) > limits.TAGS_MAX:
        _refuse("an announcement has too many tags")
    for text in (*value.keys(), *value.values()):
        if not isinstance(text, str) or len(text.encode()) > limits.TAG_BYTES_MAX:
            _refuse("a tag in an announcement is too long")
    return tuple(sorted(value.items()))


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
