"""A cluster's store on disk, written by a real member without a network: for tests of what reads and mends stores."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from pathlib import Path

from pincrew.trusted.author import Author, WriteRequest

from pincrew.base_form import seal
from pincrew.base_sync import Stage
from pincrew.bases import Turned
from pincrew.keys import SigningKey
from pincrew.member import Member
from pincrew.record import encode_record
from pincrew.steps import finish
from pincrew.store.database import Database
from pincrew.trust import TrustChain, first_record
from pincrew.values import Pin
from unit.golden.vectors import cid

KEY = SigningKey.from_seed(b"\x0c" * 32)
OWNER = SigningKey.from_seed(b"\x0d" * 32)
SHARD_BITS = 3
NOW_MS = 1_700_000_000_000


def one_keeper() -> TrustChain:
    """A cluster with one curator, who is its keeper."""
    record = first_record([OWNER.public], [KEY.public], b"s" * 16, keeper=KEY.public, shard_bits=SHARD_BITS)
    return TrustChain.from_records([record.signed(OWNER)])


class StoredCluster:
    """A member on a file; ``key`` None follows."""

    def __init__(self, path: Path | None, chain: TrustChain, key: SigningKey | None = None, *, nonce: int = 1) -> None:
        self.chain = chain
        self.key = key
        self.database = Database(path, cluster=chain.cluster_id)
        author = b"" if key is None else key.public
        self.member = Member(self.database, chain, now_ms=lambda: NOW_MS, now=lambda: 0.0, author=author)
        self.bases = self.member.bases
        nonces = count(nonce)
        if key is not None:
            self._author = Author(
                self.member.replica, key, now_ms=lambda: NOW_MS, nonce=lambda: next(nonces).to_bytes(16)
            )

    def write(self, numbers: Iterable[int], name: str = "x") -> None:
        """Put pins on the list, each in an envelope of its own."""
        for number in numbers:
            pin = Pin(cid(number), name=f"{name} {number}", added_ms=NOW_MS, size=number * 1_000)
            finish(self._author.write([WriteRequest(pin.cid, encode_record(pin))]))

    def remove(self, numbers: Iterable[int]) -> None:
        finish(self._author.write([WriteRequest(cid(number), None) for number in numbers]))

    def make_base(self) -> None:
        """Make the next base, and put it in force."""
        assert self.key is not None
        assert self.member.base_offered(seal(finish(self.member.base_header()), self.key)) is None
        (turned,) = self.turns()
        assert turned.fault is None

    def turns(self) -> list[Turned]:
        """Do what can be done about bases; return what there is to tell."""
        told = []
        while self.bases.stage() in (Stage.CHECK, Stage.READY):
            if (turned := finish(self.member.turn())) is not None:
                told.append(turned)
        return told

    def hear(self, other: StoredCluster) -> None:
        """Take in every envelope that another has and serves."""
        for session, head in other.member.heads().items():
            while (reached := self.member.contiguous(session)) < head.number:
                page = other.member.page(session, reached)
                assert page is not None
                assert self.member.receive_page(session, tuple(page[1]), page[2]).fault is None
        while finish(self.member.replica.apply()).envelopes:
            pass

    def take_blobs(self, other: StoredCluster) -> list[Turned]:
        """Fetch what a base needs from another, and go on; return what there is to tell."""
        told = self.turns()
        while missing := self.bases.missing(100):
            for name in missing:
                blob = other.bases.in_force.blob(name)
                assert blob is not None, "the other does not have it"
                assert self.bases.keep(name, blob)
            told += self.turns()
        return told

    def close(self) -> None:
        self.database.close()
