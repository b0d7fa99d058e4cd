"""What the API says of re-reading pins."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

import pytest
import trio
from trio.testing import trio_test

from pincrew.api.shapes import Verified
from pincrew.cid import cid_text
from pincrew.errors import Misuse
from pincrew.peer import PeerOptions
from pincrew.verify_desk import VerifyDesk
from pincrew.verifying import Verdict
from support.shape_examples import CID, CID_2


class SayingPeer:
    """Its verifying says that whatever it is asked for is damaged."""

    def __init__(self) -> None:
        self.options = PeerOptions("books")
        self.asked: list[str] = []
        self.verifying = self

    async def these(self, cids: Sequence[bytes]) -> AsyncIterator[Verdict]:
        for cid in cids:
            self.asked.append(cid_text(cid))
            yield Verdict(cid, "a", "damaged", 4, 100, 1, 2, "why", None)

    async def sample(self) -> AsyncIterator[Verdict]:
        self.asked.append("sample")
        yield Verdict(b"\x01\x55\x00\x00", "", "sound", checked_ms=0)

    all = sample


async def said(cids: Sequence[str], which: str | None) -> list[Verified]:
    desk = VerifyDesk(cast(Any, SayingPeer()))
    return [line async for lines in desk.verify(cids, which) for line in lines]


@trio_test
async def test_each_pin_is_a_line_and_comes_once() -> None:
    lines = await said([CID, CID_2, CID], None)
    assert [line.cid for line in lines] == [CID, CID_2]
    assert lines[0] == Verified("books", CID, "a", "damaged", 4, 100, 1, 2, "why", None)


@trio_test
async def test_all_and_samples() -> None:
    for which in ("all", "sample"):
        [line] = await said([], which)
        assert (line.result, line.checked) == ("sound", "1970-01-01T00:00:00.000Z")


@pytest.mark.parametrize(("cids", "which"), [([], None), ([CID], "all"), ([], "some"), (["x"], None)])
def test_what_makes_no_sense_is_refused(cids: list[str], which: str | None) -> None:
    with pytest.raises(Misuse):
        trio.run(said, cids, which)
