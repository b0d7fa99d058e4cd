"""`demo`: the whole of pincrew on this machine, with real processes, nodes and files, and nothing left behind."""

from __future__ import annotations

import hashlib
import shlex
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from pincrew import figures
from pincrew.cli.answers import DemoFile
from pincrew.cli.demo_machines import LISTEN, Machine, write_files
from pincrew.cli.exit_codes import ExitCode
from pincrew.cli.invocation import Invocation, command
from pincrew.config_document import parse
from pincrew.errors import PincrewError, WorldFault
from pincrew.kubo_process import find_kubo
from pincrew.node_address import NodeKind

CLUSTER = "demo"
COMPLETE_TIMEOUT_S = 240.0
LISTED_TIMEOUT_S = 90.0
_POLL_S = 0.5
_NODES = {False: "an IPFS node of pincrew's own", True: "a Kubo of its own"}


@dataclass(frozen=True)
class Pinned:
    """A file or folder of the demo, and the CID under which it is pinned."""

    cid: str
    path: Path

    @property
    def parts(self) -> list[Path]:
        """The files in it, in the order of their paths."""
        if self.path.is_file():
            return [self.path]
        return sorted(path for path in self.path.rglob("*") if path.is_file())

    @property
    def bytes(self) -> int:
        """How large it is."""
        return sum(path.stat().st_size for path in self.parts)

    def sha256(self, of_file: Callable[[Path], str]) -> str:
        """Return the hash of a file, or for a folder the hash of its files' hashes. Empty when one is missing."""
        hashes = [of_file(path) for path in self.parts]
        if len(hashes) == 1 or "" in hashes:
            return hashes[0] if len(hashes) == 1 else ""
        return hashlib.sha256("".join(hashes).encode()).hexdigest()


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    command(app, "demo")(demo)


def demo(
    invocation: Invocation,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running and say how to look around.")] = False,
    ipfs: Annotated[NodeKind, typer.Option(help="The kind of IPFS nodes: pincrew's own, or Kubo.")] = NodeKind.EMBEDDED,
) -> int:
    """Watch it all on this machine, with real nodes and files.

    A curator and two followers, with a node each. Then the curator and its node go away, and a third follower gets
    everything from the other two. Takes half a minute, stays on loopback, touches no other cluster or node, and leaves
    nothing behind.

    Example: `pincrew demo --keep`
    """
    kubo = None
    if ipfs is NodeKind.KUBO:
        kubo = find_kubo(invocation.environment)
        if kubo is None:
            raise WorldFault(
                "There is no Kubo: no `ipfs` on PATH or in $PINCREW_KUBO_CACHE",
                next_step="Type `pincrew demo` without `--ipfs kubo`, or install it from"
                " https://docs.ipfs.tech/install/command-line/",
            )
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ended politely, it cleans up as after Ctrl-C
    folder = Path(tempfile.mkdtemp(prefix="pincrew-demo-"))
    machines: list[Machine] = []
    is_kept = False
    try:
        files = _play(invocation, kubo, folder, machines)
        is_kept = keep
    finally:
        if not is_kept:
            _clear(machines, folder)
    is_same = all(file.same for file in files)
    _report(invocation, files)
    if keep:
        _look_around(invocation, machines, folder)
    return ExitCode.DONE if is_same else ExitCode.FAILED


def _play(invocation: Invocation, kubo: Path | None, folder: Path, machines: list[Machine]) -> list[DemoFile]:
    """Do it all; return what was read back."""
    story = _Story(invocation)

    def machine(name: str) -> Machine:
        made = Machine(name, folder / name, kubo, invocation.environment)
        machines.append(made)
        return made

    curator, first, second = machine("curator"), machine("follower-1"), machine("follower-2")
    story.say(f"A curator and two followers, each with {_NODES[kubo is not None]}, in {folder}")
    if kubo is None:
        _at_once([each.prepare_node for each in machines])
    else:
        with story.step("Three IPFS nodes start"):
            _at_once([each.prepare_node for each in machines])
    pinned = _curate(story, curator, folder)
    document = folder / "demo.toml"
    follow = curator.run("publish", "-c", CLUSTER, "-o", str(document))["follow"]
    story.say(f"  A volunteer types: {follow}")
    source = follow.removeprefix("pincrew follow ")
    with story.step("Two followers join"):
        _at_once([lambda each=each: _join(each, source) for each in (first, second)])  # type: ignore[misc]
    story.watch("Both fetch what is on the list", [first, second])
    with story.step("The curator publishes again: the document now names the followers too"):
        _publish_listing(curator, document, 3)
    with story.step("The curator's daemon and its node stop"):
        curator.stop()
    third = machine("follower-3")
    with story.step("A third follower with an empty disk joins; only the other two are there"):
        third.prepare_node()
        _join(third, source)
    story.watch("It fetches the list and the files from them", [third])
    with story.step("Everything is read back through each follower's own node and compared"):
        return [_compare(pin, [first, second, third]) for pin in pinned]


