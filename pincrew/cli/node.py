"""`node`: pincrew's own IPFS node on this machine, and which node a cluster uses."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

import typer

from pincrew import figures
from pincrew.cli import selection
from pincrew.cli.answers import Collected, NodeStatus
from pincrew.cli.exit_codes import ExitCode
from pincrew.cli.invocation import ClusterOption, Invocation, command
from pincrew.errors import NodeDown, NodeRefused
from pincrew.node_address import NodeKind
from pincrew.node_calls import NodeCalls
from pincrew.node_choice import checked_choice
from pincrew.node_finding import address_of
from pincrew.settings_files import load_settings

_NO_LIMIT_FROM = 2**63


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="pincrew's own IPFS node.")
    command(group, "run")(run)
    command(group, "status")(status)
    command(group, "gc")(collect)
    command(group, "switch")(switch)
    app.add_typer(group, name="node")


def run(
    invocation: Invocation,
    rpc: Annotated[str, typer.Option(metavar="HOST:PORT", help="Offer the RPC there too, on this machine alone.")] = "",
    attached: Annotated[bool, typer.Option("--attached", hidden=True)] = False,
) -> int:
    """Run pincrew's own IPFS node in the foreground. Ends on SIGINT or SIGTERM.

    The daemon does this by itself where a cluster needs it. Prints one line `ready node peer=... rpc=...` when it
    answers.

    Example: `pincrew node run --rpc 127.0.0.1:5001`
    """
    from pincrew.node.process import run_node  # libp2p and trio come with it

    settings = load_settings(invocation.home.settings, invocation.environment)
    run_node(invocation.home, invocation.environment, log_level=settings.log_level, rpc=rpc or None, attached=attached)
    return ExitCode.DONE


def status(invocation: Invocation) -> int:
    """Say whether pincrew's own IPFS node runs, and how it is. Exit code 3 when it does not.

    Example: `pincrew node status`
    """
    found = _status(invocation)
    output = invocation.output
    if output.is_json:
        output.object(found)
        return ExitCode.DONE if found.running else ExitCode.NO_DAEMON
    if not found.running:
        output.data("pincrew's own IPFS node is not running.")
        output.say("The daemon starts it where a cluster uses it (`pincrew node switch embedded`).")
        return ExitCode.NO_DAEMON
    limit = f" of {figures.size(found.limit)}" if found.limit is not None else ""
    blocks = figures.plural(found.blocks or 0, "block")
    rows = [
        ("runs", f"version {found.version}"),
        ("peer id", found.peer_id or ""),
        ("store", f"{figures.size(found.size or 0)}{limit}, {blocks}"),
        ("connected to", figures.plural(found.connections or 0, "node")),
        ("received", f"{figures.size(found.received or 0)}, {figures.size(int(found.receiving or 0))}/s now"),
        ("sent", f"{figures.size(found.sent or 0)}, {figures.size(int(found.sending or 0))}/s now"),
        ("gateway", found.gateway or "none"),
        ("RPC", found.rpc),
        *(("listens on" if not index else "", each) for index, each in enumerate(found.addresses)),
    ]
    for word, text in rows:
        output.data(f"{word:<14}{figures.printable(text)}")
    return ExitCode.DONE


def collect(invocation: Invocation) -> int:
    """Remove blocks that no pin needs. Prints how many went, and how much room that gave.

    The node does this by itself a while after something was unpinned.

    Example: `pincrew node gc`
    """
    node = _node(invocation)
    before = node.object("repo/stat")
    removed = sum("Key" in line for line in node.lines("repo/gc"))
    after = node.object("repo/stat")
    freed = max(0, int(before["RepoSize"]) - int(after["RepoSize"]))
    if invocation.output.is_json:
        invocation.output.object(Collected(blocks=removed, bytes=freed, size=int(after["RepoSize"])))
    else:
        text = f"{figures.plural(removed, 'block')} removed, {figures.size(freed)} freed"
        invocation.output.data(f"{text}; the store has {figures.size(int(after['RepoSize']))} now.")
    return ExitCode.DONE


def switch(
    invocation: Invocation,
    node: Annotated[
        str,
        typer.Argument(metavar="embedded|kubo|ADDR", help="pincrew's own node, the Kubo here, or an RPC's address."),
    ],
    cluster: ClusterOption = None,
    keep_old: Annotated[bool, typer.Option("--keep-old", help="Leave everything pinned on the node before.")] = False,
) -> None:
    """Move a cluster to another IPFS node.

    The new one pins everything, also out of the old one while both run; then the old one lets go of what this cluster
    alone had pinned there. Until then nothing is unpinned, and interrupted it goes on by itself. Needs the daemon.

    Example: `pincrew node switch kubo -c books`
    """
    wanted = checked_choice(node)
    name = selection.cluster(invocation.home, cluster).name
    switched = invocation.client.switch_node(name, wanted, keep_old=keep_old)
    output = invocation.output
    if output.is_json:
        output.object(switched)
    elif switched.was_there:
        output.data(f"{name} is on {switched.node} already.")
    else:
        output.data(f"{name} moves from {switched.before} to {switched.node}.")
        after = "keeps its pins" if keep_old else "lets go of its pins once all is there"
        output.say(f"`pincrew status` tells how far it is. The node before {after}.")


def _node(invocation: Invocation) -> NodeCalls:
    return NodeCalls(address_of(NodeKind.EMBEDDED, invocation.home, invocation.environment))


def _status(invocation: Invocation) -> NodeStatus:
    node = _node(invocation)
    try:
        identity, version = node.object("id"), node.object("version")
    except NodeDown:
        return NodeStatus(
            running=False,
            rpc=str(node.address),
            version=None,
            peer_id=None,
            addresses=[],
            store=None,
            size=None,
            limit=None,
            blocks=None,
            connections=None,
            received=None,
            sent=None,
            receiving=None,
            sending=None,
            gateway=None,
        )
    room, band = node.object("repo/stat"), node.object("stats/bw")
    gateway = None
    with suppress(NodeRefused, KeyError):
        gateway = str(node.object("config/show")["Addresses"]["Gateway"]) or None
    limit = int(room["StorageMax"])
    return NodeStatus(
        running=True,
        rpc=str(node.address),
        version=str(version["Version"]),
        peer_id=str(identity["ID"]),
        addresses=[str(each) for each in identity.get("Addresses") or ()],
        store=str(room["RepoPath"]),
        size=int(room["RepoSize"]),
        limit=limit if limit < _NO_LIMIT_FROM else None,
        blocks=int(room["NumObjects"]),
        connections=len(node.object("swarm/peers").get("Peers") or ()),
        received=int(band["TotalIn"]),
        sent=int(band["TotalOut"]),
        receiving=int(band["RateIn"]),
        sending=int(band["RateOut"]),
        gateway=gateway,
    )
