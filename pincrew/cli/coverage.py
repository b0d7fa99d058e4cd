"""`coverage`: how many copies there may be of what a cluster lists, the worst first."""

from __future__ import annotations

from typing import Annotated

import typer

from pincrew import figures
from pincrew.api.shapes import Coverage, CoveragePin
from pincrew.cli import selection
from pincrew.cli.invocation import ClusterOption, Invocation, command
from pincrew.limits import COVERAGE_SHOWN_DEFAULT, COVERAGE_SHOWN_MAX

_BAR_COLUMNS = 30


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    command(app, "coverage")(coverage)


def coverage(
    invocation: Invocation,
    cluster: ClusterOption = None,
    limit: Annotated[
        int,
        typer.Option(
            "--limit", metavar="N", min=0, max=COVERAGE_SHOWN_MAX, help="Show so many pins with the fewest copies."
        ),
    ] = COVERAGE_SHOWN_DEFAULT,
) -> None:
    """Estimate how many copies of each pin the crew keeps, and show the pins with the fewest.

    Each peer announces which part of the list it keeps and how much of that it has; copies are counted from that. It is
    an estimate, and nothing is ever dropped because of it. At a curator, a few peers are asked about a few pins, too.
    Needs the daemon. Example: `pincrew coverage -c books --limit 50`.
    """
    name = selection.cluster(invocation.home, cluster).name
    found = invocation.client.coverage(name, limit)
    if invocation.output.is_json:
        invocation.output.object(found)
    else:
        _print(invocation, found)


def _print(invocation: Invocation, found: Coverage) -> None:
    output, basis = invocation.output, found.basis
    if not basis.looked_at:
        if basis.named_pins:
            named = figures.plural(basis.named_pins, "pin")
            output.data(f"{found.cluster}: nothing to estimate: peers are named for each of the {named}.")
            output.say("How far they are, pin by pin: `pincrew ctl status`, or `pincrew pin status CID`.")
        else:
            output.data(f"{found.cluster}: nothing is listed yet.")
        return
    output.data(f"{found.cluster}: about {found.mean:.1f} copies of a pin, estimated from what peers announce.")
    output.data("")
    last = len(found.bars) - 1
    for at, bar in enumerate(found.bars):
        label = f"{bar.copies}{' or more' if at == last else ''}"
        columns = -(-bar.pins * _BAR_COLUMNS // basis.looked_at)
        share = figures.share(bar.pins, basis.looked_at)
        output.data(f"  {label:>9}  {'#' * columns:<{_BAR_COLUMNS}}  {share:>6}  {figures.plural(bar.pins, 'pin')}")
    output.data("")
    for line in _basis(found):
        output.data(f"  {line}", is_prose=True)
    _print_worst(invocation, found.worst)
    if found.spot_checks is not None:
        for check in found.spot_checks:
            who = figures.printable(check.name) or check.peer
            output.data(f"  asked {who}: has {check.pinned} of {check.asked} that it should have")
    output.say(
        "It is an estimate: nobody drops anything because of it. Exactly, for one pin: `pincrew pin status CID`."
    )


def _basis(found: Coverage) -> list[str]:
    basis = found.basis
    peers = figures.plural(basis.peers, "peer")
    lines = [
        f"Counted: {peers} heard of within {basis.silent_days_max:.0f} days,"
        f" {basis.peers_with_a_part} of which keep a part, {basis.peers_vouched} of which curators vouch for."
    ]
    if basis.looked_at < basis.pins - basis.named_pins:
        lines.append(
            f"A sample of {figures.count(basis.looked_at)} of {figures.plural(basis.pins, 'pin')}:"
            f" each share is right within {basis.error * 100:.1f} percent points, 19 times of 20."
        )
    if basis.named_pins:
        lines.append(f"Left out: {figures.plural(basis.named_pins, 'pin')} whose keepers are named.")
    if found.part is not None:
        lines.append(f"This peer keeps {found.part * 100:.1f} % of the list as its part.")
    if found.rescue is not None:
        rescue = found.rescue
        full = "; it is full, and more was asked for" if rescue.is_full else ""
        lines.append(
            f"For others it rescued {figures.plural(rescue.pins, 'pin')},"
            f" {figures.size(rescue.bytes)} of {figures.size(rescue.room)}{full}."
        )
    return lines


def _print_worst(invocation: Invocation, worst: list[CoveragePin]) -> None:
    if not worst:
        return
    output = invocation.output
    output.data("")
    output.data("  copies  vouched       size  pin")
    for pin in worst:
        name = figures.printable(pin.name)
        figure = f"  {pin.copies:>4.1f}±{pin.error:.1f}  {pin.vouched:>5.1f}  {figures.size(pin.size):>9}  "
        # As in `pins`: a narrow terminal has no room for both.
        which = f"{pin.cid}  {name}"
        if not output.has_room_for_cids:
            which = figures.shorten(name or pin.cid, output.width - len(figure))
        output.data((figure + which).rstrip())