def _curate(story: _Story, curator: Machine, folder: Path) -> list[Pinned]:
    """Create the cluster, add the files to the curator's node and pin them."""
    with story.step("The curator creates the cluster and starts"):
        curator.run("create", CLUSTER, "--listen", LISTEN, "--ipfs", curator.node_choice, "--description", "A demo")
        curator.start("serve", CLUSTER, is_ready=lambda: curator.client.ready(CLUSTER))
    with story.step("It adds two files and a folder to its node and to the list"):
        paths = write_files(folder / "files")
        added = curator.run_lines("add", "-c", CLUSTER, *map(str, paths))
        return [Pinned(one["cid"], path) for one, path in zip(added, paths, strict=True)]


def _join(machine: Machine, source: str) -> None:
    if machine.daemon is None:
        machine.start("daemon", "run", is_ready=machine.client.daemon)
    arguments = ("--yes", "--name", CLUSTER, "--listen", LISTEN, "--ipfs", machine.node_choice, "--limit", "none")
    machine.run("follow", *shlex.split(source), *arguments)


def _publish_listing(curator: Machine, document: Path, peers: int) -> None:
    """Publish until the document names so many peers: followers' announcements take a moment."""
    deadline = time.monotonic() + LISTED_TIMEOUT_S
    while True:
        curator.run("publish", "-c", CLUSTER, "-o", str(document))
        named = {address.rpartition("/p2p/")[2] for address in parse(document.read_bytes()).peers}
        if len(named) >= peers:
            return
        if time.monotonic() > deadline:
            raise WorldFault(f"The document names {len(named)} peers instead of {peers}", where=str(document))
        time.sleep(_POLL_S)


def _compare(pin: Pinned, followers: Sequence[Machine]) -> DemoFile:
    """Read a pin back through every follower's node."""
    expected = pin.sha256(lambda path: hashlib.sha256(path.read_bytes()).hexdigest())

    def path_within(path: Path) -> str:
        return pin.cid if path == pin.path else f"{pin.cid}/{path.relative_to(pin.path).as_posix()}"

    same = [
        each.name
        for each in followers
        if pin.sha256(lambda path, each=each: each.sha256(path_within(path))) == expected  # type: ignore[misc]
    ]
    return DemoFile(
        cid=pin.cid,
        name=pin.path.name,
        bytes=pin.bytes,
        sha256=expected,
        read_from=same,
        same=len(same) == len(followers),
    )


def _report(invocation: Invocation, files: Sequence[DemoFile]) -> None:
    output = invocation.output
    if output.is_json:
        output.lines(files)
        return
    output.data("")
    for file in files:
        sign = output.styled("✓ same bytes", "good") if file.same else output.styled("✗ NOT the same", "bad")
        output.data(f"{sign}  {output.styled(file.name, 'strong')}  {figures.size(file.bytes)}")
        output.data(f"    CID      {file.cid}")
        output.data(f"    SHA-256  {file.sha256}")
        output.data(f"    from     the nodes of {', '.join(file.read_from) or 'nobody'}")
    output.data("")
    if all(file.same for file in files):
        output.data("follower-3 never met the curator: it has the list, verified, and every byte from the other two.")
    else:
        output.data("Not everything came back as it was. Type `pincrew demo --keep` to look for the reason.")


