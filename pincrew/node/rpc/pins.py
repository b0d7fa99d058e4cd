"""Commands about pins."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from itertools import islice
from typing import Any

import msgspec
import trio

from pincrew.cid import cid_text
from pincrew.errors import Conflict, NotFound, PincrewError
from pincrew.limits import PIN_NAME_BYTES_MAX, RPC_PINS_PER_SLICE, RPC_PROGRESS_INTERVAL_S, SENDERS_PER_LINE_MAX
from pincrew.node.links import links_of
from pincrew.node.multihash import RAW, codec_of
from pincrew.node.rpc.arguments import Form, Path, Refused
from pincrew.node.rpc.call import NOT_HERE, Call, Command
from pincrew.node.store import Pin, PinRemoved

_KINDS = ("direct", "indirect", "recursive", "all")


# ---- pin/add, pin/rm, pin/update ------------------------------------------------------------------------------------
async def add(call: Call) -> None:
    """`pin/add`: with `progress` a line twice a second, and one with the final counts.

    Beyond what Kubo says there are the `Peers` that sent blocks of it since the line before.
    """
    arguments = call.arguments
    name = arguments.text("name")
    if len(name.encode()) > PIN_NAME_BYTES_MAX:
        raise Refused(f"pin name is {len(name.encode())} bytes (max {PIN_NAME_BYTES_MAX})")
    adding = _Adding(call, recursive=arguments.flag("recursive", default=True), name=name)
    if not arguments.flag("progress"):
        await adding.run()
    else:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(adding.report)
            await adding.run_within(nursery.cancel_scope)
        if adding.failure is not None:
            raise adding.failure
        await call.answer.line(adding.progress())
    await call.answer.line({"Pins": adding.pinned})


class _Adding:
    """The pins of one call."""

    def __init__(self, call: Call, *, recursive: bool, name: str) -> None:
        self.pinned: list[str] = []
        self.failure: Exception | None = None
        self._call = call
        self._recursive = recursive
        self._name = name
        # Of the pins that are complete, and of the one at work.
        self._before = (0, 0)
        self._now = (0, 0)
        self._senders: dict[str, None] = {}

    async def run(self) -> None:
        for path in self._call.arguments.paths:
            cid = await self._call.resolve(path)
            await self._pin(cid)
            self._before = (self._before[0] + self._now[0], self._before[1] + self._now[1])
            self._now = (0, 0)
            self.pinned.append(cid_text(cid))

    async def _pin(self, cid: bytes) -> None:
        offline = self._call.offline
        try:
            await self._call.node.pin(
                cid,
                recursive=self._recursive,
                name=self._name,
                told=self._told,
                offline=offline,
                sent_by=self._sent_by,
            )
        except PinRemoved as error:
            raise Refused(f"pin: {error.sentence}") from error
        except Conflict as error:
            raise Refused(f"pin: {cid_text(cid)} already pinned recursively") from error
        except NotFound as error:
            raise Refused(f"pin: {NOT_HERE} {error.where}") from error
        except PincrewError as error:
            raise Refused(f"pin: {error.sentence}") from error

    async def run_within(self, scope: trio.CancelScope) -> None:
        """Run, then cancel ``scope``; a failure is kept, since a nursery would raise it inside an exception group."""
        try:
            await self.run()
        # Whatever it is: it is kept for whoever reads the answer, and raised there as itself.
        except Exception as error:
            self.failure = error
        scope.cancel()

    async def report(self) -> None:
        while True:
            await trio.sleep(RPC_PROGRESS_INTERVAL_S)
            await self._call.answer.line(self.progress())

    def progress(self) -> dict[str, object]:
        """Return the next line: the counts in Kubo's form, which leaves out what is 0, and who sent blocks."""
        blocks, size = self._before[0] + self._now[0], self._before[1] + self._now[1]
        senders, self._senders = list(islice(self._senders, SENDERS_PER_LINE_MAX)), {}
        return {name: count for name, count in (("Progress", blocks), ("Bytes", size)) if count} | {"Peers": senders}

    def _told(self, blocks: int, size: int) -> None:
        self._now = (blocks, size)

    def _sent_by(self, peer: str) -> None:
        self._senders[peer] = None


async def remove(call: Call) -> None:
    """`pin/rm`."""
    recursive = call.arguments.flag("recursive", default=True)
    removed = []
    for path in call.arguments.paths:
        cid = await call.resolve(path)
        pin = await call.node.pin_of(cid)
        if pin is not None and pin.recursive and not recursive:
            raise Refused(f"{cid_text(cid)} is pinned recursively")
        # Asked also where there is no pin: one that is being fetched is given up.
        if not await call.node.unpin(cid):
            raise Refused("not pinned or pinned indirectly")
        removed.append(cid_text(cid))
    await call.answer.one({"Pins": removed})


async def update(call: Call) -> None:
    """`pin/update`."""
    old, new = [await call.resolve(path) for path in call.arguments.paths[:2]]
    pin = await call.node.pin_of(old)
    if pin is None or not pin.recursive:
        raise Refused("'from' cid was not recursively pinned already")
    if old != new:
        there = await call.node.pin_of(new)
        if there is not None and there.recursive:
            raise Refused("'to' cid was already recursively pinned")
        try:
            await call.node.update_pin(old, new, unpin=call.arguments.flag("unpin", default=True))
        except NotFound as error:
            raise Refused("'from' cid was not recursively pinned already") from error
    await call.answer.one({"Pins": [cid_text(old), cid_text(new)]})


