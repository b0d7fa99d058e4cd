"""A curator who overwrites the same pins for hours, and a follower, with a clock that goes as fast as they do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from itertools import count
from pathlib import Path
from random import Random

from pincrew.trusted.author import Author, WriteRequest

from pincrew.base_due import is_due
from pincrew.base_form import seal
from pincrew.base_sync import Stage
from pincrew.keys import SigningKey
from pincrew.member import Member
from pincrew.record import encode_record
from pincrew.steps import finish
from pincrew.store.database import Database
from pincrew.trust import TrustChain, first_record
from pincrew.values import Pin
from unit.golden.vectors import cid

_KEY, _OWNER = SigningKey.from_seed(b"\x0c" * 32), SigningKey.from_seed(b"\x0d" * 32)
_BEGIN_MS = 1_700_000_000_000
_STEP_S = 10  # what is written in these is one commit: a thousand at a hundred a second
_MINUTE_S = 60


class Overwriting(AbstractContextManager["Overwriting"]):
    """Both members, on files in a folder."""

    def __init__(self, folder: Path, random: Random, *, pins: int) -> None:
        record = first_record([_OWNER.public], [_KEY.public], b"s" * 16, keeper=_KEY.public)
        chain = TrustChain.from_records([record.signed(_OWNER)])
        self._random = random
        self._cids = [cid(number) for number in range(pins)]
        self._now_s = 0
        self._files = folder / "curator.db", folder / "follower.db"
        databases = [Database(path, cluster=chain.cluster_id) for path in self._files]
        self._curator, self._follower = (
            Member(database, chain, now_ms=self._now_ms, now=self._now, author=author)
            for database, author in zip(databases, (_KEY.public, b""), strict=True)
        )
        self._databases = databases
        nonces = count(1)
        self._author = Author(self._curator.replica, _KEY, now_ms=self._now_ms, nonce=lambda: next(nonces).to_bytes(16))

    def _now(self) -> float:
        return float(self._now_s)

    def _now_ms(self) -> int:
        return _BEGIN_MS + 1000 * self._now_s

    @property
    def bases(self) -> int:
        """How many were made."""
        return self._curator.bases.n

    def run(self, *, seconds: int, per_second: int) -> tuple[int, int]:
        """Write for so long; return the most bytes that the curator's and the follower's files had at any minute."""
        most = (0, 0)
        for _ in range(0, seconds, _STEP_S):
            self._now_s += _STEP_S
            chosen = self._random.choices(self._cids, k=per_second * _STEP_S)
            pins = (Pin(one, name=f"version of {self._now_s}", added_ms=self._now_ms(), size=1000) for one in chosen)
            finish(self._author.write([WriteRequest(pin.cid, encode_record(pin)) for pin in pins]))
            if self._now_s % _MINUTE_S == 0:
                self._hear()
                self._go_on()
                sizes = [sum(path.stat().st_size for path in self._all_of(file)) for file in self._files]
                most = max(most[0], sizes[0]), max(most[1], sizes[1])
        return most

    def _all_of(self, file: Path) -> Iterator[Path]:
        return file.parent.glob(file.name + "*")

    def _hear(self) -> None:
        """The follower takes in what was written."""
        for session, head in self._curator.heads().items():
            while (reached := self._follower.contiguous(session)) < head.number:
                page = self._curator.page(session, reached)
                assert page is not None
                assert self._follower.receive_page(session, tuple(page[1]), page[2]).fault is None
                while finish(self._follower.replica.apply()).envelopes:
                    pass

    def _go_on(self) -> None:
        """The keeper makes a base when it is due, and the follower recomputes it."""
        if not is_due(**self._curator.bases.making.figures(), is_quiet=False):
            return
        sealed = seal(finish(self._curator.base_header()), _KEY)
        assert self._curator.base_offered(sealed) is None
        self._turn(self._curator)
        assert self._follower.base_offered(sealed) is None
        for name in self._follower.bases.missing(2):
            blob = self._curator.bases.in_force.blob(name)
            assert blob is not None and self._follower.bases.keep(name, blob)
        self._turn(self._follower)
        assert self._follower.bases.n == self._curator.bases.n

    def _turn(self, member: Member) -> None:
        while member.bases.stage() in (Stage.CHECK, Stage.READY):
            turned = finish(member.turn())
            assert turned is None or turned.fault is None, turned
        finish(member.bases.in_force.forget_log())

    def agree(self) -> None:
        """Raise AssertionError unless both have the same list."""
        self._hear()
        lists = [
            database.writer.execute("SELECT cid, record FROM pins ORDER BY cid").fetchall()
            for database in self._databases
        ]
        assert len(lists[0]) and lists[0] == lists[1]

    def __exit__(self, *_: object) -> None:
        for database in self._databases:
            database.close()
