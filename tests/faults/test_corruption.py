"""Pages of a store that a disk spoilt, while its daemon was away: it says so in words, and gets everything back.

PINCREW_CORRUPTIONS says how many are tried (100 by hand), PINCREW_SEED which bytes.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from support.machines import Crew, Machine, crew_in, made_up_cids, until
from support.three import NAME, agree, doctors_findings

pytestmark = [pytest.mark.slow, pytest.mark.thorough]

CORRUPTIONS = int(os.environ.get("PINCREW_CORRUPTIONS", "6"))
SEED = os.environ.get("PINCREW_SEED", "1")
HEAL_S = 60.0
ROT_BYTES = 16
# The first byte of a page of SQLite says what it is. A store has an interior page only above some hundred leaves.
KINDS = {"interior": (2, 5), "index leaf": (10,), "table leaf": (13,)}
MANNERS = ("the header", *KINDS, "some bytes", "cut short")


@dataclass(frozen=True)
class Kept:
    """A follower that is away, a sound copy of its store, and the curator who has the same list."""

    curator: Machine
    follower: Machine
    sound: Path
    cids: list[str]

    @property
    def store(self) -> Path:
        """The follower's store."""
        return self.follower.home.cluster(NAME).state

    def put_back(self) -> None:
        """Let the store be sound again."""
        for path in self.store.parent.glob(f"{self.store.name}*"):
            path.unlink()
        shutil.copyfile(self.sound, self.store)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    with crew_in(tmp_path_factory.mktemp("corruption")) as crew:
        curator, follower = crew.machine("curator"), crew.machine("follower")
        curator.create(NAME)
        curator.serve(NAME)
        curator.run("publish", "-o", "books.toml")
        follower.follow(str(curator.folder / "books.toml"))
        cids = made_up_cids(3_000, "corruption")
        curator.run("pin", "add", "-", stdin="\n".join(cids[:2_000]))
        curator.run("state", "base")
        curator.run("pin", "add", "-", stdin="\n".join(cids[2_000:]))
        agree((curator, follower), cids)
        follower.stop()
        yield Kept(curator, follower, _sound_copy(follower, crew), cids)


def _sound_copy(machine: Machine, crew: Crew) -> Path:
    store = machine.home.cluster(NAME).state
    with contextlib.closing(sqlite3.connect(store)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return shutil.copyfile(store, crew.folder / "sound.db")


def spoil(store: Path, manner: str, luck: Random) -> str:
    """Overwrite a part of a store; return what was done, for whoever reads a failure."""
    content = bytearray(store.read_bytes())
    size = int.from_bytes(content[16:18]) or 65_536
    pages = len(content) // size
    if manner == "cut short":
        length = luck.randrange(size, len(content))
        store.write_bytes(content[:length])
        return f"{manner}: {length} of {len(content)} bytes"
    if manner == "the header":
        number, at, count = 0, luck.randrange(60), 40
    elif manner == "some bytes":
        number, at, count = luck.randrange(pages), luck.randrange(100, size - ROT_BYTES), ROT_BYTES
    else:
        number = luck.choice([one for one in range(1, pages) if content[one * size] in KINDS[manner]])
        at, count = 0, size
    content[number * size + at : number * size + at + count] = luck.randbytes(count)
    store.write_bytes(content)
    return f"{manner}: {count} bytes of page {number + 1} from {at}"


@pytest.mark.parametrize("number", range(CORRUPTIONS))
def test_a_spoilt_store_is_told_and_comes_back_from_the_others(kept: Kept, number: int) -> None:
    follower = kept.follower
    kept.put_back()
    done = spoil(kept.store, MANNERS[number % len(MANNERS)], Random(f"{SEED} {number}"))
    print(done)

    findings = [line for line in follower.json_lines("doctor", "--all", code=None) if line["result"] == "FAIL"]
    broken = [line for line in findings if line["check"] not in ("node", "peers")]
    assert all("doctor --repair" in str(line["fix"]) for line in broken), (done, broken)
    follower.run("status", code=None)
    follower.run_daemon()
    until(lambda: follower.summary(NAME), "it is there, or has failed in words")
    follower.run("status", code=None)
    follower.stop()
    assert "Traceback" not in follower.log(), done

    follower.run("doctor", "--repair", "--yes", code=None)
    follower.run_daemon()
    if doctors_findings(follower):  # shards of the base are fetched by the daemon alone
        follower.run("doctor", "--repair", "--yes", code=None)
        until(lambda: not doctors_findings(follower), f"it is mended: {done}", HEAL_S)
    agree((kept.curator, follower), kept.cids, patience_s=HEAL_S)
    follower.stop()


def test_a_list_that_nobody_else_has_is_left_where_it_is(crew: Crew) -> None:
    machine = crew.machine("alone")
    machine.create(NAME)
    machine.serve(NAME)
    machine.run("pin", "add", "-", stdin="\n".join(made_up_cids(3_000, "alone")))
    machine.run("state", "export", "-o", "backup.json")
    machine.stop()
    store = machine.home.cluster(NAME).state
    _sound_copy(machine, crew)
    spoil(store, "table leaf", Random(SEED))
    spoilt = store.read_bytes()
    said = machine.run("doctor", "--repair", "--yes", code=1).all
    assert "nobody has this list" in said and "state import" in said
    assert store.read_bytes() == spoilt, "it was not touched"
