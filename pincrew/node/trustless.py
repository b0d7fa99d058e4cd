"""Blocks and whole DAGs from trustless gateways (specs.ipfs.tech): HTTP servers that need not be trusted.

Every block is compared with its CID before it is used, and only blocks that were asked for are: the root, and what
blocks that came link to. A DAG comes as one stream, a CAR; where that ends too early, the parts that are missing are
asked for in the same way for as long as that brings much, and then, or where there are no CARs, block by block. A
gateway that sends anything wrong rests for an hour, one that fails for a minute and longer.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Protocol

import trio

from pincrew.cid import cid_text
from pincrew.errors import Malformed
from pincrew.limits import (
    BLOCK_BYTES_MAX,
    GATEWAY_BATCH_BLOCKS,
    GATEWAY_BATCH_BYTES,
    GATEWAY_BLOCK_TIMEOUT_S,
    GATEWAY_FETCH_BLOCKS_MAX,
    GATEWAY_LINKS_HELD_MAX,
    GATEWAY_REQUESTS_AT_ONCE,
    GATEWAY_STREAM_BLOCKS_WORTH,
    GATEWAY_UNASKED_BYTES_MAX,
    GATEWAY_USELESS_BYTES_MAX,
    WEB_REST_S_MAX,
)
from pincrew.node.car import CarReader
from pincrew.node.links import links_of
from pincrew.node.multihash import RAW, check_allowed, codec_of, inlined, matches, multihash_of
from pincrew.node.throttle import Throttle
from pincrew.node.web import Answer, Asking, Server, ServerFailed, ServerStalled

log = logging.getLogger(__name__)

_RAW_TYPE = "application/vnd.ipld.raw"
_CAR_TYPE = "application/vnd.ipld.car"
_CAR_WANTED = f"{_CAR_TYPE}; version=1; order=dfs; dups=n"
_ABSENT = (404, 410)
_BUSY = (429, 503)
# What a gateway answers that has blocks but makes no CARs.
_WITHOUT_CARS = (400, 406, 415, 501)

Block = tuple[bytes, bytes]


class Sink(Protocol):
    """Where blocks go: by multihash, verified."""

    async def has_many(self, multihashes: Sequence[bytes]) -> Mapping[bytes, int]: ...
    async def put_many(self, blocks: Sequence[Block]) -> None: ...


class Absent(Exception):
    """A gateway does not have it, or does not give it in that form."""


class Gateways:
    """Gateways, in the order in which they are asked."""

    def __init__(self, urls: Sequence[str], *, down: Throttle | None = None) -> None:
        """Check the URLs (raises Misuse); ``down`` lets through what comes."""
        self._gateways = [_Gateway(url, down or Throttle()) for url in urls]

    async def block(self, cid: bytes) -> bytes | None:
        """Return one block, verified; None where no gateway has it."""
        for gateway in self._gateways:
            if not gateway.server.is_resting:
                try:
                    async with gateway.server.open() as asking:
                        return await gateway.block(asking, cid)
                except Absent:
                    continue
                except (ServerFailed, Malformed) as error:
                    gateway.failed(error)
        return None

    async def fetch(self, root: bytes, sink: Sink) -> bool:
        """Bring the DAG below ``root``, a block that is not here, into ``sink``; return whether that worked.

        A part of it that is here is taken to be whole: whoever walks the DAG sees if not, and asks for what is missing
        in it. Where a gateway gives up the next goes on from there. False: none could go on, or there is more than one
        call fetches. What ``sink`` raises is raised; then, and when it is cancelled, what came before is in ``sink``.
        """
        wanted = _Wanted(root, sink)
        for gateway in self._gateways:
            if not gateway.server.is_resting:
                await gateway.fetch(wanted)
            if not wanted.expected:
                return True
            if wanted.is_too_much:
                break
        return False


class _Gateway:
    """One gateway."""

    def __init__(self, url: str, down: Throttle) -> None:
        self.server = Server(url)
        self._down = down
        self._makes_cars = True

    def failed(self, error: ServerFailed | Malformed) -> None:
        """Leave it alone for a while, longer if what it sent was wrong."""
        log.info("a gateway failed: %s", error.sentence, extra={"gateway": self.server.url})
        if not self.server.is_resting:
            self.server.failed(WEB_REST_S_MAX if isinstance(error, Malformed) else None)

    async def block(self, asking: Asking, cid: bytes) -> bytes:
        """Return one block. Raises Absent, ServerFailed, or Malformed when it is another."""
        path, accept = f"/ipfs/{cid_text(cid)}?format=raw", _RAW_TYPE
        body = bytearray()
        try:
            with trio.fail_after(GATEWAY_BLOCK_TIMEOUT_S):
                async with asking.get(path, accept) as answer:
                    self._check(answer, accept)
                    while chunk := await answer.read():
                        body += chunk
                        if len(body) > BLOCK_BYTES_MAX:
                            raise Malformed(f"A gateway sends a block above {BLOCK_BYTES_MAX} bytes", where=answer.url)
        except trio.TooSlowError as error:
            raise ServerStalled("The gateway stalls", where=self.server.url) from error
        data = bytes(body)
        if not matches(multihash_of(cid), data):
            raise Malformed(f"A gateway sends another block than {cid_text(cid)}", where=self.server.url)
        self.server.worked()
        await self._down.take(len(data))
        return data

    async def fetch(self, wanted: _Wanted) -> None:
        """Bring what is expected, as far as this gateway has it."""
        try:
            async with self.server.open() as asking:
                while self._makes_cars and (top := wanted.next_top()) is not None:
                    before = wanted.count
                    await self._try_stream(asking, top, wanted)
                    if wanted.count - before < GATEWAY_STREAM_BLOCKS_WORTH:
                        break
                if wanted.expected and not wanted.is_too_much:
                    await self._fetch_blocks(asking, wanted)
        except Absent:
            log.debug("a gateway does not have all of it", extra={"gateway": self.server.url})
        except (ServerFailed, Malformed) as error:
            self.failed(error)

    async def _try_stream(self, asking: Asking, root: bytes, wanted: _Wanted) -> None:
        """Take what comes as a CAR. One that is cut short may be all that the gateway gives in one go."""
        failure: Absent | ServerFailed | Malformed | None = None
        try:
            await self._stream(asking, root, wanted)
        except (Absent, ServerFailed, Malformed) as error:
            failure = error
        await wanted.flush()
        if isinstance(failure, ServerFailed) and not isinstance(failure, ServerStalled) and not self.server.is_resting:
            log.info("a stream ended early: %s", failure.sentence, extra={"gateway": self.server.url})
        elif failure is not None:
            raise failure

    async def _stream(self, asking: Asking, root: bytes, wanted: _Wanted) -> None:
        path = f"/ipfs/{cid_text(root)}?format=car&dag-scope=all"
        reader = CarReader()
        patience_s = GATEWAY_BLOCK_TIMEOUT_S
        async with asking.get(path, _CAR_WANTED) as answer:
            if answer.status in _WITHOUT_CARS or (answer.status == 200 and answer.content_type != _CAR_TYPE):
                self._makes_cars = False
                return
            self._check(answer, _CAR_TYPE)
            while True:
                # Only waiting for the gateway counts, not for the disk or for our own limit.
                began = trio.current_time()
                with trio.move_on_after(patience_s) as scope:
                    chunk = await answer.read()
                if scope.cancelled_caught:
                    raise ServerStalled("The gateway stalls", where=answer.url)
                patience_s -= trio.current_time() - began
                if not chunk:
                    break
                for cid, block in reader.feed(chunk):
                    patience_s = GATEWAY_BLOCK_TIMEOUT_S
                    wanted.take(cid, block)
                await self._down.take(len(chunk))
                if wanted.is_batch_full:
                    await wanted.flush()
                if wanted.is_stream_useless or wanted.is_too_much:
                    return
        try:
            reader.finish()
        except Malformed as error:
            raise ServerFailed("The gateway's CAR is cut short", where=self.server.url) from error
        self.server.worked()

    async def _fetch_blocks(self, asking: Asking, wanted: _Wanted) -> None:
        """Ask for what is expected block by block, several at a time."""
        failures: list[Exception] = []
        changed = trio.Event()
        in_flight = 0

        async def work(scope: trio.CancelScope) -> None:
            nonlocal changed, in_flight
            while (wanted.expected or in_flight) and not wanted.is_too_much:
                if not wanted.expected:
                    await changed.wait()
                    continue
                multihash, cid = wanted.expected.popitem()
                in_flight += 1
                is_here = False
                try:
                    if await wanted.is_missing(multihash):
                        data = await self.block(asking, cid)
                        wanted.follow(cid, data)
                        await wanted.put(multihash, data)
                    is_here = True
                # Whatever it is (the gateway's failure, or the sink's), it is raised below, outside of a group.
                except Exception as error:
                    failures.append(error)
                    scope.cancel()
                finally:
                    if not is_here:
                        wanted.expected[multihash] = cid
                    in_flight -= 1
                    changed.set()
                    changed = trio.Event()

        async with trio.open_nursery() as nursery:
            for _ in range(GATEWAY_REQUESTS_AT_ONCE):
                nursery.start_soon(work, nursery.cancel_scope)
        if failures:
            raise failures[0]

    def _check(self, answer: Answer, content_type: str) -> None:
        """Raise Absent or ServerFailed unless an answer is what was asked for."""
        if answer.status in _ABSENT:
            raise Absent
        if answer.status in _BUSY:
            self.server.failed(answer.retry_after_s)
        if answer.status != 200 or answer.content_type not in (content_type, "application/octet-stream"):
            raise ServerFailed(f"The gateway answers {answer.status} {answer.content_type[:50]}", where=answer.url)


class _Wanted:
    """What one fetch still expects, and what has come of it."""

    def __init__(self, root: bytes, sink: Sink) -> None:
        # By multihash; the newest is asked for first, so that what is held stays as small as a path through the DAG.
        self.expected: dict[bytes, bytes] = {multihash_of(root): root}
        self._sink = sink
        self._seen: set[int] = set()
        self._batch: list[Block] = []
        self._batch_bytes = 0
        self._useless_bytes = 0
        self._unasked_bytes = 0

    @property
    def is_batch_full(self) -> bool:
        return self._batch_bytes >= GATEWAY_BATCH_BYTES or len(self._batch) >= GATEWAY_BATCH_BLOCKS

    @property
    def is_stream_useless(self) -> bool:
        """Say whether a stream brings only what is here already."""
        return self._useless_bytes >= GATEWAY_USELESS_BYTES_MAX

    @property
    def is_too_much(self) -> bool:
        """Say whether this is more than one fetch keeps track of."""
        return len(self.expected) > GATEWAY_LINKS_HELD_MAX or len(self._seen) >= GATEWAY_FETCH_BLOCKS_MAX

    @property
    def count(self) -> int:
        """How many blocks came."""
        return len(self._seen)

    def next_top(self) -> bytes | None:
        """Return what a stream may bring next: an expected block that may link to others. None: it is not worth one."""
        if self.is_too_much or self.is_stream_useless:
            return None
        return next((cid for cid in reversed(self.expected.values()) if codec_of(cid) != RAW), None)

    def take(self, cid: bytes, data: bytes) -> None:
        """Take a verified block of a stream. Raises Malformed when too much came for which nobody asked."""
        multihash = multihash_of(cid)
        expected = self.expected.pop(multihash, None)
        if expected is not None:
            self._batch.append((multihash, data))
            self._batch_bytes += len(data)
            self.follow(expected, data)
            return
        # Again what came before, or what only a block that is still to come links to: it is not kept, and no harm yet.
        self._unasked_bytes += len(data) + 1
        if self._unasked_bytes > GATEWAY_UNASKED_BYTES_MAX:
            raise Malformed("A gateway sends blocks for which nobody asked")

    def follow(self, cid: bytes, data: bytes) -> None:
        """Expect what a block links to."""
        self._seen.add(_mark(multihash_of(cid)))
        waiting = [(cid, data)]
        while waiting:
            try:
                links = links_of(*waiting.pop())
            except Malformed:
                continue  # The block is the one that its CID names: that nobody can read it is not the gateway's doing.
            for link in reversed(links):
                multihash = multihash_of(link)
                if _mark(multihash) in self._seen or multihash in self.expected or not _is_allowed(link):
                    continue
                inside = inlined(multihash)
                if inside is None:
                    self.expected[multihash] = link
                else:
                    self._seen.add(_mark(multihash))
                    waiting.append((link, inside))

    async def is_missing(self, multihash: bytes) -> bool:
        return multihash not in await self._sink.has_many([multihash])

    async def put(self, multihash: bytes, data: bytes) -> None:
        await self._sink.put_many([(multihash, data)])

    async def flush(self) -> None:
        """Put what came of a stream, but for what is here."""
        batch, self._batch, self._batch_bytes = self._batch, [], 0
        if not batch:
            return
        here = await self._sink.has_many([multihash for multihash, _ in batch])
        new = [block for block in batch if block[0] not in here]
        if new:
            self._useless_bytes = 0
            await self._sink.put_many(new)
        else:
            self._useless_bytes += sum(len(data) for _, data in batch)


def _is_allowed(cid: bytes) -> bool:
    try:
        check_allowed(cid)
    except Malformed:
        return False
    return True


def _mark(multihash: bytes) -> int:
    """Return a number that stands for a multihash. Should two have the same, whoever walks the DAG misses one."""
    return int.from_bytes(multihash[-8:])
