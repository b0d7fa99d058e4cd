"""Commands about the store: its size, what may go, and whether it is whole."""

from __future__ import annotations

from pincrew.cid import cid_text
from pincrew.node.multihash import RAW, cid_from
from pincrew.node.rpc.arguments import Form, Refused
from pincrew.node.rpc.call import Call, Command

_NO_LIMIT = 2**64 - 1  # Kubo's way of saying that there is none


async def stat(call: Call) -> None:
    """`repo/stat`: blocks are counted unless the size alone is asked for."""
    room = await call.node.room()
    size_only = call.arguments.flag("size-only")
    await call.answer.one(
        {
            "RepoSize": room.files,
            "StorageMax": _NO_LIMIT if room.limit is None else room.limit,
            "NumObjects": 0 if size_only else await call.node.count(),
            "RepoPath": "" if size_only else call.node.path,
            "Version": "",
        }
    )


async def collect(call: Call) -> None:
    """`repo/gc`: what was removed, as raw CIDs: a store knows no codecs."""
    silent = call.arguments.flag("silent")
    async with call.node.collect() as slices:
        call.answer.begin_lines()
        async for multihashes in slices:
            if not silent:
                await call.answer.lines([{"Key": {"/": cid_text(cid_from(RAW, each))}} for each in multihashes])


async def verify(call: Call) -> None:
    """`repo/verify`: how many blocks have been compared, and each that is damaged."""
    compared, damaged = 0, 0
    after: int | None = 0
    call.answer.begin_lines()
    while after is not None:
        state = await call.node.verify(after)
        after = state.last
        compared += state.count
        for multihash in state.damaged:
            cid = cid_text(cid_from(RAW, multihash))
            message = f"block {cid} was corrupt (block in storage has different hash than requested)"
            await call.answer.line({"Msg": message, "Progress": 0})
        damaged += len(state.damaged)
        if state.count:
            await call.answer.line({"Msg": "", "Progress": compared})
    if damaged:
        raise Refused("verify complete, some blocks were corrupt")
    await call.answer.line({"Msg": "verify complete, all blocks validated.", "Progress": 0})


COMMANDS = {
    "repo/stat": Command(Form(), stat),
    "repo/gc": Command(Form(short={"q": "quiet"}), collect),
    "repo/verify": Command(Form(), verify),
}
