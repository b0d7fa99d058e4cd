"""`add`: files and folders to the nodes of the curators that are to keep them and onto the list, in one step.

It is one `POST /add` on the cluster's own socket of ipfs-cluster's REST API: blocks go to all these nodes at once, and
nothing is put on the list before every path was read to its end.
"""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Protocol

import msgspec
import typer

from pincrew import figures
from pincrew.api.shapes import NodeInfo
from pincrew.cli import selection
from pincrew.cli.answers import AddedPath
from pincrew.cli.invocation import ClusterOption, Invocation, command
from pincrew.cli.output import Output
from pincrew.cli.pin_input import pairs_of
from pincrew.ctl.call import with_query
from pincrew.ctl.client import Client
from pincrew.ctl.faults import Refused, Stopped
from pincrew.ctl.hosts import Endpoint
from pincrew.ctl.peer_ids import canonical_peer
from pincrew.errors import Conflict, DaemonLost, Misuse, NotAllowed, NotFound, PincrewError, WorldFault
from pincrew.limits import ADD_SOURCE_SILENCE_TIMEOUT_S, NODE_START_TIMEOUT_S
from pincrew.multipart import FILE, Part, chunks_of, files_of, multipart, size_of
from pincrew.node_address import parse_address
from pincrew.node_calls import NodeCalls
from pincrew.node_finding import authorization
from pincrew.quantities import parse_duration, parse_size
from pincrew.rest.shapes import AddedOutput

_POLL_S = 0.2
_LINE_EVERY_S = 10.0
_STDIN = "-"
_NAME_WIDTH = 32
_NOTHING_LISTED = "Nothing was put on the list"
_FAULTS: dict[int, type[PincrewError]] = {400: Misuse, 403: NotAllowed, 404: NotFound, 409: Conflict}


class Layout(StrEnum):
    """How a file's blocks hang together."""

    BALANCED = "balanced"
    TRICKLE = "trickle"


class Format(StrEnum):
    """What is read."""

    UNIXFS = "unixfs"
    CAR = "car"


@dataclass
class _Source:
    """What is to be added: a path, or None for standard input. ``sent``: how many bytes of its content went out."""

    text: str
    path: Path | None
    name: str
    sent: int = 0

    def size(self, *, hidden: bool) -> int | None:
        """Return how many bytes it has, None where only reading it tells."""
        return None if self.path is None else size_of(self.path, hidden=hidden)

    def parts(self, *, hidden: bool) -> Iterator[Part]:
        """Return what is sent; it is called as it is here, since a slash in the name of a pin would make folders."""
        if self.path is None:
            pieces = chunks_of(sys.stdin.fileno(), ADD_SOURCE_SILENCE_TIMEOUT_S)
            return iter([(self.name.rpartition("/")[2] or "root", FILE, pieces)])
        return files_of(self.path, _name_of(self.path), hidden=hidden)


class _Progress(Protocol):
    """Shows how much was sent."""

    def advance(self, source: _Source, count: int) -> None: ...


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    command(app, "add")(add)


