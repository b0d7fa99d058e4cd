"""An author whose envelopes are made by hand: what a curator with a changed program, or a stolen key, could sign."""

from __future__ import annotations

from dataclasses import dataclass

from pincrew import domains
from pincrew.cid import shard_of
from pincrew.keys import SigningKey
from pincrew.record import encode_record
from pincrew.values import Delete, Dependency, Envelope, Operation, Part, Pin, Put, SessionId
from pincrew.wire import client_id, decode_envelope, encode_body, encode_sealed, envelope_hash

# Two nonces of key_of("curator0") that give one Yjs client id: found in half a minute, so anybody can.
COLLIDING_NONCES = (bytes.fromhex("00" * 8 + "0015c589a930ef93"), bytes.fromhex("00" * 8 + "001d927220e1c792"))


@dataclass(frozen=True)
class Forged:
    """Signed bytes. ``read`` decodes them, which may be what a test expects to fail."""

    body: bytes
    signature: bytes

    @property
    def sealed(self) -> bytes:
        return encode_sealed(self.body, self.signature)

    @property
    def hash(self) -> bytes:
        return envelope_hash(self.body)

    def read(self, shard_bits: int = 2) -> Envelope:
        return decode_envelope(self.body, shard_bits)


class Author:
    """One session of ``key`` in ``cluster``: numbers, hashes and put counts are kept, and can be set to anything."""

    def __init__(self, key: SigningKey, cluster: bytes, nonce: bytes = b"n" * 16, shard_bits: int = 2) -> None:
        self.key = key
        self.cluster = cluster
        self.shard_bits = shard_bits
        self.session = SessionId(key.public, nonce)
        self.number = 0
        self.previous = b""
        self.puts: dict[int, int] = {}
        self.trust = 0
        self.base = 0

    @property
    def client(self) -> int:
        return client_id(self.session)

    def copy(self) -> Author:
        """The same session again, to be continued another way."""
        twin = Author(self.key, self.cluster, self.session.nonce, self.shard_bits)
        twin.number, twin.previous, twin.puts = self.number, self.previous, dict(self.puts)
        twin.trust, twin.base = self.trust, self.base
        return twin

    def dependency(self) -> Dependency:
        """Its head, as another session would name it."""
        return Dependency(self.session, self.number, self.previous)

    def parts(self, *operations: Operation) -> tuple[Part, ...]:
        """Group operations as an honest author does, and count the puts."""
        by_shard: dict[int, list[Operation]] = {}
        for operation in operations:
            by_shard.setdefault(shard_of(operation.cid, self.shard_bits), []).append(operation)
        made = []
        for shard in sorted(by_shard):
            first_n = self.puts.get(shard, 0)
            made.append(Part(shard, first_n, tuple(by_shard[shard])))
            self.puts[shard] = first_n + sum(isinstance(one, Put) for one in by_shard[shard])
        return tuple(made)

    def sign(self, *operations: Operation, depends: tuple[Dependency, ...] = (), time_ms: int = 1) -> Forged:
        """The next envelope of the session."""
        return self.sign_parts(self.parts(*operations), depends=depends, time_ms=time_ms)

    def sign_parts(self, parts: tuple[Part, ...], *, depends: tuple[Dependency, ...] = (), time_ms: int = 1) -> Forged:
        """The next envelope with exactly these parts, whatever they are worth."""
        body = encode_body(
            cluster=self.cluster,
            base=self.base,
            trust=self.trust,
            session=self.session,
            number=self.number + 1,
            previous=self.previous,
            time_ms=time_ms,
            dependencies=tuple(sorted(depends)),
            parts=parts,
        )
        self.number += 1
        self.previous = envelope_hash(body)
        return Forged(body, self.key.sign(domains.ENVELOPE, body))


def put(cid: bytes, name: str = "x", **more: object) -> Put:
    """A put with a record that carries ``name``; ``origin`` may be among ``more``."""
    return Put(cid, encode_record(Pin(cid, name=name, added_ms=1)), more.get("origin"))  # type: ignore[arg-type]


__all__ = ["COLLIDING_NONCES", "Author", "Delete", "Forged", "put"]
