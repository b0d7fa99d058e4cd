"""The client of the daemon's API, for the command line, the terminal view and anybody's programs.

``Client`` is synchronous, with a method per route; ``AsyncClient`` (`pincrew.api.async_client`) is the same in threads,
for trio and asyncio, and is imported when it is asked for: no command pays for anyio. What the daemon refuses is raised
as the error it raised there. Lists are iterators: a million lines need no more memory than one. The routes and shapes
are in ``pincrew.api.shapes``.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from pincrew.api import shapes
from pincrew.errors import Conflict, Malformed, NotFound, PincrewError, WorldFault

if TYPE_CHECKING:
    from pincrew.api import transport
    from pincrew.api.async_client import AsyncClient as AsyncClient

ANSWER_TIMEOUT_S = 30.0
RUN_TIMEOUT_S = 60.0
FETCH_TIMEOUT_S = 600.0  # longer than anybody lets a source take: the daemon itself gives up before
STREAM_TIMEOUT_S = 300.0
LEAVE_TIMEOUT_S = 24 * 3_600.0
START_TIMEOUT_S = 60.0
FEED_TIMEOUT_S = 30.0  # three signs of life that did not come
BATCH_BYTES = 64 * 1024
PAGE = 1_000
CIDS_PER_QUESTION = 100
_API = "/api/v1"
_STARTING = "is just starting"
_START_POLL_S = 0.1

Shape = TypeVar("Shape", bound=msgspec.Struct)
Query = Sequence[tuple[str, str | int]]


class PinPage(NamedTuple):
    """Some rows of a list; ``total`` is how many it has, None where that is not known; ``rev`` that of the rows."""

    rows: list[shapes.PinLine]
    total: int | None
    rev: int


class Client:
    """Speaks to the daemon at ``socket``. Every method raises DaemonNotRunning when there is none.

    Each question has a connection of its own. ``hang_up``, called in another thread, ends the one under way.
    """

    def __init__(self, socket: Path, hang_up: transport.HangUp | None = None) -> None:
        self.socket = socket
        self._hang_up = hang_up

    # ---- the daemon ------------------------------------------------------------------------------------------------

    def daemon(self) -> shapes.DaemonInfo:
        """Return what the daemon says of itself."""
        return self._one("GET", "/daemon", shapes.DaemonInfo)

    def stop(self) -> None:
        """Ask the daemon to end. It has not ended yet when this returns."""
        self._answer("POST", "/daemon/stop", body={}).body()

    def status(self) -> shapes.Status:
        """Return every cluster at a glance."""
        return self._one("GET", "/status", shapes.Status)

    def feed(self) -> Iterator[shapes.Status | None]:
        """Yield every cluster at a glance, at once and whenever something changed; None: still nothing did.

        Who is slow to ask for the next one gets the newest there is. Never ends by itself. Raises NotFound where the
        daemon is older than this route.
        """
        from pincrew.api import transport  # the first question pays for http.client, and not the start

        answer = transport.send(self.socket, "GET", f"{_API}/feed", timeout_s=FEED_TIMEOUT_S, hang_up=self._hang_up)
        if answer.status == 404:
            answer.close()
            raise NotFound("The daemon has no feed", next_step="It is older: `pincrew daemon stop`, then `start`")
        if answer.status >= 400:
            raise error_from(answer.status, answer.body())
        return (None if data is None else _decode(data, shapes.Status) for data in answer.newest_events())

    def network(self) -> shapes.NetworkLimits:
        """Return what all clusters together may take of the line."""
        return self._one("GET", "/network", shapes.NetworkLimits)

    def change_network(self, request: shapes.NetworkLimitsRequest) -> shapes.NetworkLimits:
        """Let other limits of the line hold."""
        return self._one("POST", "/network", shapes.NetworkLimits, body=request)

    # ---- joining and running clusters ------------------------------------------------------------------------------

    def offer(self, source: str, folder: Path) -> shapes.Offer:
        """Let the daemon fetch and check a source; nothing is joined. Relative paths start at ``folder``."""
        request = shapes.OfferRequest(source=source, folder=str(folder))
        return self._one("POST", "/offers", shapes.Offer, body=request, timeout_s=FETCH_TIMEOUT_S)

    def prospect(self, offer: str, ipfs: str) -> shapes.Prospect:
        """Let the daemon look at what joining would meet; nothing is joined."""
        request = shapes.ProspectRequest(offer=offer, ipfs=ipfs)
        return self._one("POST", "/offers/prospect", shapes.Prospect, body=request, timeout_s=FETCH_TIMEOUT_S)

    def accept(self, request: shapes.AcceptRequest) -> shapes.Followed:
        """Join what was offered, and run it."""
        return self._one("POST", "/offers/accept", shapes.Followed, body=request, timeout_s=RUN_TIMEOUT_S)

    def run_cluster(self, name: str, publish: str | None = None, rest: str | None = None) -> shapes.Summary:
        """Load a cluster's folder and run it; harmless when it runs.

        ``publish``: HOST:PORT to offer its document; ``rest``: HOST:PORT of ipfs-cluster's API, "" where it usually is.
        """
        body = {"name": name, "publish": publish, "rest": rest}
        return self._one("POST", "/clusters", shapes.Summary, body=body, timeout_s=RUN_TIMEOUT_S)

    def stop_cluster(self, name: str) -> None:
        """Stop running a cluster; everything is kept."""
        self._answer("DELETE", _cluster(name), timeout_s=RUN_TIMEOUT_S).body()

    def ready(self, name: str) -> shapes.Ready:
        """Return where a running cluster can be reached."""
        return self._one("GET", f"{_cluster(name)}/ready", shapes.Ready)

    def leave(self, name: str, *, dry_run: bool) -> shapes.Left:
        """Unpin what this cluster alone holds and remove its folder. Returns when that is done."""
        timeout_s = STREAM_TIMEOUT_S if dry_run else LEAVE_TIMEOUT_S
        return self._one("POST", f"{_cluster(name)}/leave", shapes.Left, body={"dry_run": dry_run}, timeout_s=timeout_s)

    # ---- one cluster -----------------------------------------------------------------------------------------------

    def summary(self, name: str) -> shapes.Summary:
        """Return one cluster at a glance."""
        return self._one("GET", f"{_cluster(name)}/summary", shapes.Summary)

    def series(self, name: str) -> shapes.Series:
        """Return how much came and went lately."""
        return self._one("GET", f"{_cluster(name)}/series", shapes.Series)

    def pins(
        self, name: str, query: Query = (), *, limit: int | None = None, offset: int = 0
    ) -> Iterator[shapes.PinLine]:
        """Yield pins and how far each is, page by page; ``query``: state, name, find, sort."""
        page = self.pin_page(name, query, limit=PAGE if limit is None else min(PAGE, limit), offset=offset)
        return self._pin_pages(page.rows, name, query, limit, offset)

    def _pin_pages(
        self, page: list[shapes.PinLine], name: str, query: Query, limit: int | None, offset: int
    ) -> Iterator[shapes.PinLine]:
        """Yield a first page and those after it."""
        while True:
            yield from page
            offset += len(page)
            limit = None if limit is None else limit - len(page)
            if len(page) < PAGE or limit == 0:
                return
            page = self.pin_page(name, query, limit=PAGE if limit is None else min(PAGE, limit), offset=offset).rows

    def pin_page(self, name: str, query: Query = (), *, limit: int, offset: int = 0) -> PinPage:
        """Return some rows of a list; ``query``: state, name, find, sort."""
        target = f"{_cluster(name)}/pins?{urlencode([*query, ('limit', limit), ('offset', offset)])}"
        answer = self._answer("GET", target, timeout_s=STREAM_TIMEOUT_S)
        total = answer.header("X-Total")
        rows = list(_decoded(answer, shapes.PinLine))
        return PinPage(rows, None if total is None else int(total), int(answer.header("X-Rev") or 0))

    def pin(self, name: str, cid: str) -> shapes.PinDetail:
        """Return all that is known of one pin. Raises NotFound where it is not on the list."""
        return self._one("GET", f"{_cluster(name)}/pins/{quote(cid, safe='')}", shapes.PinDetail)

    def locate(self, name: str, query: Query = (), *, cid: str = "", prefix: str = "") -> int | None:
        """Return at which offset of a list a pin stands: ``cid``, or the first by name that begins with ``prefix``.

        None where it is not in that list, and where to count it would take long.
        """
        target = [*query, ("cid", cid)] if cid else [*query, ("prefix", prefix)]
        return self._one("GET", f"{_cluster(name)}/pins/locate?{urlencode(target)}", shapes.PinPlace).offset

    def is_listed(self, name: str, cid: str) -> bool:
        """Say whether a CID is on the list, without waiting as long as for a list."""
        query: Query = [("find", f"cid:{cid}"), ("limit", 1)]
        return bool(list(self._lines(f"{_cluster(name)}/pins", shapes.PinLine, query, timeout_s=ANSWER_TIMEOUT_S)))

    def write_pins(self, name: str, requests: Iterable[shapes.PinRequest]) -> shapes.PinsWritten:
        """Send pins to add and to remove. Durable at the curator when this returns."""
        self.ready(name)  # waits for a cluster that is just starting; the batch can be sent only once
        answer = self._answer(
            "POST",
            f"{_cluster(name)}/pins",
            stream=_batches(requests),
            timeout_s=STREAM_TIMEOUT_S,
        )
        return _decode(answer.body(), shapes.PinsWritten)

    def pinset(self, name: str, cids: Sequence[str] = ()) -> Iterator[shapes.PinObject]:
        """Yield the pinset's entries, all or those of ``cids``."""
        return self._of_cids(f"{_cluster(name)}/pinset", shapes.PinObject, cids)

    def pin_status(
        self, name: str, cids: Sequence[str] = (), *, is_local: bool = False
    ) -> Iterator[shapes.GlobalPinInfo]:
        """Yield how far each peer that answers is with each pin."""
        query: Query = [("local", 1)] if is_local else []
        return self._of_cids(f"{_cluster(name)}/pins/status", shapes.GlobalPinInfo, cids, query)

    def peers(self, name: str) -> Iterator[shapes.PeerLine]:
        """Yield the peers of a cluster."""
        return self._lines(f"{_cluster(name)}/peers", shapes.PeerLine)

    def errors(self, name: str) -> Iterator[shapes.ErrorLine]:
        """Yield the pins in error, grouped by cause."""
        return self._lines(f"{_cluster(name)}/errors", shapes.ErrorLine)

    def events(self, name: str, *, after: int | None = None, follow: bool = False) -> Iterator[shapes.EventLine]:
        """Yield what happened, oldest first; with ``follow`` this never ends by itself."""
        query: list[tuple[str, str | int]] = [] if after is None else [("after", after)]
        if follow:
            query.append(("follow", 1))
        return self._lines(
            f"{_cluster(name)}/events", shapes.EventLine, query, timeout_s=None if follow else STREAM_TIMEOUT_S
        )

    def retry(self, name: str, cid: str | None = None) -> int:
        """Try a pin again, or all that are in error; return how many. 0: not on the list, under way, or elsewhere."""
        return self._one("POST", f"{_cluster(name)}/retry", shapes.Retried, body={"cid": cid}).pins

    def coverage(self, name: str, limit: int) -> shapes.Coverage:
        """Return how many copies there may be, with so many of the pins that have the fewest."""
        return self._one(
            "GET",
            f"{_cluster(name)}/coverage?{urlencode([('limit', limit)])}",
            shapes.Coverage,
            timeout_s=RUN_TIMEOUT_S,
        )

    def limits(self, name: str) -> shapes.Limits:
        """Return what a cluster may take of this machine, and takes."""
        return self._one("GET", f"{_cluster(name)}/limits", shapes.Limits)

    def change_limits(self, name: str, request: shapes.LimitsRequest) -> shapes.LimitsChanged:
        """Let other limits hold, or say what that would come to."""
        return self._one(
            "POST", f"{_cluster(name)}/limits", shapes.LimitsChanged, body=request, timeout_s=STREAM_TIMEOUT_S
        )

    def pause(self, name: str, until: str | None) -> shapes.Paused:
        """Let a cluster fetch nothing new until then (RFC 3339), None: until ``resume``."""
        return self._one("POST", f"{_cluster(name)}/pause", shapes.Paused, body=shapes.PauseRequest(until))

    def resume(self, name: str) -> shapes.Paused:
        """Let a paused cluster go on; harmless where it is not paused."""
        return self._one("POST", f"{_cluster(name)}/resume", shapes.Paused, body={})

    def choose(self, name: str, cids: Sequence[str], choice: str | None) -> shapes.Chosen:
        """Take the user's word on single pins (skip, next, None to take it back)."""
        request = shapes.ChoiceRequest(list(cids), choice)
        return self._one("POST", f"{_cluster(name)}/choices", shapes.Chosen, body=request, timeout_s=STREAM_TIMEOUT_S)

    def verify(self, name: str, cids: Sequence[str], which: str | None) -> Iterator[shapes.Verified]:
        """Have pins re-read (of ``cids``, or which: sample, all); yield a line for each, whenever it is through."""
        order = shapes.VerifyOrder(list(cids), which)
        answer = self._answer("POST", f"{_cluster(name)}/verify", body=order, timeout_s=LEAVE_TIMEOUT_S)
        return _decoded(answer, shapes.Verified)

    def removals(self, name: str) -> shapes.Removals:
        """Return what left the list and is still held."""
        return self._one("GET", f"{_cluster(name)}/removals", shapes.Removals)

    def decide_removals(self, name: str, decision: str) -> shapes.Removals:
        """Say ``accept`` or ``reject`` to held removals."""
        return self._one("POST", f"{_cluster(name)}/removals", shapes.Removals, body={"decision": decision})

    def publish(
        self, name: str, *, force_secret: bool = False, silent_after_days: int | None = None
    ) -> shapes.Published:
        """Let the daemon make a new config document. ``silent_after_days``: None as before, 0 not any more."""
        body = {"force_secret": force_secret, "silent_after_days": silent_after_days}
        return self._one("POST", f"{_cluster(name)}/publish", shapes.Published, body=body)

    def source(self, name: str) -> shapes.SourceInfo:
        """Return where a follower's config document comes from."""
        return self._one("GET", f"{_cluster(name)}/source", shapes.SourceInfo)

    def decide_source(self, name: str, decision: str) -> shapes.SourceInfo:
        """Say ``accept`` or ``reject`` to a waiting config document, or ``check`` the source now."""
        body = {"decision": decision}
        return self._one("POST", f"{_cluster(name)}/source", shapes.SourceInfo, body=body, timeout_s=FETCH_TIMEOUT_S)

    def switch_node(self, name: str, ipfs: str, *, keep_old: bool) -> shapes.NodeSwitched:
        """Move a cluster to another IPFS node."""
        body = {"ipfs": ipfs, "keep_old": keep_old}
        return self._one("POST", f"{_cluster(name)}/node", shapes.NodeSwitched, body=body, timeout_s=FETCH_TIMEOUT_S)

    def doctor(self, name: str) -> Iterator[shapes.Check]:
        """Yield what the daemon checked about a cluster."""
        return self._lines(f"{_cluster(name)}/doctor", shapes.Check)

    def trust(self, name: str) -> shapes.TrustInfo:
        """Return who owns a cluster and who may write it."""
        return self._one("GET", f"{_cluster(name)}/trust", shapes.TrustInfo)

    def trust_records(self, name: str) -> list[str]:
        """Return the signed trust records in force as base64, and the other one of a conflict."""
        return self._one("GET", f"{_cluster(name)}/trust/records", shapes.TrustRecords).records

    def trust_sessions(self, name: str, author: str, before: int | None = None) -> Iterator[shapes.SessionHead]:
        """Yield how far each session of an author was taken in; ``before``: as if no later envelope were there."""
        query: Query = [("author", author)] if before is None else [("author", author), ("before", before)]
        return self._lines(f"{_cluster(name)}/trust/sessions", shapes.SessionHead, query)

    def put_in_force(self, name: str, record: str) -> shapes.TrustInfo:
        """Hand over a trust record, base64, that enough owners signed."""
        return self._one("POST", f"{_cluster(name)}/trust", shapes.TrustInfo, body=shapes.TrustRecordSigned(record))

    def base(self, name: str) -> shapes.BaseInfo:
        """Return the base in force, and what is under way."""
        return self._one("GET", f"{_cluster(name)}/base", shapes.BaseInfo)

    def base_header(self, name: str) -> str:
        """Return what an owner signs to make the next base, as base64."""
        path = f"{_cluster(name)}/base/header"
        return self._one("GET", path, shapes.BaseHeader, timeout_s=FETCH_TIMEOUT_S).header

    def make_base(self, name: str, sealed: str | None = None) -> shapes.BaseInfo:
        """Put a signed base, base64, in force; None lets the keeper's daemon make and sign it."""
        body = shapes.BaseSealed(sealed)
        return self._one("POST", f"{_cluster(name)}/base", shapes.BaseInfo, body=body, timeout_s=FETCH_TIMEOUT_S)

    def mend(self, name: str, shards: Sequence[int]) -> shapes.Mended:
        """Have the figures of a cluster's store recounted, and these shards of its base fetched anew."""
        body = shapes.MendOrder(list(shards))
        return self._one("POST", f"{_cluster(name)}/repair", shapes.Mended, body=body, timeout_s=STREAM_TIMEOUT_S)

    # ---- how -------------------------------------------------------------------------------------------------------

    def _one(
        self, method: str, path: str, shape: type[Shape], *, body: object = None, timeout_s: float = ANSWER_TIMEOUT_S
    ) -> Shape:
        return _decode(self._answer(method, path, body=body, timeout_s=timeout_s).body(), shape)

    def _lines(
        self, path: str, shape: type[Shape], query: Query = (), *, timeout_s: float | None = STREAM_TIMEOUT_S
    ) -> Iterator[Shape]:
        """Ask at once, decode while iterating."""
        target = f"{path}?{urlencode(query)}" if query else path
        answer = self._answer("GET", target, timeout_s=timeout_s)
        return _decoded(answer, shape)

    def _of_cids(self, path: str, shape: type[Shape], cids: Sequence[str], query: Query = ()) -> Iterator[Shape]:
        """Ask for everything, or for CIDs in questions that fit into a request's head; the first is asked at once."""
        questions = [
            [*query, *(("cid", cid) for cid in cids[start : start + CIDS_PER_QUESTION])]
            for start in range(0, max(1, len(cids)), CIDS_PER_QUESTION)
        ]
        first = self._lines(path, shape, questions[0])
        others = (self._lines(path, shape, question) for question in questions[1:])
        return itertools.chain(first, itertools.chain.from_iterable(others))

    def _answer(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        stream: Iterable[bytes] | None = None,
        timeout_s: float | None = ANSWER_TIMEOUT_S,
    ) -> transport.Answer:
        """Return the answer to a request. Raises the error that it carries.

        A cluster that is just starting is waited for, but not with a body that cannot be sent twice.
        """
        from pincrew.api import transport

        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            answer = transport.send(
                self.socket,
                method,
                f"{_API}{path}",
                body=stream if stream is not None else None if body is None else msgspec.json.encode(body),
                content_type="application/json" if stream is None else "application/x-ndjson",
                timeout_s=timeout_s,
                hang_up=self._hang_up,
            )
            if answer.status < 400:
                return answer
            error = error_from(answer.status, answer.body())
            is_starting = isinstance(error, Conflict) and error.what.endswith(_STARTING)
            if not is_starting or stream is not None or time.monotonic() > deadline:
                raise error
            time.sleep(_START_POLL_S)


