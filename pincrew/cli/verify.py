"""`verify`: pins are re-read from the node's disk and compared with their hashes; what is bad is fetched again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from pincrew import figures
from pincrew.api.shapes import Verified
from pincrew.cid import cid_text, parse_cid
from pincrew.cli import selection
from pincrew.cli.exit_codes import ExitCode
from pincrew.cli.invocation import ClusterOption, Invocation, command
from pincrew.cli.output import Output
from pincrew.errors import Misuse

_SIGNS = {"sound": ("✓", "good"), "repaired": ("✓", "warn"), "damaged": ("✗", "bad"), "absent": ("○", "warn")}


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    command(app, "verify")(verify)


def verify(
    invocation: Invocation,
    cids: Annotated[list[str] | None, typer.Argument(metavar="CID", help="Verify these.")] = None,
    cluster: ClusterOption = None,
    sample: Annotated[bool, typer.Option("--sample", help="Verify 1 % of what is pinned, at least 20 pins.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Verify all that is pinned.")] = False,
) -> int:
    """Re-read pins from the node's disk, and fetch again what is damaged.

    Each block is compared with its hash by pincrew itself. The daemon does this unasked with 1 % of the pins a week;
    `pins` tells when each was found sound. Needs the daemon. Exit code 1 when something is damaged still, or not here.

    Example: `pincrew verify --sample`
    """
    if [bool(cids), sample, everything].count(True) != 1:
        raise Misuse("What to verify was not said", next_step="Name CIDs, or give one of `--sample` and `--all`")
    wanted = list(dict.fromkeys(cid_text(parse_cid(text)) for text in cids or []))
    which = "sample" if sample else "all" if everything else None
    name = selection.cluster(invocation.home, cluster).name
    tally = _Tally()
    lines = tally.counted(invocation.client.verify(name, wanted, which))
    output = invocation.output
    if output.is_json:
        output.lines(lines)
    else:
        for line in lines:
            _print(output, line)
        output.say(tally.sentence())
    return ExitCode.FAILED if tally.results.get("damaged") or tally.results.get("absent") else ExitCode.DONE


class _Tally:
    """Counts what passes by."""

    def __init__(self) -> None:
        self.results: dict[str, int] = {}
        self.bytes = 0

    def counted(self, lines: Iterator[Verified]) -> Iterator[Verified]:
        for line in lines:
            self.results[line.result] = self.results.get(line.result, 0) + 1
            self.bytes += line.bytes
            yield line

    def sentence(self) -> str:
        if not self.results:
            return "Nothing is pinned here."
        parts = ", ".join(f"{figures.count(number)} {result}" for result, number in sorted(self.results.items()))
        read = f"{figures.plural(sum(self.results.values()), 'pin')} looked at, {figures.size(self.bytes)} read"
        return f"{read}: {parts}."


def _print(output: Output, line: Verified) -> None:
    sign, tone = _SIGNS.get(line.result, (" ", "warn"))
    name = figures.printable(line.name or line.cid)
    if output.is_terminal:
        name = figures.shorten(name, output.width - 23)
    output.data(f"{output.styled(f'{sign} {line.result:<9}', tone)} {figures.size(line.bytes):>9}  {name}")
    if line.damaged or line.missing:
        bad = [f"{figures.plural(line.damaged, 'block')} damaged"] if line.damaged else []
        bad += [f"{figures.plural(line.missing, 'block')} missing"] if line.missing else []
        what = ", ".join(bad)
        output.data(f"             {what}{': fetched again' if line.result == 'repaired' else ''}")
    if line.text:
        output.data(f"             {figures.printable(line.text)}")
