"""Denylists on disk: read when they change, and a bad line costs nothing that was in force."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import trio
import trio.testing

from pincrew.cid import cid_text
from pincrew.denylist import Denylist, ruling
from pincrew.denylist_files import DenylistFiles
from pincrew.limits import DENYLIST_LINE_BYTES_MAX, DENYLIST_LOOK_INTERVAL_S
from support.pinner_bench import cid_of, pin_of


class Watched:
    """Two files, and what was heard of them."""

    def __init__(self, folder: Path) -> None:
        self.paths = (folder / "all", folder / "one")
        self.lists: Sequence[Denylist] = ()
        self.troubles: list[str | None] = []
        self.files = DenylistFiles(self.paths, self._heard)

    def _heard(self, lists: Sequence[Denylist], trouble: str | None) -> None:
        self.lists = lists
        self.troubles.append(trouble)

    def denied(self, *numbers: int) -> list[int]:
        found = {number: ruling(self.lists, pin_of(number)) for number in numbers}
        return [number for number, one in found.items() if one is not None and one.denies]

    def look(self) -> None:
        trio.run(self.files.look)


def rule(number: int, sign: str = "") -> str:
    return f"{sign}/ipfs/{cid_text(cid_of(number))}\n"


def test_files_are_read_when_they_change_and_the_later_decides(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.look()
    assert watched.troubles == []
    watched.paths[0].write_text(rule(1) + rule(2))
    watched.look()
    assert watched.denied(1, 2, 3) == [1, 2]
    watched.look()
    assert watched.troubles == [None], "what did not change is not read again"
    watched.paths[1].write_text(rule(1, "!") + rule(3))
    watched.look()
    assert watched.denied(1, 2, 3) == [2, 3]
    watched.paths[0].unlink()
    watched.look()
    assert watched.denied(1, 2, 3) == [3]


def test_a_bad_line_is_named_and_the_list_before_stays(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.paths[0].write_text(rule(1))
    watched.look()
    watched.paths[0].write_text("# edited\n" + rule(2) + "nonsense\nmore nonsense\n")
    watched.look()
    assert watched.denied(1, 2) == [1]
    trouble = watched.troubles[-1]
    assert trouble is not None
    assert f"{watched.paths[0]}, line 3: a rule starts with" in trouble and "1 more lines" in trouble
    watched.paths[0].write_text(rule(2))
    watched.look()
    assert watched.denied(1, 2) == [2] and watched.troubles[-1] is None


def test_a_bad_line_at_the_start_costs_only_itself(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.paths[0].write_text("nonsense\n" + rule(2))
    watched.look()
    assert watched.denied(1, 2) == [2] and "its other lines count" in (watched.troubles[-1] or "")


def test_what_cannot_be_read_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(tmp_path)
    watched.paths[0].mkdir()
    watched.look()
    watched.look()
    assert len(watched.troubles) == 1 and "Cannot read" in (watched.troubles[0] or "")
    watched.paths[1].write_text("version: 9\n---\n" + rule(1))
    watched.look()
    assert "version '9'" in (watched.troubles[-1] or "") and watched.denied(1) == []
    monkeypatch.setattr("pincrew.denylist_files.DENYLIST_BYTES_MAX", 10)
    watched.paths[1].write_text(rule(1))
    watched.look()
    assert "larger than" in (watched.troubles[-1] or "")


def test_a_line_without_end_takes_no_memory(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.paths[0].write_bytes(b"x" * (3 * DENYLIST_LINE_BYTES_MAX) + b"\n" + rule(1).encode())
    watched.look()
    assert "line 1: it is longer than 2 MiB" in (watched.troubles[-1] or "") and watched.denied(1) == [1]


def test_it_looks_now_and_then(tmp_path: Path) -> None:
    async def main() -> None:
        watched = Watched(tmp_path)
        async with trio.open_nursery() as nursery:
            await nursery.start(watched.files.run)
            watched.paths[0].write_text(rule(1))
            await trio.sleep(DENYLIST_LOOK_INTERVAL_S + 1)
            assert watched.denied(1) == [1]
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0.01))