# ---- pin/ls ---------------------------------------------------------------------------------------------------------
async def list_pins(call: Call) -> None:
    """`pin/ls`: all pins of a kind, or what is said of some CIDs; in one object or, with `stream`, line by line."""
    arguments = call.arguments
    kind = arguments.text("type", "all")
    if kind not in _KINDS:
        raise Refused(f"invalid type '{kind}', must be one of {{direct, indirect, recursive, all}}")
    named = arguments.text("name")
    shows_names = arguments.flag("names") or bool(named)
    slices = _of_paths(call, kind) if arguments.given else _of_kind(call, kind)
    streams = arguments.flag("stream")
    has_any = False
    async with aclosing(slices):
        first = await anext(slices, None)
        if streams:
            call.answer.begin_lines()
        else:
            call.answer.begin_object()
            await call.answer.write(b'{"Keys":{')
        while first is not None:
            chosen = [each for each in first if named in each.name] if named else first
            if chosen and streams:
                await call.answer.lines([each.line(shows_names) for each in chosen])
            elif chosen:
                await call.answer.write(b"," * has_any + b",".join(each.member(shows_names) for each in chosen))
                has_any = True
            first = await anext(slices, None)
    if not streams:
        await call.answer.write(b"}}\n")


class _Listed(msgspec.Struct, frozen=True):
    cid: str
    kind: str
    name: str = ""

    def line(self, shows_names: bool) -> dict[str, str]:
        out = {"Cid": self.cid}
        if shows_names and self.name:
            out["Name"] = self.name
        return out | {"Type": self.kind}

    def member(self, shows_names: bool) -> bytes:
        value: dict[str, Any] = {"Type": self.kind, "Name": self.name if shows_names else ""}
        return msgspec.json.encode(self.cid) + b":" + msgspec.json.encode(value)


async def _of_kind(call: Call, kind: str) -> AsyncGenerator[list[_Listed], None]:
    pinned: set[bytes] = set()
    for recursive in (True, False):
        async with aclosing(_pages(call, recursive=recursive)) as pages:
            async for pins in pages:
                pinned.update(pin.cid for pin in pins)
                if kind in ("all", _kind_of(recursive)):
                    yield [_Listed(cid_text(pin.cid), _kind_of(recursive), pin.name) for pin in pins]
    if kind in ("all", "indirect"):
        async with aclosing(_below_pins(call)) as below:
            async for _, cids in below:
                yield [_Listed(cid_text(cid), "indirect") for cid in cids if cid not in pinned]


async def _pages(call: Call, *, recursive: bool) -> AsyncGenerator[list[Pin], None]:
    after = b""
    while pins := await call.node.pins(after, RPC_PINS_PER_SLICE, recursive=recursive):
        yield pins
        after = pins[-1].cid


async def _below_pins(call: Call) -> AsyncGenerator[tuple[bytes, list[bytes]], None]:
    """Yield what the blocks of recursive pins link to, each link once, and the pin below which it was found first.

    Of the node's own blocks alone; raw blocks, which have no links, are not read.
    """
    seen: set[bytes] = set()
    async with aclosing(_pages(call, recursive=True)) as pages:
        async for pins in pages:
            for pin in pins:
                waiting = [pin.cid]
                while waiting:
                    cid = waiting.pop()
                    if codec_of(cid) == RAW:
                        continue
                    links = dict.fromkeys(links_of(cid, await call.node.get(cid, offline=True)))
                    fresh = [link for link in links if link not in seen]
                    seen.update(fresh)
                    waiting += fresh
                    if fresh:
                        yield pin.cid, fresh


async def _of_paths(call: Call, kind: str) -> AsyncGenerator[list[_Listed], None]:
    for path in call.arguments.paths:
        yield [await _of_path(call, path, kind)]


async def _of_path(call: Call, path: Path, kind: str) -> _Listed:
    cid = await call.resolve(path)
    pin = await call.node.pin_of(cid)
    if pin is not None and kind in ("all", _kind_of(pin.recursive)):
        return _Listed(cid_text(cid), _kind_of(pin.recursive), pin.name)
    if kind == "indirect" or (kind == "all" and pin is None):
        root = await _root_above(call, cid)
        if root is not None:
            return _Listed(cid_text(cid), f"indirect through {cid_text(root)}")
    raise Refused(f"path '{path.text}' is not pinned")


async def _root_above(call: Call, cid: bytes) -> bytes | None:
    """Return a recursive pin with ``cid`` below it."""
    async with aclosing(_below_pins(call)) as below:
        async for root, links in below:
            if cid in links:
                return root
    return None


def _kind_of(recursive: bool) -> str:
    return "recursive" if recursive else "direct"


COMMANDS = {
    "pin/add": Command(
        Form(arguments=("ipfs-path...",), short={"r": "recursive", "n": "name"}), add, "pin: context deadline exceeded"
    ),
    "pin/rm": Command(Form(arguments=("ipfs-path...",), short={"r": "recursive"}), remove),
    "pin/update": Command(Form(arguments=("from-path", "to-path")), update),
    "pin/ls": Command(Form(short={"t": "type", "q": "quiet", "s": "stream", "n": "name"}), list_pins),
}