def _look_around(invocation: Invocation, machines: Sequence[Machine], folder: Path) -> None:
    output = invocation.output
    output.say("\nEverything but the curator goes on running. Look around, for example:")
    for each in machines:
        if each.processes:
            output.say(f"  PINCREW_HOME={each.home.root} pincrew status")
            if each.kubo is not None:
                output.say(f"  IPFS_PATH={each.kubo.repository} {each.kubo.program} pin ls --type=recursive")
            else:
                output.say(f"  PINCREW_HOME={each.home.root} pincrew node status")
    ids = " ".join(str(pid) for each in machines for pid in each.processes)
    output.say(f"End it and clear up: kill {ids}; rm -r {folder}")


def _clear(machines: Sequence[Machine], folder: Path) -> None:
    """End every process, by its id, and remove the folder. An impatient second Ctrl-C does not interrupt this."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        _at_once([each.stop for each in machines])
    finally:
        signal.signal(signal.SIGINT, before)
        shutil.rmtree(folder, ignore_errors=True)


def _at_once(actions: Sequence[Callable[[], object]]) -> None:
    """Do things side by side; return when all are done. Raises what the first of them raised."""
    if not actions:
        return
    with ThreadPoolExecutor(len(actions)) as pool:
        done = [pool.submit(action) for action in actions]
    for each in done:
        each.result()


class _Story:
    """Tells what happens: rich's progress on a terminal, lines elsewhere."""

    def __init__(self, invocation: Invocation) -> None:
        self.output = invocation.output

    def say(self, text: str) -> None:
        """Say something."""
        self.output.say(text)

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Say what is being done, and that it was done."""
        begun = time.monotonic()
        with ExitStack() as stack:
            if self.output.is_live:
                from rich.console import Console

                console = Console(stderr=True, no_color=not self.output.has_color)
                stack.enter_context(console.status(text))
            yield
        self._done(text, time.monotonic() - begun)

    def watch(self, text: str, machines: Sequence[Machine]) -> None:
        """Show how far machines are until all are complete."""
        begun = time.monotonic()
        with ExitStack() as stack:
            shown = _bars(stack, machines, self.output.has_color) if self.output.is_live else None
            waiting = list(machines)
            while waiting:
                for each in list(waiting):
                    found = each.summary(CLUSTER)
                    if shown is not None and found is not None:
                        shown(each.name, found.pins.pinned, found.pins.total, found.state)
                    if found is not None and found.state == "complete" and found.pins.total > 0:
                        waiting.remove(each)
                if waiting and time.monotonic() - begun > COMPLETE_TIMEOUT_S:
                    raise _too_slow(waiting)
                if waiting:
                    time.sleep(_POLL_S)
        self._done(text, time.monotonic() - begun)

    def _done(self, text: str, seconds: float) -> None:
        self.output.say(f"{self.output.styled('✓', 'good')} {text} ({seconds:.1f} s)")


def _bars(stack: ExitStack, machines: Sequence[Machine], has_color: bool) -> Callable[[str, int, int, str], None]:
    """Draw a bar for each machine; return what moves them."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    progress = stack.enter_context(
        Progress(
            TextColumn("  {task.description:<12}"),
            BarColumn(),
            TextColumn("{task.completed:.0f} of {task.total:.0f} pins"),
            TextColumn("{task.fields[state]}"),
            console=Console(stderr=True, no_color=not has_color),
            transient=True,
        )
    )
    tasks = {each.name: progress.add_task(each.name, total=1, state="joining") for each in machines}

    def move(name: str, pinned: int, total: int, state: str) -> None:
        progress.update(tasks[name], completed=pinned, total=max(total, 1), state=state)

    return move


def _too_slow(machines: Sequence[Machine]) -> PincrewError:
    told = []
    for each in machines:
        found = each.summary(CLUSTER)
        if found is None:
            told.append(f"{each.name} does not answer")
        else:
            reasons = "; ".join(reason.text for reason in found.reasons)
            told.append(f"{each.name} is {found.state} with {found.pins.pinned} of {found.pins.total} pins {reasons}")
    return WorldFault(
        f"It is not complete after {COMPLETE_TIMEOUT_S:.0f} s: {', '.join(told)}",
        next_step="Type `pincrew doctor`; try again with `pincrew demo`",
    )
