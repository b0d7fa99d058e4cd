"""Pins, in Kubo's words."""

from __future__ import annotations

import pytest
import trio

from pincrew.cid import cid_text, parse_cid
from pincrew.node.multihash import multihash_of
from pincrew.node.store import PinRemoved
from support.http_door import Rpc, with_rpc

BYTES = "application/octet-stream"
TREE = (("d%2Fa.txt", BYTES, b"one\n"), ("d%2Fe%2Fb.txt", BYTES, b"two\n"))
LEAF = "bafkreibmrmenuxhgaomod4m26ds5ztdujxzhjobgvpsyl2v2ndcskq2iay"
ABSENT = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"


def test_a_pin_from_its_making_to_its_end() -> None:
    async def test(rpc: Rpc) -> None:
        cid = await rpc.add(*TREE)
        assert await rpc.refusal(f"pin/ls?arg={cid}") == f"path '{cid}' is not pinned"
        assert await rpc.lines(f"pin/add?arg={cid}&name=x&progress=true") == [
            {"Progress": 4, "Bytes": sum(map(len, rpc.node.blocks.values())), "Peers": []},
            {"Pins": [cid]},
        ]
        expected = {"Cid": cid, "Name": "x", "Type": "recursive"}
        assert await rpc.lines(f"pin/ls?arg={cid}&stream=true&names=true") == [expected]
        assert await rpc.lines("pin/ls?type=recursive&stream=true&names=true") == [expected]
        assert await rpc.lines("pin/ls?type=recursive&stream=true") == [{"Cid": cid, "Type": "recursive"}]
        assert await rpc.one("pin/ls?type=recursive") == {"Keys": {cid: {"Type": "recursive", "Name": ""}}}
        assert await rpc.one("pin/ls?type=recursive&name=x") == {"Keys": {cid: {"Type": "recursive", "Name": "x"}}}
        assert await rpc.one("pin/ls?type=recursive&name=y") == {"Keys": {}}
        assert await rpc.refusal(f"pin/rm?arg={cid}&recursive=false") == f"{cid} is pinned recursively"
        assert await rpc.one(f"pin/rm?arg={cid}") == {"Pins": [cid]}
        assert await rpc.refusal(f"pin/rm?arg={cid}") == "not pinned or pinned indirectly"

    with_rpc(test)


def test_direct_and_indirect_pins() -> None:
    async def test(rpc: Rpc) -> None:
        cid = await rpc.add(*TREE)
        await rpc.one(f"pin/add?arg={LEAF}&recursive=false&name=q")
        assert await rpc.one(f"pin/ls?arg={LEAF}") == {"Keys": {LEAF: {"Type": "direct", "Name": ""}}}
        assert await rpc.refusal(f"pin/ls?arg={LEAF}&type=recursive") == f"path '{LEAF}' is not pinned"
        await rpc.one(f"pin/add?arg={cid}")
        kinds = {line["Cid"]: line["Type"] for line in await rpc.lines("pin/ls?stream=true")}
        assert sorted(kinds.values()) == ["direct", "indirect", "indirect", "recursive"]
        assert kinds[LEAF] == "direct" and kinds[cid] == "recursive"
        await rpc.one(f"pin/rm?arg={LEAF}")
        through = {LEAF: {"Type": f"indirect through {cid}", "Name": ""}}
        assert await rpc.one(f"pin/ls?arg={cid}/a.txt") == {"Keys": through}
        assert await rpc.one(f"pin/ls?arg={LEAF}&type=indirect") == {"Keys": through}
        already = f"pin: {cid} already pinned recursively"
        assert await rpc.refusal(f"pin/add?arg={cid}&recursive=false") == already

    with_rpc(test)


def test_several_at_once_and_below_a_path() -> None:
    async def test(rpc: Rpc) -> None:
        cid = await rpc.add(*TREE)
        added = await rpc.one(f"pin/add?arg={cid}/e&arg={cid}/a.txt")
        assert added["Pins"][1] == LEAF and len(rpc.node.kept) == 2
        lines = await rpc.lines(f"pin/add?arg={cid}/a.txt&arg={cid}/e/b.txt&progress=true")
        assert lines[0] == {"Progress": 2, "Bytes": 8, "Peers": []}

    with_rpc(test)


def test_who_sent_blocks_is_said_each_time_anew() -> None:
    async def test(rpc: Rpc) -> None:
        cid = await rpc.add(*TREE)
        rpc.node.sender = "12D3KooW"
        lines = await rpc.lines(f"pin/add?arg={cid}&progress=true")
        assert lines[-2]["Peers"] == ["12D3KooW"]
        rpc.node.sender = ""
        lines = await rpc.lines(f"pin/add?arg={cid}&progress=true")
        assert lines[-2]["Peers"] == []

    with_rpc(test)


def test_update() -> None:
    async def test(rpc: Rpc) -> None:
        cid = await rpc.add(*TREE)
        below = (await rpc.one(f"ls?arg={cid}"))["Objects"][0]["Links"][1]["Hash"]
        command = f"pin/update?arg={cid}&arg={cid}/e"
        assert await rpc.refusal(command) == "'from' cid was not recursively pinned already"
        await rpc.one(f"pin/add?arg={cid}&name=x")
        assert await rpc.one(command) == {"Pins": [cid, below]}
        [pin] = rpc.node.kept.values()
        assert (pin.cid, pin.name) == (parse_cid(below), "x")
        await rpc.one(f"pin/add?arg={cid}")
        assert await rpc.refusal(command) == "'to' cid was already recursively pinned"
        assert await rpc.one(f"pin/update?arg={cid}&arg={cid}") == {"Pins": [cid, cid]}

    with_rpc(test)


def test_what_cannot_be_pinned() -> None:
    async def test(rpc: Rpc) -> None:
        where = f"block was not found locally (offline): ipld: could not find {ABSENT}"
        assert await rpc.refusal(f"pin/add?arg={ABSENT}&offline=true") == f"pin: {where}"
        assert await rpc.refusal(f"pin/add?arg={ABSENT}&timeout=50ms") == "pin: context deadline exceeded"
        assert await rpc.refusal(f"pin/add?arg={ABSENT}&name={'x' * 256}") == "pin name is 256 bytes (max 255)"
        assert await rpc.refusal("pin/ls?type=foo") == (
            "invalid type 'foo', must be one of {direct, indirect, recursive, all}"
        )

    with_rpc(test)


def test_a_pin_that_was_removed_while_it_was_fetched_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async def removed(cid: bytes, **_options: object) -> None:
        raise PinRemoved(where=cid_text(cid))

    async def test(rpc: Rpc) -> None:
        monkeypatch.setattr(rpc.node, "pin", removed)
        sentence = f"pin: The pin was removed while it was being fetched ({ABSENT})."
        assert await rpc.refusal(f"pin/add?arg={ABSENT}") == sentence

    with_rpc(test)


def test_hanging_up_gives_the_pin_up() -> None:
    async def test(rpc: Rpc) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rpc.post, f"pin/add?arg={ABSENT}&progress=true")
            with trio.fail_after(10):
                while not rpc.node.pinning:
                    await trio.lowlevel.checkpoint()
                nursery.cancel_scope.cancel()
        with trio.fail_after(10):
            while rpc.node.pinning:
                await trio.lowlevel.checkpoint()
        assert multihash_of(parse_cid(ABSENT)) not in rpc.node.blocks and not rpc.node.kept

    with_rpc(test)
