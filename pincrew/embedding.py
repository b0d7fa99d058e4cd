"""A peer inside of a program: one cluster of a home at work, with no daemon and no API between (docs/embedding.md).

It holds the home's `daemon.lock`: a home has a daemon or an embedded peer, never both. What works is what works in the
daemon (`pincrew.household`): node, limits, what the user is told. What a process has only one of (signals, logging, the
garbage collector's thresholds) stays the program's.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TypeVar

import trio

from pincrew import limits
from pincrew.api import shapes
from pincrew.api.contract import Writes
from pincrew.cid import parse_cid
from pincrew.cluster import Cluster
from pincrew.errors import Conflict, Misuse, NodeDown, NodeRefused, NotAllowed, NotFound
from pincrew.files import told
from pincrew.home_lock import Lock
from pincrew.household import Household
from pincrew.multipart import FILE, FOLDER, chunks_of, files_of
from pincrew.node.importing import Entry, FileEntry, FolderEntry, SymlinkEntry
from pincrew.node_keeper import identity_once_started
from pincrew.paths import Home
from pincrew.peer import now_ms
from pincrew.rest.add_options import read_add_wish
from pincrew.rest.contract import WritingRestDoor
from pincrew.rest.pin_options import read_pin_options
from pincrew.rest.shapes import AddedOutput
from pincrew.settings import NO_REST, Settings
from pincrew.settings_files import load_settings
from pincrew.values import PinState

T = TypeVar("T")
# Options are those of ipfs-cluster's REST API, in its words (docs/rest.md).
Options = Mapping[str, str]
NO_OPTIONS: Options = {}
_ADD_OPTIONS: Options = {"cid-version": "1"}


class Peer:
    """This program's peer in one cluster; ``open`` gives it. Every method raises a PincrewError that says why not."""

    def __init__(self, household: Household, name: str) -> None:
        self._household = household
        self._is_open = True
        self.name = name

    @classmethod
    @asynccontextmanager
    async def open(
        cls, home: str | os.PathLike[str], cluster: str, environment: Mapping[str, str] = os.environ
    ) -> AsyncGenerator[Peer, None]:
        """Run a cluster of a home for the length of the block; then everything is ended in order.

        ``home`` is what `PINCREW_HOME` names for commands, ``environment`` where other settings (`PINCREW_...`) are
        looked for. Raises Misuse outside of trio, NotFound where there is no such cluster, Conflict while a daemon or
        another peer uses the home, and what keeps the cluster from running.
        """
        if not trio.lowlevel.in_trio_run():
            raise Misuse(
                "An embedded peer runs on trio, and this is another event loop",
                next_step="Start the program with `trio.run`; or, on asyncio, speak to a daemon:"
                " `pincrew.api.client.AsyncClient`",
            )
        claimed = await trio.to_thread.run_sync(_claim, home, cluster, environment)
        try:
            household = Household(claimed.home, claimed.settings, environment, "", expected=())
            try:
                async with trio.open_nursery() as nursery:
                    await nursery.start(household.run)
                    peer = cls(household, cluster)
                    try:
                        await household.roster.start(cluster, rest=NO_REST, is_asked=True)
                        yield peer
                    finally:
                        peer._is_open = False
                        with trio.CancelScope(shield=True):
                            await household.stop()
                        nursery.cancel_scope.cancel()
            # The nursery wraps what the block raises; whoever wrote the block expects what he raised. All goes on up.
            except BaseExceptionGroup as group:
                only = group.exceptions[0]
                error = only if len(group.exceptions) == 1 and isinstance(only, Exception) else group
                raise error from error.__cause__
            finally:
                household.close()
        finally:
            claimed.lock.release()

    @property
    def _cluster(self) -> Cluster:
        if not self._is_open:
            raise Misuse(f"The peer of {self.name} is closed", next_step="Use it inside of its `async with`")
        return self._household.roster.cluster(self.name)

    @property
    def _writing(self) -> WritingRestDoor:
        desk = self._cluster.rest
        if not isinstance(desk, WritingRestDoor):
            raise self._not_a_curator()
        return desk

    def _not_a_curator(self) -> NotAllowed:
        return NotAllowed(
            f"This peer follows {self.name}; only its curators can change the list",
            next_step="Ask a curator, or make a cluster of your own with `pincrew create NAME`",
        )

    # ---- looking --------------------------------------------------------------------------------------------------

    def status(self) -> shapes.Summary:
        """Return the cluster at a glance."""
        return self._cluster.summary()

    async def peers(self) -> list[shapes.PeerLine]:
        """Return every other peer known."""
        return await self._cluster.peers()

    async def pins(self, find: str = "", sort: str = "added") -> AsyncIterator[shapes.PinLine]:
        """Yield the list, and how far this peer is with each pin; ``find`` and ``sort`` as in `pincrew pins`."""
        offset, at_once = 0, limits.EMBEDDED_PINS_AT_ONCE
        while True:
            page, _, _ = await self._cluster.pins(state="", name="", find=find, sort=sort, limit=at_once, offset=offset)
            for line in page:
                yield line
            offset += len(page)
            if len(page) < at_once:
                return

    async def pin_status(self, cid: str, *, local: bool = False) -> shapes.GlobalPinInfo:
        """Return how far each peer that answers is with a pin; ``local`` asks nobody else, and so does a follower."""
        [found] = [one async for some in self._cluster.pin_statuses([cid], local=local) for one in some]
        return found

    async def wait_pinned(self, cid: str) -> shapes.PinDetail:
        """Return once this peer's node keeps a pin of the list.

        What failed is tried again, and so waited for; the bound is the caller's (`trio.fail_after`). Raises NotFound
        where it is not on the list (any more), Conflict where this peer is not to keep it.
        """
        while True:
            found = await self._cluster.pin(cid)
            if found.state == PinState.PINNED:
                return found
            if found.state in (PinState.SKIPPED, PinState.REMOTE):
                raise Conflict(
                    f"This peer does not keep {cid}: {found.error or found.cause or 'it is allocated to other peers'}",
                    next_step=found.next_step or "",
                )
            await trio.sleep(limits.EMBEDDED_LOOK_INTERVAL_S)

    # ---- a curator's ----------------------------------------------------------------------------------------------

    async def pin(self, cid: str, name: str = "", options: Options = NO_OPTIONS) -> shapes.PinObject:
        """Put a CID on the list, or change its pin; return it as it stands there, durably.

        ``options`` are those of `POST /pins` in docs/rest.md, `{"replication": "2", "expire-in": "72h"}` for example.
        Raises NotAllowed where this peer follows.
        """
        wanted = read_pin_options({"name": name, **options}, now_ms())
        return await self._writing.pin(parse_cid(cid), wanted)

    async def unpin(self, cid: str) -> shapes.PinObject:
        """Take a CID off the list; return its pin as it was. Raises NotFound and NotAllowed."""
        return await self._writing.unpin(parse_cid(cid))

    async def write(self, requests: Iterable[shapes.PinRequest]) -> shapes.PinsWritten:
        """Put many pins on the list and take many off, thousands by one turn. What an error leaves is whole turns."""
        cluster, rest = self._cluster, iter(requests)
        if not isinstance(cluster, Writes):
            raise self._not_a_curator()
        added = removed = 0
        absent: list[str] = []
        while some := list(islice(rest, limits.EMBEDDED_REQUESTS_AT_ONCE)):
            more, fewer, missing = await cluster.write(some)
            added, removed = added + more, removed + fewer
            absent += missing
        return shapes.PinsWritten(added, removed, absent)

    async def add(self, source: bytes | os.PathLike[str], name: str = "", options: Options = NO_OPTIONS) -> AddedOutput:
        """Add bytes, a file or a folder to the nodes of the curators who are to keep it, then pin it; return the root.

        ``name`` is the pin's, else that of the file. ``options`` are those of `POST /add` in docs/rest.md, with
        `cid-version` 1 unless they say otherwise. What is in a folder under a name with a dot in front is left out,
        unless `hidden` is `true`. A node that is just starting is waited for.
        """
        options = {**_ADD_OPTIONS, **options}
        if not isinstance(source, bytes):
            source = Path(await trio.Path(source).absolute())
            name = name or source.name
        wish, pin = read_add_wish(options), read_pin_options({"name": name, **options}, now_ms())
        entries = _entries(source, name, hidden=options.get("hidden") == "true")
        added, desk = _Added(), await self._adding()
        await desk.add(_InThread(entries), wish, pin, added.emit)
        return added.root()

    async def add_car(self, source: os.PathLike[str], name: str = "", options: Options = NO_OPTIONS) -> AddedOutput:
        """Add the blocks of a CAR file, as ``add`` does, then pin its one root; return that."""
        wish, pin = read_add_wish({**options, "format": "car"}), read_pin_options({"name": name, **options}, now_ms())
        added, desk = _Added(), await self._adding()
        await desk.add_car(_InThread(_content(Path(source))), wish, pin, added.emit)
        return added.root()

    async def _adding(self) -> WritingRestDoor:
        desk = self._writing
        with suppress(NodeDown, NodeRefused):  # other curators' nodes may take what ours cannot
            await identity_once_started(self._cluster.peer.node)
        return desk


