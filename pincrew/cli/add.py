"""`add`: files and folders into the curator's node and onto the list, in one step."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from pincrew import figures
from pincrew.api.shapes import NodeInfo, PinRequest
from pincrew.cid import cid_text, parse_cid
from pincrew.cli import selection
from pincrew.cli.answers import AddedPath
from pincrew.cli.invocation import ClusterOption, Invocation, command
from pincrew.cli.output import Output
from pincrew.errors import DaemonLost, Misuse, NodeDown, NodeRefused, NotFound, PincrewError, WorldFault
from pincrew.holdings import pin_name
from pincrew.limits import NODE_START_TIMEOUT_S
from pincrew.multipart import FILE, Part, chunks_of, files_of, size_of
from pincrew.node_address import parse_address
from pincrew.node_calls import NodeCalls
from pincrew.node_finding import authorization

_POLL_S = 0.2
_STDIN = "-"
_NAME_WIDTH = 32
# What the node hears as the name: that of a pin may hold a slash, which would make it a path.
_ROOT = "root"
Count = Callable[[int], None]


@dataclass(frozen=True)
class _Source:
    """What is to be added: a path, or None for standard input."""

    text: str
    path: Path | None
    name: str

    def size(self, *, hidden: bool) -> int | None:
        """Return how many bytes it has, None where only reading it tells."""
        return None if self.path is None else size_of(self.path, hidden=hidden)

    def parts(self, *, hidden: bool) -> Iterator[Part]:
        """Return what is sent to the node."""
        if self.path is None:
            return iter([(_ROOT, FILE, chunks_of(sys.stdin.fileno()))])
        return files_of(self.path, _ROOT, hidden=hidden)


@dataclass
class _OnNode:
    """What the node has of a source. ``is_new``: this command pinned it there."""

    source: _Source
    cid: str
    content_bytes: int
    total_bytes: int
    blocks: int | None
    is_new: bool


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
) -> None:
    """Add files and folders to this machine's node, and put them on the list.

    Prints CID and name of each. The CIDs are those of `ipfs add --cid-version=1`. Where something cannot be added,
    nothing is put on the list. Needs the daemon.

    Example: `pincrew add ~/books/moby-dick.epub`
    """
    cluster_name = selection.curated(invocation.home, cluster).name
    sources = _sources(paths, name)
    summary = invocation.client.summary(cluster_name)
    node = NodeCalls(
        parse_address(_address(invocation, cluster_name, summary.node)),
        authorization(invocation.environment.get("PINCREW_IPFS_AUTH")),
    )
    done: list[_OnNode] = []
    is_sent = False
    try:
        for source in sources:
            with _bar(invocation, source, source.size(hidden=hidden)) as count:
                done.append(_add(node, source, bytes.fromhex(summary.id), count, hidden=hidden))
        requests = [PinRequest(cid=one.cid, name=one.source.name, size=one.total_bytes) for one in done]
        is_sent = True
        invocation.client.write_pins(cluster_name, requests)
    except BaseException as error:  # also Ctrl-C: what was pinned for a list that it is not on is let go; it goes on up
        is_answered = isinstance(error, PincrewError) and not isinstance(error, DaemonLost)
        _take_back(invocation, cluster_name, node, done, is_open=is_sent and not is_answered)
        raise
    _print(invocation, cluster_name, done)


def _sources(texts: Sequence[str], name: str) -> list[_Source]:
    if _STDIN in texts and len(texts) > 1:
        raise Misuse("`-` reads standard input and stands alone", means="Nothing was added")
    if name and len(texts) > 1:
        raise Misuse("`--name` names one pin", means="Nothing was added", next_step="Add one path at a time")
    if texts == [_STDIN]:
        if not name:
            raise Misuse("Standard input has no name", means="Nothing was added", next_step="Give one: `--name TEXT`")
        return [_Source(_STDIN, None, name)]
    found = []
    for text in texts:
        path = Path(text)
        if not path.exists():
            raise NotFound("There is no such file or folder", where=text, means="Nothing was added")
        found.append(_Source(text, path, name or path.absolute().name or path.resolve().name))
    return found


def _address(invocation: Invocation, cluster: str, node: NodeInfo) -> str:
    """Return where the cluster's node is; one that is just starting is waited for. Raises NodeDown."""
    deadline = time.monotonic() + NODE_START_TIMEOUT_S
    while node.state == "starting" and time.monotonic() < deadline:
        time.sleep(_POLL_S)
        node = invocation.client.summary(cluster).node
    if node.state != "up" or node.address is None:
        raise NodeDown(where=node.address or "", means="Nothing was added", next_step="See `pincrew status`")
    return node.address


