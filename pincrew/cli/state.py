"""`state`: the list as a file, out of the store and into it, and the two compared (docs/state-files.md)."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import chain
from pathlib import Path
from typing import IO, Annotated

import msgspec
import typer

from pincrew import figures
from pincrew.api.shapes import PinRequest
from pincrew.cid import cid_text
from pincrew.cli import prompts, selection, state_progress, stored
from pincrew.cli.answers import StateExported, StateImported, StateVerified
from pincrew.cli.exit_codes import ExitCode
from pincrew.cli.invocation import ClusterOption, Invocation, command
from pincrew.cli.output import Output
from pincrew.cli.pin_input import Batch, PinOptions, listed, read_lines
from pincrew.cli.state_base import base
from pincrew.cli.state_comparison import of_file, of_store
from pincrew.cli.state_lines import encode_line, expressed
from pincrew.errors import DaemonLost, Misuse, NotFound, WorldFault
from pincrew.files import written_file
from pincrew.paths import ClusterPaths
from pincrew.store.comparison import Comparison, Kind
from pincrew.store.snapshot import Snapshot

_STREAM = "-"
_NAMED_MAX = 10
_NAMED_IN_TEXT_MAX = 3
_SKIPPED_SHOWN_MAX = 20
_DIFFERENCES = {
    Kind.ONLY_FILE: "only in the file",
    Kind.ONLY_STORE: "only here",
    Kind.DIFFERENT: "different",
}


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The list as a file: back up, restore, move.")
    command(group, "export")(export)
    command(group, "import")(import_)
    command(group, "verify")(verify)
    command(group, "base")(base)
    app.add_typer(group, name="state")


def export(
    invocation: Invocation,
    cluster: ClusterOption = None,
    output_file: Annotated[str, typer.Option("--output", "-o", metavar="FILE|-", help="Where to; - is stdout.")] = "-",
) -> None:
    """Write the list down, a JSON object per pin, as ipfs-cluster does.

    It is the list of one moment, with and without a daemon: a backup while it runs. FILE is there whole or not at all.

    Example: `pincrew state export -o books.jsonl`
    """
    paths = selection.cluster(invocation.home, cluster)
    output = invocation.output
    target = None if output_file == _STREAM else _target(output_file)
    lost: Counter[str] = Counter()
    lossy = size = 0

    def write(snapshot: Snapshot, file: IO[bytes], progress: state_progress.Progress) -> None:
        nonlocal lossy, size
        encoder = msgspec.json.Encoder()
        for cid, record in progress.over(snapshot.records()):
            pin, missing = expressed(cid, record)
            if missing:
                lossy += 1
                lost.update(missing)
            size += file.write(encode_line(pin, encoder))

    is_drawn = target is not None or not output.is_terminal
    with (
        stored.list_at_once(paths) as snapshot,
        state_progress.shown(output, paths.name, snapshot.count, is_drawn=is_drawn) as progress,
    ):
        if target is None:
            stdout = output.out.buffer
            write(snapshot, stdout, progress)
            stdout.flush()
        else:
            with written_file(target) as file:
                write(snapshot, file, progress)
        count = snapshot.count
    if target is not None:
        if output.is_json:
            output.object(StateExported(paths.name, str(target), count, size, lossy, dict(lost.most_common())))
        output.say(f"{figures.plural(count, 'pin')} of {paths.name} ({figures.size(size)}) written to {target}.")
    if lossy and (target is None or not output.is_json):
        fields = ", ".join(f"{figures.printable(name)} ({figures.count(pins)})" for name, pins in lost.most_common())
        Output().say(  # on stderr also with --json, where the lines themselves are what was asked for
            f"{figures.plural(lossy, 'pin')} could not be written whole; left out: {fields}."
            " See docs/state-files.md. The list itself has them still."
        )


def import_(
    invocation: Invocation,
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="A state file; - and nothing: stdin.")] = "-",
    cluster: ClusterOption = None,
    replace: Annotated[bool, typer.Option("--replace", help="Also remove what the file does not name.")] = False,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out lines that are no pins.")] = False,
    replication_min: Annotated[
        int | None, typer.Option("--replication-min", metavar="N", help="Instead of the file's; -1: everywhere.")
    ] = None,
    replication_max: Annotated[
        int | None, typer.Option("--replication-max", metavar="N", help="Instead of the file's; -1: everywhere.")
    ] = None,
    allocations: Annotated[str, typer.Option(metavar="ID,...", help="Instead of the file's: who keeps it.")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> int:
    """Put the pins of a state file on the list: one of `state export`, or of ipfs-cluster's.

    What is there with the same record is left alone: again, and there is nothing to do. The whole file is checked
    first: at a bad line nothing is written. Needs the daemon.

    Example: `pincrew state import books.jsonl`
    """
    paths = selection.curated(invocation.home, cluster)
    options = PinOptions(
        replication_min=replication_min,
        replication_max=replication_max,
        allocations=listed(allocations),
        is_state=True,
    )
    output = invocation.output
    invocation.client.ready(paths.name)  # no daemon: told before a long file is read
    with Batch() as batch, closing(Comparison()) as comparison:
        with _opened(file, output) as lines, state_progress.shown(output, "reading", None) as progress:
            requests = read_lines(lines, options, batch.skipped.append if skip_bad else None)
            comparison.read_file(of_file(progress.over(_spooled(requests, batch))))
        _read_store(comparison, paths, output)
        answer = _planned(comparison, paths.name, batch, is_replacing=replace)
        for line in batch.skipped[:_SKIPPED_SHOWN_MAX]:
            output.say(f"left out {line}")
        if replace:
            _check_replacing(batch, answer)
            if answer.removed and not _agree_to_remove(invocation, answer, is_agreed=yes):
                output.say("Nothing was changed.")
                return ExitCode.FAILED
        _write(invocation, comparison, batch, answer)
    if output.is_json:
        output.object(answer)
    else:
        output.say(_imported_text(answer))
    return ExitCode.DONE


def verify(
    invocation: Invocation,
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="A state file.")],
    cluster: ClusterOption = None,
) -> int:
    """Compare a state file with the list. Exit code 1 when they differ.

    When a pin was put on the list makes no difference. Answers from the store, with and without a daemon.

    Example: `pincrew state verify books.jsonl`
    """
    paths = selection.cluster(invocation.home, cluster)
    output = invocation.output
    with closing(Comparison()) as comparison:
        with _opened(file, output) as lines, state_progress.shown(output, "reading", None) as progress:
            try:
                comparison.read_file(of_file(progress.over(read_lines(lines, PinOptions(is_state=True)))))
            except Misuse as error:
                raise Misuse(error.what, where=file, means="Nothing was compared") from error
        _read_store(comparison, paths, output)
        counts = {kind: comparison.count(kind) for kind in Kind}
        first = {kind.value: [cid_text(cid) for cid in comparison.cids(kind, _NAMED_MAX)] for kind in _DIFFERENCES}
    if output.is_json:
        output.object(
            StateVerified(
                paths.name,
                file,
                counts[Kind.EQUAL],
                counts[Kind.ONLY_FILE],
                counts[Kind.ONLY_STORE],
                counts[Kind.DIFFERENT],
                first,
            )
        )
    else:
        output.data(f"{figures.plural(counts[Kind.EQUAL], 'pin')} equal")
        for kind, words in _DIFFERENCES.items():
            named = first[kind.value][:_NAMED_IN_TEXT_MAX]
            more = " ..." if counts[kind] > len(named) else ""
            output.data(f"{figures.plural(counts[kind], 'pin')} {words}{': ' if named else ''}{', '.join(named)}{more}")
    return ExitCode.FAILED if any(counts[kind] for kind in _DIFFERENCES) else ExitCode.DONE


def _target(text: str) -> Path:
    """Return where a file is to be: behind a link if it is one. Raises Misuse for what cannot be replaced."""
    path = Path(text).resolve()
    if path.exists() and not path.is_file():
        raise Misuse("That is no file", where=text, means="Nothing was written", next_step="`-o -` writes to stdout")
    return path


@contextmanager
def _opened(text: str, output: Output) -> Iterator[IO[bytes]]:
    """Give the lines of a file, or of stdin. Raises NotFound or WorldFault."""
    if text == _STREAM:
        if sys.stdin.isatty():
            output.say("Reading pins from standard input; Ctrl-D ends it.")
        yield sys.stdin.buffer
        return
    try:
        file = Path(text).open("rb")  # noqa: SIM115 - closed below
    except FileNotFoundError as error:
        raise NotFound("There is no such file", where=text, means="Nothing was changed") from error
    except OSError as error:
        raise WorldFault(f"Cannot read it: {error.strerror}", where=text, means="Nothing was changed") from error
    with file:
        yield file


def _spooled(requests: Iterable[PinRequest], batch: Batch) -> Iterator[PinRequest]:
    """Yield requests and keep them."""
    for request in requests:
        batch.add(request)
        yield request


def _read_store(comparison: Comparison, paths: ClusterPaths, output: Output) -> None:
    with (
        stored.list_at_once(paths) as snapshot,
        state_progress.shown(output, "comparing", snapshot.count) as progress,
    ):
        comparison.read_store(of_store(progress.over(snapshot.records())))


def _planned(comparison: Comparison, cluster: str, batch: Batch, *, is_replacing: bool) -> StateImported:
    """Return what would be done."""
    return StateImported(
        cluster=cluster,
        added=comparison.count(Kind.ONLY_FILE, is_expired=False),
        changed=comparison.count(Kind.DIFFERENT, is_expired=False),
        unchanged=comparison.count(Kind.EQUAL),
        removed=comparison.count(Kind.ONLY_STORE) if is_replacing else 0,
        expired=sum(comparison.count(kind, is_expired=True) for kind in (Kind.ONLY_FILE, Kind.DIFFERENT)),
        skipped=len(batch.skipped),
    )


def _check_replacing(batch: Batch, planned: StateImported) -> None:
    """Refuse to take a damaged file for the whole list. Raises Misuse."""
    if batch.skipped:
        raise Misuse(
            f"{figures.plural(len(batch.skipped), 'line')} could not be read, and what they name would be removed",
            means="Nothing was changed",
            next_step="Correct them, or import without `--replace`",
        )
    if not batch.count and planned.removed:
        raise Misuse(
            f"The file names no pin at all: all {figures.plural(planned.removed, 'pin')} would be removed",
            means="Nothing was changed",
            next_step="Is it the right file? `pincrew pin rm` takes pins off the list",
        )


def _agree_to_remove(invocation: Invocation, planned: StateImported, *, is_agreed: bool) -> bool:
    removed = figures.plural(planned.removed, "pin")
    words = f"{removed} of {planned.cluster} that the file does not name would be removed"
    try:
        prompts.require_terminal(invocation, is_agreed=is_agreed)
    except Misuse as error:
        raise Misuse(words, means=error.means, next_step=error.next_step) from error
    if not is_agreed:
        invocation.output.say(
            f"{words}; {figures.count(planned.added)} would be added and {figures.count(planned.changed)} changed."
        )
    return prompts.agree(invocation, f"Remove {removed}?", is_agreed=is_agreed, default=False)


def _write(invocation: Invocation, comparison: Comparison, batch: Batch, planned: StateImported) -> None:
    total = planned.added + planned.changed + planned.removed
    if not total:
        return
    requests: Iterator[PinRequest] = _chosen(batch, comparison.to_write())
    if planned.removed:
        gone = (PinRequest(cid=cid_text(cid), remove=True, only=True) for cid in comparison.cids(Kind.ONLY_STORE))
        requests = chain(requests, gone)
    with state_progress.shown(invocation.output, "writing", total) as progress:
        try:
            invocation.client.write_pins(planned.cluster, progress.over(requests))
        except DaemonLost as error:
            raise DaemonLost(
                error.what,
                where=error.where,
                means="What was sent so far may be on the list",
                next_step="Type the same again: what is there is left alone",
            ) from error


def _chosen(batch: Batch, positions: Iterator[int]) -> Iterator[PinRequest]:
    """Yield the pins at these positions, which ascend from 1."""
    wanted = next(positions, None)
    for position, request in enumerate(batch.requests(), 1):
        if wanted is None:
            return
        if position == wanted:
            yield request
            wanted = next(positions, None)


def _imported_text(done: StateImported) -> str:
    left_out = [
        f"{figures.plural(done.skipped, 'line')} left out" if done.skipped else "",
        f"{figures.plural(done.expired, 'pin')} left out because their time is over" if done.expired else "",
    ]
    notes = "".join(f"; {note}" for note in left_out if note)
    if not (done.added or done.changed or done.removed):
        return f"Nothing to do: {done.cluster} has {figures.plural(done.unchanged, 'pin')} of the file already{notes}."
    parts = [f"{figures.plural(done.added, 'pin')} added"]
    parts += [f"{figures.count(done.changed)} changed"] if done.changed else []
    parts += [f"{figures.count(done.removed)} removed"] if done.removed else []
    parts += [f"{figures.count(done.unchanged)} left as they were"] if done.unchanged else []
    return f"{done.cluster}: {', '.join(parts)}{notes}."
