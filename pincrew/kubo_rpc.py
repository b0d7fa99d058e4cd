"""Kubo's HTTP RPC as a small set of typed methods. Only this and `node_connection` speak that RPC.

Every wait has an end: connecting, each silence between two bytes of an answer, and for pins the time without a new
block. 200 says nothing about what follows it, and an answer that just ends is a failure. What goes wrong becomes
NodeDown (nothing answers, or it stopped answering), NodeRefused (the node's own sentence) or NoProgress.
"""

from __future__ import annotations

import os
import re
import sys
import urllib.parse
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import libipld
import trio

from pincrew.cid import cid_text, parse_cid
from pincrew.errors import Misuse, NodeDown, NodeRefused, NoProgress, PincrewError
from pincrew.limits import (
    NODE_ANSWER_BYTES_MAX,
    NODE_BLOCK_TIMEOUT_S,
    NODE_CONNECT_PEER_TIMEOUT_S,
    NODE_DIRECT_PINS_FRESH_S,
    NODE_DIRECT_PINS_LISTED_MAX,
    NODE_PINS_COUNT_FRESH_S,
    NODE_PINS_FRESH_S,
    NODE_PINS_LISTED_PER_CID_MAX,
    NODE_REQUEST_TIMEOUT_S,
    NODE_ROOT_BLOCK_BYTES_MAX,
    NODE_SILENCE_TIMEOUT_S,
    PIN_FIRST_BLOCK_TIMEOUT_S,
    PIN_NO_PROGRESS_TIMEOUT_S,
    PIN_ORIGINS_MAX,
    SENDERS_PER_LINE_MAX,
    VERIFY_BLOCK_BYTES_MAX,
    VERIFY_BLOCK_TIMEOUT_S,
)
from pincrew.multipart import FILE, end_of, files_of, multipart, part_head
from pincrew.node.dag_pb import linked_size
from pincrew.node_address import NodeAddress
from pincrew.node_client import (
    Absent,
    Added,
    Collected,
    NodeIdentity,
    NodePin,
    OnProgress,
    OnSenders,
    RepoStat,
    Traffic,
)
from pincrew.node_connection import Answer, Connections
from pincrew.node_finding import folder_of
from pincrew.values import PinMode

_DAG_PB, _RAW = 0x70, 0x55
_KUBO_NAMES_SINCE = (0, 27)
_NOT_STORED = "not found locally"
# A disk's, and the embedded node's, which removes what it finds damaged.
_UNREADABLE = ("input/output error", "does not match its hash")


