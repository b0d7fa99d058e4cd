"""The bases of a running cluster, as the API sees them. Real clusters on loopback."""

from __future__ import annotations

import pytest
import trio
from pincrew.trusted.curator import Curator

from pincrew.api.shapes import PinRequest
from pincrew.base_form import seal
from pincrew.errors import Forged, Malformed, PincrewError
from pincrew.identity import load_key
from pincrew.keys import peer_id
from pincrew.paths import Home
from support.machines import made_up_cids
from support.signers import STRANGER
from unit.test_roster import calling, home, made, trio_test

__all__ = ["home"]
CIDS = made_up_cids(5, "base desk")


@trio_test
async def test_made_shown_and_signed_by_an_owner(home: Home) -> None:
    made(home, "books")
    owner = load_key(home.cluster("books").owner)
    async with calling(home) as roster:
        await roster.start("books", None)
        cluster = roster.cluster("books")
        assert isinstance(cluster, Curator)
        desk = cluster.bases
        empty = desk.info()
        assert (empty.n, empty.hash, empty.pins, empty.candidate) == (0, None, 0, None)
        assert empty.keeper == cluster.peer.id
        await cluster.write([PinRequest(cid) for cid in CIDS])
        assert desk.info().log_bytes > 0
        first = await desk.take(None)
        assert (first.n, first.pins, first.log_bytes) == (1, 5, 0) and first.bytes > 100
        second = await desk.take(seal(await desk.header(), owner))
        assert second.n == 2 and second.hash != first.hash
        header = await desk.header()
        for sealed, fault in ((b"nonsense", Malformed), (seal(header, STRANGER), PincrewError)):
            with pytest.raises(fault):
                await desk.take(sealed)
        sealed = seal(header, owner)
        with pytest.raises(Forged):
            await desk.take(sealed[:-1] + bytes([sealed[-1] ^ 1]))
        assert desk.info() == second
        told: dict[str, int] = {}
        while told.get("base_adopted", 0) < 2:
            events = await cluster.peer.diary.after(0, wait=True)
            told = {kind: sum(one.kind == kind for one in events) for kind in {one.kind for one in events}}
        assert peer_id(owner.public) != empty.keeper
    async with calling(home) as roster:
        await roster.start("books", None)
        assert roster.cluster("books").bases.info().hash == second.hash, "it was kept"
        await trio.lowlevel.checkpoint()