def add(
    invocation: Invocation,
    paths: Annotated[list[str], typer.Argument(metavar="PATH|-", help="Files and folders; - reads standard input.")],
    cluster: ClusterOption = None,
    name: Annotated[str, typer.Option(metavar="TEXT", help="The name of the pin. Default: that of the path.")] = "",
    hidden: Annotated[
        bool, typer.Option("--hidden", help="Also what is inside a folder and begins with a dot.")
    ] = False,
    wrap: Annotated[bool, typer.Option("--wrap", help="One folder around all of it, and one pin.")] = False,
    replication_min: Annotated[
        int | None, typer.Option("--replication-min", metavar="N", help="Copies at least; -1: everywhere.")
    ] = None,
    replication_max: Annotated[
        int | None, typer.Option("--replication-max", metavar="N", help="Copies at most; -1: everywhere.")
    ] = None,
    user_allocations: Annotated[
        str, typer.Option("--user-allocations", metavar="ID,...", help="Peers that keep it if they can.")
    ] = "",
    local: Annotated[bool, typer.Option("--local", help="To this machine's node alone; others fetch it.")] = False,
    metadata: Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE", help="A note; repeatable.")] = None,
    expire_in: Annotated[str, typer.Option(metavar="TIME", help="Take it off the list after 30d, 12h ...")] = "",
    no_pin: Annotated[bool, typer.Option("--no-pin", help="Do not put it on the list.")] = False,
    format_: Annotated[Format, typer.Option("--format", help="Files, or a CAR with one root.")] = Format.UNIXFS,
    chunker: Annotated[str, typer.Option(metavar="TEXT", help="size-N, rabin-MIN-AVG-MAX or buzhash.")] = "size-262144",
    cid_version: Annotated[int, typer.Option(min=0, max=1, metavar="0|1", help="The version of the CIDs.")] = 1,
    raw_leaves: Annotated[
        bool | None, typer.Option("--raw-leaves/--no-raw-leaves", help="Leaves without a frame; usual in version 1.")
    ] = None,
    hash_name: Annotated[
        str, typer.Option("--hash", metavar="TEXT", help="Hash function; others than sha2-256 have version 1.")
    ] = "sha2-256",
    layout: Annotated[Layout, typer.Option(help="trickle: first bytes come first.")] = Layout.BALANCED,
    shard: Annotated[
        bool, typer.Option("--shard", help="Cut it into shards, each kept by peers of its own; for huge content.")
    ] = False,
    shard_size: Annotated[str, typer.Option(metavar="SIZE", help="The most that a shard has.")] = "100MiB",
) -> None:
    """Add files and folders to the nodes that are to keep them, and put them on the list.

    Prints CID and name of each. The CIDs are those of `ipfs add --cid-version=1`. Where something cannot be added,
    nothing is put on the list. Needs the daemon.

    Example: `pincrew add ~/books/moby-dick.epub`
    """
    cluster_name = selection.curated(invocation.home, cluster).name
    if format_ is Format.CAR and (wrap or len(paths) > 1):
        raise Misuse("A CAR is added by itself and without `--wrap`", means="Nothing was added")
    if shard and (no_pin or (len(paths) > 1 and not wrap)):
        raise Misuse(
            "What is added in shards is one pin, which is on the list",
            means="Nothing was added",
            next_step="Add one path, or several with `--wrap`; without `--no-pin`",
        )
    sources = _sources(paths, name, is_one=wrap)
    query = {
        "name": sources[0].name if wrap or len(sources) == 1 else "",
        "replication-min": str(_first(replication_min, replication_max)),
        "replication-max": str(_first(replication_max, replication_min)),
        "user-allocations": ",".join(_peers(user_allocations)),
        "expire-in": f"{parse_duration(expire_in):.0f}s" if expire_in else "",
        "local": _flag(local),
        "no-pin": _flag(no_pin),
        "wrap-with-directory": _flag(wrap),
        "format": format_.value,
        "chunker": chunker,
        "cid-version": str(cid_version),
        "raw-leaves": "" if raw_leaves is None else _flag(raw_leaves),
        "hash": hash_name,
        "layout": layout.value,
        "shard": _flag(shard),
        "shard-size": str(parse_size(shard_size)) if shard else "",
        **{f"meta-{key}": value for key, value in pairs_of(metadata or []).items()},
    }
    node = _node(invocation, cluster_name)
    with _progress(invocation, sources, hidden=hidden) as progress:
        roots = _Sending(invocation, cluster_name, sources, progress, hidden=hidden).roots(
            {key: value for key, value in query.items() if value}, 1 if wrap else len(sources)
        )
    own = invocation.client.ready(cluster_name).peer
    read = sum(source.sent for source in sources)
    done = [
        AddedPath(
            path=source.text,
            cid=root.cid or "",
            name=source.name,
            bytes=read if wrap else source.sent,
            blocks=_blocks(node, root.cid or "") if own in root.allocations else None,
            allocations=root.allocations,
            failed=root.failed,
        )
        for source, root in zip(sources, roots, strict=not wrap)
    ]
    _print(invocation, cluster_name, done, is_listed=not no_pin)