def __getattr__(name: str) -> object:
    if name == "AsyncClient":
        from pincrew.api.async_client import AsyncClient

        return AsyncClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def error_from(status: int, body: bytes) -> PincrewError:
    """Return the error that an answer carries, as the class that it was at the daemon."""
    try:
        fields: Any = msgspec.json.decode(body)["error"]
        kind = _class_of(str(fields["code"]))
        return kind(
            *(str(fields["what"]),), **{key: str(fields.get(key) or "") for key in ("where", "means", "next_step")}
        )
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        return WorldFault(
            f"The daemon answers {status} without a reason",
            next_step="See daemon.log; is this `pincrew` the version that the daemon has (`pincrew daemon status`)?",
        )


def _class_of(code: str) -> type[PincrewError]:
    """Return the error class of a machine word; a word of a later version is some error."""
    waiting: list[type[PincrewError]] = [PincrewError]
    while waiting:
        kind = waiting.pop()
        if kind.code == code and "code" in vars(kind):
            return kind
        waiting.extend(kind.__subclasses__())
    return PincrewError


def _cluster(name: str) -> str:
    return f"/clusters/{quote(name, safe='')}"


def _decode(body: bytes, shape: type[Shape]) -> Shape:
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.DecodeError as error:
        raise _misunderstood(error) from error


def _decoded(answer: transport.Answer, shape: type[Shape]) -> Iterator[Shape]:
    decoder = msgspec.json.Decoder(shape)
    with closing(answer):
        for line in answer.lines():
            try:
                yield decoder.decode(line)
            except msgspec.DecodeError as error:
                if line.startswith(b'{"error"'):  # it failed in the middle of a list
                    raise error_from(500, line) from error
                raise _misunderstood(error) from error


def _misunderstood(error: msgspec.DecodeError) -> Malformed:
    return Malformed(
        f"The daemon's answer has another form than this pincrew knows: {error}",
        next_step="Are both the same version? `pincrew daemon status`, then `pincrew daemon stop` and `start`",
    )


def _batches(requests: Iterable[shapes.PinRequest]) -> Iterator[bytes]:
    """Join lines to chunks, so that a million pins are not a million chunks."""
    encoder = msgspec.json.Encoder()
    buffer = bytearray()
    for request in requests:
        buffer += encoder.encode(request)
        buffer += b"\n"
        if len(buffer) >= BATCH_BYTES:
            yield bytes(buffer)
            buffer.clear()
    if buffer:
        yield bytes(buffer)
