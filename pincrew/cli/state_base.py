"""`state base`: makes the next base by hand, or shows where this peer stands with its bases."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pincrew import figures
from pincrew.api.shapes import BaseInfo
from pincrew.cli import selection
from pincrew.cli.invocation import ClusterOption, Invocation
from pincrew.cli.output import Output
from pincrew.cli.trust_signing import chain_of, owner_keys, sign_base


def base(
    invocation: Invocation,
    cluster: ClusterOption = None,
    owner_key: Annotated[
        Path | None,
        typer.Option("--owner-key", metavar="FILE", help="Sign as an owner; without it the keeper's daemon signs."),
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Only say what there is.")] = False,
) -> None:
    """Make a base: what the list is now, signed, so that newcomers need no log from before it.

    The keeper does this by itself when the log has outgrown the list. An owner's base settles what a keeper's cannot:
    after a fork, or when a curator was revoked. Needs the daemon.

    Example: `pincrew state base --show`
    """
    paths = selection.cluster(invocation.home, cluster)
    if show:
        found = invocation.client.base(paths.name)
    elif owner_key is None:
        found = invocation.client.make_base(paths.name)
    else:
        key = owner_keys(invocation.home, paths, chain_of(invocation, paths.name), [owner_key])[0]
        found = sign_base(invocation, paths.name, key)
    if invocation.output.is_json:
        invocation.output.object(found)
    else:
        _print(invocation.output, found)


def _print(output: Output, found: BaseInfo) -> None:
    log = figures.size(found.log_bytes)
    if not found.n:
        output.data(f"{found.cluster} has no base yet; its log is {log}")
    else:
        pins = figures.plural(found.pins, "pin")
        output.data(f"{found.cluster}: base {found.n}, {pins} in {figures.size(found.bytes)}, and {log} of log since")
    if found.candidate is not None:
        stages = {
            "manifest": "its hashes are being fetched",
            "cut": "waiting for the log up to it",
            "check": "being recomputed from the log",
            "rows": f"{figures.count(found.candidate.have)} of {figures.plural(found.candidate.pins, 'pin')} fetched",
            "ready": "coming into force",
        }
        output.data(f"base {found.candidate.n}: {stages[found.candidate.stage]}")
    output.data(f"keeper: {found.keeper or 'nobody'}")