def _sources(texts: Sequence[str], name: str, *, is_one: bool) -> list[_Source]:
    """Look at what is named; with ``is_one`` all of it becomes one pin. Raises Misuse, NotFound."""
    if _STDIN in texts and len(texts) > 1:
        raise Misuse("`-` reads standard input and stands alone", means="Nothing was added")
    if name and len(texts) > 1 and not is_one:
        raise Misuse("`--name` names one pin", means="Nothing was added", next_step="Add one path at a time")
    if texts == [_STDIN]:
        if not name:
            raise Misuse("Standard input has no name", means="Nothing was added", next_step="Give one: `--name TEXT`")
        return [_Source(_STDIN, None, name)]
    if is_one and len(texts) > 1 and not name:
        raise Misuse("The folder has no name", means="Nothing was added", next_step="Give one: `--name TEXT`")
    found: dict[str, _Source] = {}
    for text in texts:
        path = Path(text)
        if not path.exists():
            raise NotFound("There is no such file or folder", where=text, means="Nothing was added")
        inside = _name_of(path)
        if inside in found:
            raise Misuse(
                f"Two of these are called {figures.printable(inside)}",
                where=f"{found[inside].text} and {text}",
                means="Nothing was added",
                next_step="Add them one at a time",
            )
        found[inside] = _Source(text, path, name or inside)
    return list(found.values())


def _name_of(path: Path) -> str:
    name = path.absolute().name
    return name if name not in ("", "..") else path.resolve().name or "root"


def _peers(text: str) -> list[str]:
    try:
        return [canonical_peer(peer.strip()) for peer in text.split(",")] if text else []
    except ValueError as error:
        raise Misuse(str(error), where="--user-allocations", means="Nothing was added") from error


def _first(wanted: int | None, other: int | None) -> int:
    """Return how many copies; 0 stands for what the cluster usually has."""
    return next((one for one in (wanted, other) if one is not None), 0)


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _node(invocation: Invocation, cluster: str) -> NodeCalls | None:
    """Return the way to this cluster's node, None where it is away; one that is just starting is waited for."""
    deadline = time.monotonic() + NODE_START_TIMEOUT_S
    node: NodeInfo = invocation.client.summary(cluster).node
    while node.state == "starting" and time.monotonic() < deadline:
        time.sleep(_POLL_S)
        node = invocation.client.summary(cluster).node
    if node.state != "up" or node.address is None:
        return None
    return NodeCalls(parse_address(node.address), authorization(invocation.environment.get("PINCREW_IPFS_AUTH")))


def _blocks(node: NodeCalls | None, cid: str) -> int | None:
    """Count the blocks of what is all at this machine's node."""
    try:
        options = [("arg", cid), ("progress", "false"), ("offline", "true")]
        return None if node is None else int(node.object("dag/stat", options)["DagStats"][0]["NumBlocks"])
    except (PincrewError, LookupError, TypeError, ValueError):  # an old Kubo, or it went away: it is only not known
        return None