class KuboRpc:
    """Kubo's HTTP RPC (and what speaks like it). Use it as an async context manager, or call ``aclose``."""

    def __init__(
        self,
        address: NodeAddress,
        *,
        authorization: str | None = None,
        find_again: Callable[[], NodeAddress] | None = None,
        no_progress_timeout_s: float = PIN_NO_PROGRESS_TIMEOUT_S,
        silence_timeout_s: float = NODE_SILENCE_TIMEOUT_S,
        request_timeout_s: float = NODE_REQUEST_TIMEOUT_S,
    ) -> None:
        """``find_again`` is asked (in a thread) when the node does not answer: Kubo may have moved to another port."""
        self._address = address
        self._headers = [(b"Authorization", authorization.encode())] if authorization else []
        self._find_again = find_again
        self._no_progress_timeout_s = no_progress_timeout_s
        self._silence_timeout_s = silence_timeout_s
        self._request_timeout_s = request_timeout_s
        self._has_names = True
        # The node's direct pins (None: too many to list), and until when that is believed.
        self._direct: dict[bytes, NodePin] | None = {}
        self._direct_until = 0.0
        self._direct_lock = trio.Lock()
        # How many recursive pins the node has at least, and until when that is believed.
        self._count = 0
        self._count_until = 0.0
        self._connections = Connections(address)

    async def __aenter__(self) -> KuboRpc:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close every connection."""
        self._connections.close()

    @property
    def address(self) -> str:
        """Where it is, for people."""
        return str(self._address)

    async def id(self) -> NodeIdentity:
        """Return who it is. Looks for it anew when it is not where it was."""
        try:
            answer = await self._object("id")
        except NodeDown:
            if not await self._moved():
                raise
            answer = await self._object("id")
        try:
            version, peer_id = str(answer.get("AgentVersion", "")), str(answer["ID"])
        except KeyError as error:
            raise NodeRefused("What answers there is not an IPFS node", where=self.address) from error
        self._has_names = _has_names(version)
        return NodeIdentity(peer_id, tuple(map(str, answer.get("Addresses") or ())), version)

    async def pins(self, mode: PinMode) -> AsyncGenerator[NodePin, None]:
        """Yield every pin of that mode."""
        names = "true" if self._has_names else "false"
        arguments = [("type", mode.value), ("stream", "true"), ("names", names)]
        async with self._ask("pin/ls", arguments) as answer, aclosing(answer.lines()) as lines:
            async for line in lines:
                yield self._read_pin(line, mode)

    async def pin_of(self, cid: bytes) -> NodePin | None:
        """Return the pin of exactly this CID; never asks for indirect ones, which makes Kubo walk all its pins.

        What somebody else pinned directly in the last NODE_DIRECT_PINS_FRESH_S may be missed.
        """
        if (pin := await self._look_up(cid, PinMode.RECURSIVE)) is not None:
            return pin
        async with self._direct_lock:
            if self._direct_until <= trio.current_time():
                await self._list_direct()
        return await self._look_up(cid, PinMode.DIRECT) if self._direct is None else self._direct.get(cid)

    async def absent(self, cids: Collection[bytes]) -> Absent | None:
        """Return which of ``cids`` have no pin; None where the node has too many pins, or is too slow, to list them."""
        listed_max = NODE_PINS_LISTED_PER_CID_MAX * len(cids)
        now = trio.current_time()
        if self._count > listed_max and now < self._count_until:
            return None
        self._count, self._count_until = sys.maxsize, now + NODE_PINS_COUNT_FRESH_S  # until it turns out well
        with trio.move_on_after(NODE_PINS_FRESH_S):
            # The direct ones first: a pin that is made recursive meanwhile is then in one list at least.
            async with self._direct_lock:
                await self._list_direct()
                if self._direct is None:
                    return None
                left = set(cids).difference(self._direct)
            # Without names, which cost Kubo three times as much.
            arguments = [("type", PinMode.RECURSIVE.value), ("stream", "true"), ("names", "false")]
            async with self._ask("pin/ls", arguments, has_deadline=True) as answer, aclosing(answer.lines()) as lines:
                count = 0
                async for line in lines:
                    left.discard(self._read_pin(line, PinMode.RECURSIVE).cid)
                    count += 1
                    if count > listed_max:
                        self._count = count
                        return None
            self._count = count
            return Absent(frozenset(left), answer.is_same_node)
        return None

    async def _look_up(self, cid: bytes, mode: PinMode) -> NodePin | None:
        arguments = [("arg", cid_text(cid)), ("type", mode.value), ("stream", "true"), ("names", "true")]
        try:
            line = await self._object("pin/ls", arguments)
        except NodeRefused as refusal:
            if "not pinned" in refusal.what:
                return None
            raise
        return replace(self._read_pin(line, mode), cid=cid)

    async def _list_direct(self) -> None:
        """Read all direct pins: mostly there are none, and one list saves a question for every pin."""
        found: dict[bytes, NodePin] = {}
        async with aclosing(self.pins(PinMode.DIRECT)) as pins:
            async for pin in pins:
                found[pin.cid] = pin
                if len(found) > NODE_DIRECT_PINS_LISTED_MAX:
                    break
        self._direct = found if len(found) <= NODE_DIRECT_PINS_LISTED_MAX else None
        self._direct_until = trio.current_time() + NODE_DIRECT_PINS_FRESH_S

    def _changed_here(self, cid: bytes, mode: PinMode) -> None:
        """Forget the list of direct pins if what we did has to do with it."""
        if mode is PinMode.DIRECT or (self._direct is not None and cid in self._direct):
            self._direct_until = 0.0

    async def pin(
        self,
        cid: bytes,
        mode: PinMode,
        name: str,
        origins: Sequence[str],
        on_progress: OnProgress,
        *,
        on_senders: OnSenders = lambda _peers: None,
    ) -> None:
        """Fetch and pin, meanwhile connected to ``origins`` where they answer."""
        if origins:
            async with trio.open_nursery() as nursery:
                for origin in origins[:PIN_ORIGINS_MAX]:
                    nursery.start_soon(self._try_connect, origin)
                failure = await self._pin(cid, mode, name, on_progress, on_senders)
                nursery.cancel_scope.cancel()
        else:
            failure = await self._pin(cid, mode, name, on_progress, on_senders)
        # Raised out here, so that it is not wrapped in the nursery's exception group.
        self._changed_here(cid, mode)
        if failure is not None:
            raise failure

    async def _pin(
        self, cid: bytes, mode: PinMode, name: str, on_progress: OnProgress, on_senders: OnSenders
    ) -> PincrewError | None:
        arguments = [
            ("arg", cid_text(cid)),
            ("recursive", "true" if mode is PinMode.RECURSIVE else "false"),
            ("progress", "true"),
        ]
        if name and self._has_names:
            arguments.append(("name", name))
        seen: tuple[int, int] = (0, 0)
        finished = False
        patience_s = min(PIN_FIRST_BLOCK_TIMEOUT_S, self._no_progress_timeout_s)
        with trio.CancelScope(deadline=trio.current_time() + patience_s) as scope:
            try:
                async with self._ask("pin/add", arguments) as answer, aclosing(answer.lines()) as lines:
                    async for line in lines:
                        if "Pins" in line:
                            finished = True
                            continue
                        if isinstance(
                            senders := line.get("Peers"), list
                        ):  # pincrew's own node says that, Kubo does not
                            on_senders([str(peer) for peer in senders[:SENDERS_PER_LINE_MAX]])
                        now = (_count(line, "Progress") or seen[0], _count(line, "Bytes") or seen[1])
                        if now[0] > seen[0] or now[1] > seen[1]:
                            seen, patience_s = now, self._no_progress_timeout_s
                            scope.deadline = trio.current_time() + patience_s
                            on_progress(seen[0], seen[1] or None)
            except NodeRefused as refusal:
                if mode is PinMode.DIRECT and "already pinned recursively" in refusal.what:
                    return None
                return refusal
            except NodeDown as down:
                return down
        if scope.cancelled_caught:
            return NoProgress(f"no block arrived for {patience_s:.0f} s", where=self.address)
        if not finished:
            return NodeRefused("the node stopped answering before the pin was complete", where=self.address)
        return None

    async def unpin(self, cid: bytes) -> None:
        """Remove the pin; none there is fine."""
        try:
            await self._object("pin/rm", [("arg", cid_text(cid)), ("recursive", "true")])
        except NodeRefused as refusal:
            if "not pinned" not in refusal.what:
                raise
        finally:
            self._changed_here(cid, PinMode.RECURSIVE)

    async def connect(self, multiaddr: str) -> None:
        """Connect it to another node, within NODE_CONNECT_PEER_TIMEOUT_S."""
        await self._object("swarm/connect", [("arg", multiaddr)], timeout_s=NODE_CONNECT_PEER_TIMEOUT_S)

    async def _try_connect(self, multiaddr: str) -> None:
        try:
            await self.connect(multiaddr)
        except (NodeDown, NodeRefused):
            return  # An origin is only a hint: the pin itself tells what is wrong with the node.

    async def swarm_peers(self) -> list[str]:
        """Return the peer ids that it is connected to."""
        answer = await self._object("swarm/peers")
        return [str(peer["Peer"]) for peer in answer.get("Peers") or ()]

    async def repo_stat(self, *, count: bool = False) -> RepoStat:
        """Return how full it is."""
        answer = await self._object("repo/stat", [] if count else [("size-only", "true")])
        limit = _count(answer, "StorageMax")
        return RepoStat(
            _count(answer, "RepoSize") or 0,
            limit if limit and limit < 2**63 else None,
            _count(answer, "NumObjects") if count else None,
            await self._folder(),
        )

    async def _folder(self) -> str | None:
        """Return where it stores, on its own machine. It says so itself only after it has counted all blocks."""
        try:
            environment = (await self._object("diag/sys")).get("environment")
            identity = await self.id()
        except NodeRefused:
            return None
        named = environment.get("IPFS_PATH") if isinstance(environment, dict) else None
        return await trio.to_thread.run_sync(folder_of, identity.peer_id, named, os.environ)

    async def traffic(self) -> Traffic:
        """Return what passed to and from other nodes since its start."""
        answer = await self._object("stats/bw")
        return Traffic(_count(answer, "TotalIn") or 0, _count(answer, "TotalOut") or 0)

    async def block_get(self, cid: bytes, *, bytes_max: int, timeout_s: float) -> bytes:
        """Return one block; a bigger one, or none in time, is NodeRefused."""
        arguments = [("arg", cid_text(cid))]
        try:
            with trio.fail_after(timeout_s):
                async with self._ask("block/get", arguments) as answer:
                    return await answer.whole(bytes_max)
        except trio.TooSlowError:
            raise NodeRefused(f"no such block within {timeout_s:.0f} s", where=self.address) from None

    async def stored_block(self, cid: bytes) -> bytes | None:
        """Return a block as the node stores it, None where it has none, b"" for one that cannot be read."""
        arguments = [("arg", cid_text(cid)), ("offline", "true")]
        try:
            with trio.fail_after(VERIFY_BLOCK_TIMEOUT_S):
                async with self._ask("block/get", arguments, has_deadline=True) as answer:
                    return await answer.whole(VERIFY_BLOCK_BYTES_MAX)
        except trio.TooSlowError:
            raise NodeRefused(f"no block within {VERIFY_BLOCK_TIMEOUT_S:.0f} s", where=self.address) from None
        except NodeRefused as refusal:
            if _NOT_STORED in refusal.what:
                return None
            if any(words in refusal.what for words in _UNREADABLE):
                return b""
            raise

    async def remove_block(self, cid: bytes) -> str:
        """Remove a block that nothing pinned needs; return "", else the node's word on what needs it."""
        try:
            answer = await self._object("block/rm", [("arg", cid_text(cid)), ("force", "true")])
        except NodeRefused as refusal:
            return refusal.what
        return str(answer.get("Error") or "")

    async def set_aside(self, cid: bytes) -> None:
        """Give the DAG a name among Kubo's files (MFS): what those name is never collected, whole or not."""
        arguments = [("arg", f"/ipfs/{cid_text(cid)}"), ("arg", _aside_path(cid))]
        try:
            await self._object("files/cp", arguments)
        except NodeRefused as refusal:
            if "already has entry" not in refusal.what:
                raise

    async def end_aside(self, cid: bytes) -> None:
        """Take that name away."""
        try:
            await self._object("files/rm", [("arg", _aside_path(cid)), ("force", "true")])
        except NodeRefused as refusal:
            if "does not exist" not in refusal.what:
                raise

    async def claimed_size(self, cid: bytes) -> int | None:
        """Return the root block's own figures: the sizes that its links state, and its own. A claim, never a fact."""
        fields = libipld.decode_cid(cid)
        codec = _DAG_PB if fields["version"] == 0 else fields["codec"]
        if codec not in (_DAG_PB, _RAW):
            return None
        try:
            block = await self.block_get(cid, bytes_max=NODE_ROOT_BLOCK_BYTES_MAX, timeout_s=NODE_BLOCK_TIMEOUT_S)
        except NodeRefused:
            return None
        return len(block) + (linked_size(block) if codec == _DAG_PB else 0)

    async def add(self, source: Path | AsyncIterator[bytes], *, name: str = "", pin: bool = True) -> list[Added]:
        """Add a file, a folder with all it holds, or a stream; the last one returned is the root.

        A file that cannot be read raises OSError.
        """
        boundary = os.urandom(16).hex()
        if isinstance(source, Path):
            body = _in_threads(multipart(files_of(source, name or source.name), boundary))
        else:
            body = _one_stream(name or "stream", source, boundary)
        arguments = [
            ("cid-version", "1"),
            ("progress", "false"),
            ("pin", "true" if pin else "false"),
            ("stream-channels", "true"),
        ]
        content_type = f"multipart/form-data; boundary={boundary}"
        added = []
        async with (
            aclosing(body),
            self._ask("add", arguments, content=body, content_type=content_type) as answer,
            aclosing(answer.lines()) as lines,
        ):
            async for line in lines:
                if "Hash" in line:
                    size = int(line.get("Size") or 0)
                    added.append(Added(str(line.get("Name", "")), parse_cid(line["Hash"]), size))
        if not added:
            raise NodeRefused("the node stopped answering before everything was added", where=self.address)
        return added

    async def cat(self, cid: bytes) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of a file. Close it (``aclosing``) when done early."""
        async with self._ask("cat", [("arg", cid_text(cid))]) as answer, aclosing(answer.chunks()) as chunks:
            async for chunk in chunks:
                yield chunk

    async def resolve(self, path: str) -> bytes:
        """Return the CID that a path ends at: `/ipfs/CID/folder/file`, or one that begins with a name, `/ipns/...`."""
        found = str((await self._object("resolve", [("arg", path)])).get("Path", ""))
        try:
            return parse_cid(found.removeprefix("/ipfs/").removeprefix("/ipld/"))
        except Misuse as error:
            raise NodeRefused(f"{path} leads to no CID of its own but to {found!r}", where=self.address) from error

    async def import_car(self, pieces: AsyncIterator[bytes]) -> None:
        """Store the blocks of a CAR, pinning nothing."""
        boundary = os.urandom(16).hex()
        body = _one_stream("blocks.car", pieces, boundary)
        content_type = f"multipart/form-data; boundary={boundary}"
        arguments = [("pin-roots", "false"), ("silent", "true"), ("allow-big-block", "true")]
        async with (
            aclosing(body),
            self._ask("dag/import", arguments, content=body, content_type=content_type) as answer,
            aclosing(answer.lines()) as lines,
        ):
            async for _ in lines:
                pass

    async def collect(self) -> AsyncGenerator[Collected, None]:
        """Collect garbage, and yield what went. Before the first there is nothing for as long as the node looks."""
        arguments = [("stream-errors", "true")]
        async with self._ask("repo/gc", arguments, has_deadline=True) as answer, aclosing(answer.lines()) as lines:
            async for line in lines:
                key = line.get("Key")
                cid = key.get("/") if isinstance(key, dict) else None
                yield Collected(parse_cid(str(cid)) if cid else None, str(line.get("Error") or ""))

    # ---- requests ------------------------------------------------------------------------------------------------
    async def _object(
        self, command: str, arguments: Iterable[tuple[str, str]] = (), *, timeout_s: float | None = None
    ) -> dict[str, Any]:
        """Ask for one JSON object (the first line of what comes, {} for nothing), all within ``timeout_s``."""
        timeout_s = timeout_s or self._request_timeout_s
        first: dict[str, Any] = {}
        with trio.move_on_after(timeout_s) as scope:
            async with (
                self._ask(command, arguments, has_deadline=True) as answer,
                aclosing(answer.lines(NODE_ANSWER_BYTES_MAX)) as lines,
            ):
                async for line in lines:
                    first = first or line
        if scope.cancelled_caught:
            raise NodeDown(f"The IPFS node did not answer `{command}` in {timeout_s:.0f} s", where=self.address)
        return first

    @asynccontextmanager
    async def _ask(
        self,
        command: str,
        arguments: Iterable[tuple[str, str]] = (),
        *,
        content: AsyncIterator[bytes] | None = None,
        content_type: str | None = None,
        has_deadline: bool = False,
    ) -> AsyncIterator[Answer]:
        """Post a command and give its answer. ``has_deadline``: the caller bounds the whole, so silence needs none."""
        query = "&".join(f"{key}={urllib.parse.quote(value, safe='/:')}" for key, value in arguments)
        target = f"/api/v0/{command}?{query}"
        headers = self._headers if content_type is None else [*self._headers, (b"Content-Type", content_type.encode())]
        silence_s = None if has_deadline else self._silence_timeout_s
        async with self._connections.post(target, headers, content, silence_s=silence_s) as answer:
            if answer.status != 200:
                raise await answer.refusal()
            yield answer

    async def _moved(self) -> bool:
        if self._find_again is None:
            return False
        address = await trio.to_thread.run_sync(self._find_again)
        if str(address) == str(self._address):
            return False
        self._connections.close()
        self._connections, self._address = Connections(address), address
        return True

    def _read_pin(self, line: Mapping[str, Any], mode: PinMode) -> NodePin:
        try:
            cid = parse_cid(str(line["Cid"]))
        except (KeyError, Misuse) as error:
            raise NodeRefused("the node listed something that is not a pin", where=self.address) from error
        return NodePin(cid, mode, str(line.get("Name") or "") if self._has_names else None)


async def _in_threads(chunks: Iterator[bytes]) -> AsyncGenerator[bytes, None]:
    while (chunk := await trio.to_thread.run_sync(next, chunks, None)) is not None:
        yield chunk


async def _one_stream(name: str, content: AsyncIterator[bytes], boundary: str) -> AsyncGenerator[bytes, None]:
    yield part_head(name, FILE, boundary)
    async for chunk in content:
        yield chunk
    yield b"\r\n" + end_of(boundary)


# ---- leaves ---------------------------------------------------------------------------------------------------------
def _count(line: Mapping[str, Any], key: str) -> int | None:
    value = line.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _aside_path(cid: bytes) -> str:
    return f"/pincrew-mending-{cid_text(cid)}"


def _has_names(agent: str) -> bool:
    """Say whether a node of this agent version keeps names of pins; an unknown agent is taken to."""
    if agent.startswith("go-ipfs/"):
        return False
    found = re.match(r"kubo/(\d+)\.(\d+)", agent)
    return not found or (int(found[1]), int(found[2])) >= _KUBO_NAMES_SINCE
