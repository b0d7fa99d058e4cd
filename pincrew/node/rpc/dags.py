"""Commands about whole DAGs."""

from __future__ import annotations

from typing import Any

import trio

from pincrew.cid import cid_text
from pincrew.errors import Malformed, PincrewError
from pincrew.limits import RPC_IMPORT_BYTES, RPC_PROGRESS_INTERVAL_S, STORE_PUT_BLOCKS
from pincrew.node import dag_pb
from pincrew.node.answering import printable
from pincrew.node.car import CarReader, header_of, section_of
from pincrew.node.links import links_of
from pincrew.node.multihash import DAG_PB, RAW, check_allowed, codec_of, multihash_of
from pincrew.node.preorder import preorder
from pincrew.node.rpc.arguments import Form, Refused
from pincrew.node.rpc.call import Call, Command
from pincrew.node.segments import name_text
from pincrew.node.store import Block, Lease


# ---- dag/import -----------------------------------------------------------------------------------------------------
async def bring_in(call: Call) -> None:
    """`dag/import`: store the blocks of CARs, then pin their roots with what is here."""
    arguments = call.arguments
    silent, pins_roots = arguments.flag("silent"), arguments.flag("pin-roots", default=True)
    files = call.files()
    roots: dict[bytes, None] = {}
    count = size = 0
    with call.node.lease() as lease:
        while await files.next_part() is not None:
            importing = _Importing(call, lease)
            while (piece := await files.read()) is not None:
                await importing.feed(piece)
            roots.update(dict.fromkeys(await importing.finish()))
            count, size = count + importing.count, size + importing.size
        for root in roots if pins_roots else ():
            await _pin_root(call, root, silent=silent)
    call.answer.begin_lines()
    if arguments.flag("stats") and not silent:
        await call.answer.line({"Stats": {"BlockCount": count, "BlockBytesCount": size}})


class _Importing:
    """One CAR on its way into the store, in batches."""

    def __init__(self, call: Call, lease: Lease) -> None:
        self.count = self.size = 0
        self._call = call
        self._lease = lease
        # Blocks are compared with their hashes where they are stored, in a thread.
        self._reader = CarReader(verify=False)
        self._batch: list[Block] = []
        self._batch_bytes = 0
        self._last: bytes | None = None

    async def feed(self, piece: bytes) -> None:
        try:
            for cid, block in self._reader.feed(piece):
                check_allowed(cid)
                self._batch.append((multihash_of(cid), block))
                self._batch_bytes += len(block)
                if len(self._batch) >= STORE_PUT_BLOCKS or self._batch_bytes >= RPC_IMPORT_BYTES:
                    await self._store()
                self._last = cid
        except Malformed as error:
            raise self._failed(error) from error

    async def finish(self) -> tuple[bytes, ...]:
        """Store the rest; return the roots."""
        try:
            self._reader.finish()
            await self._store()
        except Malformed as error:
            raise self._failed(error) from error
        return self._reader.roots or ()

    async def _store(self) -> None:
        if self._batch:
            await self._call.node.put_many(self._batch, lease=self._lease)
        self.count += len(self._batch)
        self.size += self._batch_bytes
        self._batch, self._batch_bytes = [], 0

    def _failed(self, error: Malformed) -> Refused:
        where = "" if self._last is None else f'import failed after block "{cid_text(self._last)}": '
        return Refused(where + error.what)


async def _pin_root(call: Call, root: bytes, *, silent: bool) -> None:
    """Pin a root, and tell what comes of it; nobody is asked for what the CARs lack."""
    message = ""
    try:
        await call.node.pin(root, offline=True)
    except PincrewError as error:
        message = error.sentence
    if message and silent:
        raise Refused(f"pinning root {cid_text(root)} FAILED: {message}")
    if not silent:
        await call.answer.line({"Root": {"Cid": {"/": cid_text(root)}, "PinErrorMsg": message}})


# ---- dag/export, dag/stat -------------------------------------------------------------------------------------------
async def export(call: Call) -> None:
    """`dag/export`: the whole DAG as one CAR, every block once, each before what is below it."""
    [path] = call.arguments.paths[:1]
    root = await call.resolve(path)
    await call.get(root)  # what fails at once has a status of its own
    call.answer.begin_bytes({"Content-Type": "application/vnd.ipld.car", "X-Stream-Output": "1"})
    await call.answer.write(header_of([root]))
    async with preorder(call.get, root) as blocks:
        async for visited in blocks:
            await call.answer.write(section_of(*visited))