@dataclass
class _Sending:
    """One request with all that is to be added."""

    invocation: Invocation
    cluster: str
    sources: Sequence[_Source]
    progress: _Progress
    hidden: bool
    is_sent: bool = False

    def roots(self, query: dict[str, str], count: int) -> list[AddedOutput]:
        """Send it; return what stands at the top, which is told last. Raises PincrewError."""
        paths = self.invocation.home.cluster(self.cluster)
        client = Client([Endpoint(path=str(paths.api_socket(self.invocation.environment)))])
        boundary = os.urandom(24).hex()
        kind = f"multipart/form-data; boundary={boundary}"
        last: deque[Any] = deque(maxlen=count)
        try:
            last.extend(client.stream("POST", with_query("/add", query), lambda: self._body(boundary), kind))
            return msgspec.convert(list(last), list[AddedOutput])
        except Refused as refused:
            raise self._fault(refused) from refused
        except Stopped as stopped:
            self._tell_what_is_open()
            raise DaemonLost(where=str(stopped), means="" if self.is_sent else _NOTHING_LISTED) from stopped
        except KeyboardInterrupt:
            self._tell_what_is_open()
            raise

    def _body(self, boundary: str) -> Iterator[bytes]:
        yield from multipart(self._parts(), boundary)
        self.is_sent = True

    def _parts(self) -> Iterator[Part]:
        for source in self.sources:
            try:
                for path, kind, content in source.parts(hidden=self.hidden):
                    yield path, kind, self._counted(source, content)
            except OSError as error:
                raise WorldFault(
                    f"Cannot read it: {error.strerror or error}",
                    where=str(error.filename or source.text),
                    means=_NOTHING_LISTED,
                ) from error

    def _counted(self, source: _Source, content: Any) -> Iterator[bytes]:
        for piece in content:
            source.sent += len(piece)
            self.progress.advance(source, len(piece))
            yield piece

    def _fault(self, refused: Refused) -> PincrewError:
        """Return what a person is told; the daemon's words say what it means for the list."""
        fault = refused.fault
        if not fault.code:
            return WorldFault(
                f"The cluster does not answer: {fault.message}",
                means=_NOTHING_LISTED,
                next_step="See `pincrew status`",
            )
        return _FAULTS.get(fault.code, WorldFault)(fault.message.rstrip("."), means=_NOTHING_LISTED)

    def _tell_what_is_open(self) -> None:
        """Say on stderr, also with --json, that the list may have it: all was sent, and no answer came."""
        if self.is_sent:
            names = ", ".join(figures.printable(source.name) for source in self.sources[:3])
            Output().say(
                f"All of it was sent; whether it gets on the list of {self.cluster} is not known ({names})."
                f" See `pincrew pin ls -c {self.cluster}`. Adding it again does no harm."
            )


def _print(invocation: Invocation, cluster: str, done: Sequence[AddedPath], *, is_listed: bool) -> None:
    output = invocation.output
    if output.is_json:
        output.lines(done)
        return
    for one in done:
        output.data(f"{one.cid}  {figures.printable(one.name)}")
    size = figures.size(sum(one.bytes for one in done))
    what = f"{figures.plural(len(done), 'pin')} ({size}) added to {cluster}."
    output.say(what if is_listed else f"{size} added to the nodes of {cluster}, and not put on the list.")
    for peer, why in {peer: why for one in done for peer, why in one.failed.items()}.items():
        later = " It fetches what it lacks." if is_listed else ""
        output.say(f"{peer} did not take all of it: {figures.printable(why.rstrip('.'))}.{later}")


@dataclass
class _Lines:
    """Tells in lines, and seldom: for logs."""

    output: Output
    total: int | None
    sent: int = 0
    told_at: float = 0.0

    def advance(self, source: _Source, count: int) -> None:
        """Count, and tell where it takes long."""
        self.sent += count
        now = time.monotonic()
        if now - self.told_at >= _LINE_EVERY_S:
            self.told_at = now
            of = f" of {figures.size(self.total)}" if self.total is not None else ""
            self.output.say(f"{figures.printable(source.name)}: {figures.size(self.sent)}{of} sent ...")


@contextmanager
def _progress(invocation: Invocation, sources: Sequence[_Source], *, hidden: bool) -> Iterator[_Progress]:
    """Show how much was sent while the block runs: a bar on a terminal, else a line now and then."""
    output = invocation.output
    sizes = [source.size(hidden=hidden) for source in sources]
    total = None if None in sizes else sum(size or 0 for size in sizes)
    if not output.is_live:
        yield _Lines(output, total, told_at=time.monotonic())
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    class Drawn:
        def advance(self, source: _Source, count: int) -> None:
            name = figures.shorten(figures.printable(source.name), _NAME_WIDTH)
            bar.update(task, advance=count, description=name)

    console = Console(stderr=True, no_color=not output.has_color)
    columns = (TextColumn("  {task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=total)
        yield Drawn()