def _add(node: NodeCalls, source: _Source, cluster: bytes, count: Count, *, hidden: bool) -> _OnNode:
    """Add one source and pin it, unless the node has it pinned: then it stays whose it is."""
    read = 0

    def counted(parts: Iterator[Part]) -> Iterator[Part]:
        for path, kind, content in parts:
            yield path, kind, (_noted(chunk) for chunk in content)

    def _noted(chunk: bytes) -> bytes:
        nonlocal read
        read += len(chunk)
        count(len(chunk))
        return chunk

    options = {"cid-version": "1", "progress": "false", "pin": "false", "stream-channels": "true"}
    last: dict[str, object] = {}
    try:
        for line in node.add(counted(source.parts(hidden=hidden)), options):
            last = line if "Hash" in line else last
    except OSError as error:
        where = error.filename or source.text
        raise WorldFault(
            f"Cannot read it: {error.strerror or error}", where=str(where), means="Nothing was put on the list"
        ) from error
    if last.get("Name") != _ROOT:
        raise NodeRefused("the node stopped answering before everything was added", means="Nothing was put on the list")
    cid = cid_text(parse_cid(str(last["Hash"])))
    total = int(str(last.get("Size") or 0))
    if _is_pinned(node, cid):
        return _OnNode(source, cid, read, total, _blocks(node, cid), is_new=False)
    blocks, is_pinned = None, False
    for line in node.lines("pin/add", [("arg", cid), ("name", pin_name(cluster)), ("progress", "true")]):
        blocks = int(line.get("Progress") or 0) or blocks
        is_pinned = is_pinned or "Pins" in line
    if not is_pinned:
        raise NodeRefused("the node stopped answering before it was pinned", means="Nothing was put on the list")
    return _OnNode(source, cid, read, total, blocks or _blocks(node, cid), is_new=True)


def _is_pinned(node: NodeCalls, cid: str) -> bool:
    try:
        return bool(node.object("pin/ls", [("arg", cid), ("type", "recursive")]))
    except NodeRefused as refusal:
        if "not pinned" in refusal.what:
            return False
        raise


def _blocks(node: NodeCalls, cid: str) -> int | None:
    """Count the blocks of what is all here."""
    try:
        found = node.object("dag/stat", [("arg", cid), ("progress", "false")])
        return int(found["DagStats"][0]["NumBlocks"])
    except (NodeRefused, LookupError, TypeError, ValueError):  # an old Kubo: it is only not known
        return None


def _take_back(
    invocation: Invocation, cluster: str, node: NodeCalls, done: Sequence[_OnNode], *, is_open: bool
) -> None:
    """Let go of what this command pinned and is not on the list. What is in doubt stays pinned, and is told.

    ``is_open``: the daemon heard of it, or may have, and gave no answer. It may write even after it was asked what is
    on the list, so that not being there says nothing.
    """
    pins = {one.cid: one for one in done if one.is_new or is_open}
    listed = _listed(invocation, cluster, list(pins)) if pins else set()
    output = Output()  # on stderr like the error that follows, also with --json
    for cid, one in pins.items():
        if listed is not None and cid in listed:
            output.say(f"{cid} is on the list of {cluster} and stays pinned on the node.")
        elif listed is None or is_open:
            which = f"{cid} -c {cluster}"
            output.say(
                f"{cid} stays pinned on the node; whether it gets on the list of {cluster} is not known."
                f" See `pincrew pin ls {which}`;"
                f" put it there with `pincrew pin add {which} --name {figures.printable(shlex.quote(one.source.name))}`"
            )
        else:
            with suppress(PincrewError):  # what fails has been told already; a pin too many harms nobody
                node.object("pin/rm", [("arg", cid)])


def _listed(invocation: Invocation, cluster: str, cids: Sequence[str]) -> set[str] | None:
    """Return which of these are on the list, None where the daemon does not say so."""
    try:
        return {cid for cid in cids if invocation.client.is_listed(cluster, cid)}
    except (PincrewError, KeyboardInterrupt):  # who is tired of waiting is still told what stays pinned
        return None


def _print(invocation: Invocation, cluster: str, done: Sequence[_OnNode]) -> None:
    output = invocation.output
    if output.is_json:
        output.lines(
            AddedPath(
                path=one.source.text, cid=one.cid, name=one.source.name, bytes=one.content_bytes, blocks=one.blocks
            )
            for one in done
        )
        return
    for one in done:
        output.data(f"{one.cid}  {figures.printable(one.source.name)}")
    size = figures.size(sum(one.content_bytes for one in done))
    output.say(f"{figures.plural(len(done), 'pin')} ({size}) added to {cluster}.")


@contextmanager
def _bar(invocation: Invocation, source: _Source, total: int | None) -> Iterator[Count]:
    """Show how much was sent while the block runs; give what counts."""
    if not invocation.output.is_live:
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    console = Console(stderr=True, no_color=not invocation.output.has_color)
    columns = (TextColumn("  {task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(figures.shorten(figures.printable(source.name), _NAME_WIDTH), total=total)
        yield lambda more: progress.advance(task, more)