async def stat(call: Call) -> None:
    """`dag/stat`: blocks and bytes of each DAG, and of all together, where what they share counts once."""
    wants_progress = call.arguments.flag("progress", default=True)
    seen: set[bytes] = set()
    total = 0
    stats: list[dict[str, Any]] = []
    told_at = trio.current_time()
    roots = [await call.resolve(path) for path in call.arguments.paths]
    for root in roots:
        one: dict[str, Any] = {"Cid": cid_text(root), "Size": 0, "NumBlocks": 0}
        stats.append(one)
        async with preorder(call.get, root) as blocks:
            async for cid, block in blocks:
                one["Size"] += len(block)
                one["NumBlocks"] += 1
                if cid not in seen:
                    seen.add(cid)
                    total += len(block)
                if wants_progress and trio.current_time() - told_at >= RPC_PROGRESS_INTERVAL_S:
                    told_at = trio.current_time()
                    await call.answer.line({"TotalSize": total, "DagStats": stats})
    together = sum(one["Size"] for one in stats)
    summary: dict[str, Any] = {"UniqueBlocks": len(seen), "TotalSize": total}
    if together != total:
        summary["SharedSize"] = together - total
    summary["Ratio"] = together / total if total else 1
    await call.answer.line(summary | {"DagStats": stats})


# ---- refs -----------------------------------------------------------------------------------------------------------
async def refs(call: Call) -> None:
    """`refs`: what a block links to, or with `recursive` what is below it does, depth first."""
    arguments = call.arguments
    layout = arguments.text("format", "<dst>")
    if arguments.flag("edges"):
        if arguments.text("format") not in ("", "<dst>"):
            raise Refused("using format argument with edges is not allowed")
        layout = "<src> -> <dst>"
    depth = arguments.number("max-depth", -1) if arguments.flag("recursive") else 1
    seen: set[bytes] | None = set() if arguments.flag("unique") else None
    roots = [await call.resolve(path) for path in arguments.paths]
    try:
        for root in roots:
            await _refs_of(call, root, layout, depth, seen)
    except PincrewError as error:
        # Kubo's command tells what went wrong in its own way, and so its clients look there.
        await call.answer.line({"Ref": "", "Err": error.message if isinstance(error, Refused) else error.sentence})
    call.answer.begin_lines()


async def _refs_of(call: Call, root: bytes, layout: str, depth_max: int, seen: set[bytes] | None) -> None:
    """Tell the links below ``root``. Raw blocks have none: they are not read."""
    waiting: list[tuple[bytes, str, bytes, int]] = [(b"", "", root, 0)]
    while waiting:
        source, name, cid, depth = waiting.pop()
        if depth:
            if seen is not None:
                if cid in seen:
                    continue
                seen.add(cid)
            await call.answer.line({"Ref": _laid_out(layout, source, cid, name), "Err": ""})
        if depth == depth_max or (depth and codec_of(cid) == RAW):
            continue
        links = _named_links(cid, await call.get(cid))
        waiting += [(cid, name, link, depth + 1) for link, name in reversed(links)]


def _named_links(cid: bytes, block: bytes) -> list[tuple[bytes, str]]:
    if codec_of(cid) == DAG_PB:
        return [(link.cid, printable(name_text(link.name))) for link in dag_pb.decode(block)[0]]
    return [(link, "") for link in links_of(cid, block)]


def _laid_out(layout: str, source: bytes, target: bytes, name: str) -> str:
    if layout == "<dst>":
        return cid_text(target)
    return layout.replace("<src>", cid_text(source)).replace("<dst>", cid_text(target)).replace("<linkname>", name)


async def resolve(call: Call) -> None:
    """`resolve`: the path of the block that another path leads to."""
    [path] = call.arguments.paths[:1]
    await call.answer.one({"Path": f"/ipfs/{cid_text(await call.resolve(path))}"})


COMMANDS = {
    "resolve": Command(Form(arguments=("name",), short={"r": "recursive"}), resolve),
    "dag/import": Command(Form(takes_files=True), bring_in),
    "dag/export": Command(Form(arguments=("root",), short={"p": "progress"}), export),
    "dag/stat": Command(Form(arguments=("root...",), short={"p": "progress"}), stat),
    "refs": Command(Form(arguments=("ipfs-path...",), short={"r": "recursive", "e": "edges", "u": "unique"}), refs),
}