class _Claimed(NamedTuple):
    home: Home
    settings: Settings
    lock: Lock


def _claim(folder: str | os.PathLike[str], cluster: str, environment: Mapping[str, str]) -> _Claimed:
    """Take the home for this process."""
    home = Home(Path(folder).absolute())
    if not home.cluster(cluster).settings.exists():
        raise NotFound(
            f"There is no cluster {cluster!r} in {home.root}",
            next_step=f"`pincrew create {cluster}` makes one, `pincrew follow SOURCE` joins one",
        )
    settings = load_settings(home.settings, environment)
    try:
        return _Claimed(home, settings, Lock(home.daemon_lock))
    except Conflict as error:
        raise Conflict(
            error.what,
            where=error.where,
            next_step="Speak to a daemon with `pincrew.api.client`, or end it: `pincrew daemon stop`",
        ) from error


class _Added:
    """What was added: the root is said last."""

    def __init__(self) -> None:
        self._last: AddedOutput | None = None

    async def emit(self, output: AddedOutput) -> None:
        self._last = output

    def root(self) -> AddedOutput:
        assert self._last is not None
        return self._last


class _InThread(AsyncIterator[T]):
    """What an iterator yields that reads files: each step in a thread."""

    def __init__(self, steps: Iterator[T]) -> None:
        self._steps = steps

    async def __anext__(self) -> T:
        some = await trio.to_thread.run_sync(lambda: list(islice(self._steps, 1)))
        if not some:
            raise StopAsyncIteration
        return some[0]


def _entries(source: bytes | Path, name: str, *, hidden: bool) -> Iterator[Entry]:
    """Yield what is to be added. Raises NotFound, and StoreFault for what cannot be read."""
    if isinstance(source, bytes):
        yield FileEntry(name, _InThread(iter((source,))))
        return
    if not source.exists():
        raise NotFound("There is no such file or folder", where=str(source), means="Nothing was added")
    with told(source, "read"):
        for path, kind, content in files_of(source, source.name, hidden=hidden):
            if kind == FILE:
                yield FileEntry(path, _InThread(_readable(source, content)))
            elif kind == FOLDER:
                yield FolderEntry(path)
            else:
                yield SymlinkEntry(path, os.fsdecode(b"".join(content)))


def _readable(source: Path, content: Iterable[bytes]) -> Iterator[bytes]:
    with told(source, "read"):
        yield from content


def _content(path: Path) -> Iterator[bytes]:
    with told(path, "read"), path.open("rb", buffering=0) as file:
        yield from chunks_of(file.fileno())
