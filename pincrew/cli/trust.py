"""`trust`: who owns a cluster and who may write it, and changing that with an owner's key."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from pincrew import figures
from pincrew.api.shapes import TrustInfo
from pincrew.cli import selection
from pincrew.cli.answers import OwnerKey, TrustChanged
from pincrew.cli.invocation import ClusterOption, Invocation, command
from pincrew.cli.output import Output
from pincrew.cli.trust_signing import chain_of, change, owner_keys, owner_public, sign_base
from pincrew.cli.trust_signing import sign as sign_file
from pincrew.errors import DaemonNotRunning, Misuse, NotFound, PincrewError
from pincrew.files import private_folder
from pincrew.identity import create_key, load_key
from pincrew.keys import peer_id, public_of
from pincrew.paths import ClusterPaths
from pincrew.trust import TrustChain, TrustRecord
from pincrew.trust_change import undone, with_keeper, with_more, without
from pincrew.trust_view import kept_trust, trust_info
from pincrew.trusted.cutting import cut_of
from pincrew.values import Head, SessionId

_NOBODY = "none"
_NOW = "now"

OwnerKeyOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--owner-key", metavar="FILE", help="An owner's key; repeatable. Default: those of this cluster found here."
    ),
]
FileOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Where to write the record while it lacks signatures."),
]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Who owns a cluster and who may write it.")
    command(group, "ls")(show)
    command(group, "add")(add)
    command(group, "revoke")(revoke)
    command(group, "undo")(undo)
    command(group, "keeper")(keeper)
    command(group, "sign")(sign)
    command(group, "key")(key)
    app.add_typer(group, name="trust")


def show(invocation: Invocation, cluster: ClusterOption = None) -> None:
    """Show owners, curators, and who was one. Answers without the daemon too.

    Example: `pincrew trust ls`
    """
    paths = selection.cluster(invocation.home, cluster)
    try:
        found = invocation.client.trust(paths.name)
    except (DaemonNotRunning, NotFound):
        found = trust_info(paths, kept_trust(paths))
    if invocation.output.is_json:
        invocation.output.object(found)
    else:
        _print(invocation.output, found)


def add(
    invocation: Invocation,
    peers: Annotated[list[str] | None, typer.Argument(metavar="PEER_ID...", help="New curators.")] = None,
    cluster: ClusterOption = None,
    owner: Annotated[
        list[str] | None,
        typer.Option("--owner", metavar="PEER_ID|FILE", help="A new owner, by id or by the key's file; repeatable."),
    ] = None,
    threshold: Annotated[
        int | None, typer.Option("--threshold", metavar="K", min=1, help="So many owners must sign the next record.")
    ] = None,
    owner_key: OwnerKeyOption = None,
    output_file: FileOption = None,
) -> None:
    """Name curators or owners by the next trust record.

    Example: `pincrew trust add 12D3KooW...`
    """
    curators = [public_of(peer) for peer in peers or ()]
    owners = [owner_public(text) for text in owner or ()]
    if not curators and not owners and threshold is None:
        raise Misuse(
            "Nobody to add was named",
            next_step="Give the peer id of a follower (`pincrew peers`), or `--owner`, or `--threshold`",
        )

    def make(chain: TrustChain, _: ClusterPaths) -> TrustRecord:
        return with_more(chain, curators=curators, owners=owners, threshold=threshold)

    made = change(invocation, cluster, owner_key or (), output_file, make)
    _tell(invocation.output, made)
    if made.file is None and curators:
        invocation.output.say(
            "On the machine of each new curator: `pincrew follow SOURCE`, if it does not follow yet,"
            f" then `pincrew serve {made.cluster}`."
        )


def revoke(
    invocation: Invocation,
    peer: Annotated[str, typer.Argument(metavar="PEER_ID", help="The curator.")],
    cluster: ClusterOption = None,
    since: Annotated[
        str,
        typer.Option(
            metavar="NUMBER|now",
            help="From which envelope of each of its sessions on nothing counts; now: all that this peer has counts.",
        ),
    ] = _NOW,
    owner_key: OwnerKeyOption = None,
    output_file: FileOption = None,
) -> None:
    """Take the right to write from a curator, and say what it wrote still counts.

    Example: `pincrew trust revoke 12D3KooW...`
    """
    author = public_of(peer)
    before = None if since == _NOW else _number(since)

    def make(chain: TrustChain, paths: ClusterPaths) -> TrustRecord:
        heads = {
            SessionId(author, bytes.fromhex(line.nonce)): Head(line.number, bytes.fromhex(line.hash))
            for line in invocation.client.trust_sessions(paths.name, peer, before)
        }
        return without(chain, cut_of(author, heads))

    made = change(invocation, cluster, owner_key or (), output_file, make)
    if made.file is None:
        _settle(invocation, made.cluster, owner_key or ())
    _tell(invocation.output, made)
    if made.file is None:
        invocation.output.say("Taken back by `pincrew trust undo`.")


def _settle(invocation: Invocation, name: str, key_files: Sequence[Path]) -> None:
    """Make an owner's base where curators were cut off: those who had more of their writing would keep it else.

    The record is in force already, so what fails here can be had again by hand.
    """
    chain = chain_of(invocation, name)
    if not chain.head.cuts:
        return
    try:
        key = owner_keys(invocation.home, selection.cluster(invocation.home, name), chain, key_files)[0]
        sign_base(invocation, name, key)
    except PincrewError as error:
        raise PincrewError(
            error.what,
            where=error.where,
            means="The trust record is in force, but whoever had more of what was revoked keeps it for now",
            next_step=f"Make an owner's base: `pincrew state base -c {name} --owner-key FILE`",
        ) from error


def undo(
    invocation: Invocation,
    cluster: ClusterOption = None,
    owner_key: OwnerKeyOption = None,
    output_file: FileOption = None,
) -> None:
    """Take back the last change of owners and curators, by one more record.

    Example: `pincrew trust undo`
    """
    _tell(invocation.output, change(invocation, cluster, owner_key or (), output_file, lambda chain, _: undone(chain)))


def keeper(
    invocation: Invocation,
    peer: Annotated[str, typer.Argument(metavar="PEER_ID|none", help="A curator.")],
    cluster: ClusterOption = None,
    owner_key: OwnerKeyOption = None,
    output_file: FileOption = None,
) -> None:
    """Name the curator that makes bases.

    Example: `pincrew trust keeper 12D3KooW...`
    """
    chosen = None if peer == _NOBODY else public_of(peer)
    _tell(
        invocation.output,
        change(invocation, cluster, owner_key or (), output_file, lambda chain, _: with_keeper(chain, chosen)),
    )


def sign(
    invocation: Invocation,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A record that waits for signatures.")],
    owner_key: OwnerKeyOption = None,
) -> None:
    """Sign what another owner wants to change. With enough signatures it is put in force.

    Example: `pincrew trust sign proposal.txt --owner-key owner.key`
    """
    made = sign_file(invocation, file, owner_key or ())
    if made.is_in_force:
        _settle(invocation, made.changed.cluster, owner_key or ())
    _tell(invocation.output, made.changed)


def key(
    invocation: Invocation,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the key is, or will be.")],
) -> None:
    """Make an owner's key, or show the id of one that is there.

    Example: `pincrew trust key ~/safe/owner.key`
    """
    path = file.expanduser().absolute()
    is_new = not path.exists()
    if is_new:
        private_folder(path.parent)
    found = create_key(path) if is_new else load_key(path)
    output = invocation.output
    if output.is_json:
        output.object(OwnerKey(file=str(path), id=peer_id(found.public), made=is_new))
        return
    output.data(peer_id(found.public))
    if is_new:
        output.say(
            f"The key is in {path}. Keep it off machines that are online, and keep a second copy."
            "\nSend the line above to an owner: `pincrew trust add --owner ID` makes you one."
        )


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text[:16]) < 2**53):
        raise Misuse(f"{text!r} is neither the number of an envelope nor `now`", means="Nothing was changed")
    return int(text)


def _tell(output: Output, made: TrustChanged) -> None:
    if output.is_json:
        output.object(made)
        return
    if made.file is None:
        output.data(f"Trust record {made.record} of {made.cluster} is in force.")
    elif made.missing:
        owners = "1 more owner" if made.missing == 1 else f"{made.missing} more owners"
        output.data(f"Trust record {made.record} of {made.cluster} waits for {owners} to sign it.")
    else:
        output.data(f"Trust record {made.record} of {made.cluster} has all signatures and is not in force yet.")
    output.data("\n".join(f"  {line}" for line in made.changes))
    if made.file is not None and made.missing:
        output.say(f"Send {made.file} to another owner, who types `pincrew trust sign FILE --owner-key KEY`.")
    elif made.file is not None:
        output.say(f"Type `pincrew trust sign {made.file}` on a machine that is in the cluster.")
    else:
        output.say("Publish it for newcomers: `pincrew publish` (`serve --publish` does it by itself).")


def _print(output: Output, found: TrustInfo) -> None:
    output.data(f"{found.cluster}, trust record {found.record}")
    output.data(f"owners    {found.threshold} of {len(found.owners)} must sign a change")
    output.data("\n".join(f"          {owner}" for owner in found.owners))
    output.data(f"curators  {len(found.curators) or 'nobody may write'}")
    for one in found.curators:
        marks = ["keeper"] if one.peer_id == found.keeper else []
        marks += [] if one.connected is None else ["connected" if one.connected else "not connected"]
        name = figures.printable(one.name or "")
        output.data(f"          {' '.join(part for part in (one.peer_id, name, *_listed(marks)) if part)}")
    if found.former:
        output.data("former curators")
    for gone in found.former:
        counts = "all of its envelopes count" if gone.counts is None else f"{gone.counts} of its envelopes count"
        output.data(f"          {gone.peer_id} revoked by record {gone.record}, {counts}")
    if found.conflict is not None:
        output.data(f"CONFLICT  two different records {found.conflict.record} were signed: no further change is taken")
        for word, lines in (("in force", found.conflict.held), ("other", found.conflict.other)):
            output.data("\n".join(f"  {word:<10}{figures.printable(line)}" for line in lines))
        output.say("`pincrew doctor` says what to do.")
    if found.waiting is not None:
        missing = found.waiting.missing
        state = f"waits for {missing} more to sign it" if missing else "has all signatures and is not in force yet"
        output.data(f"waiting   record {found.waiting.record} {state}: {found.waiting.file}")
        output.data("\n".join(f"          {figures.printable(line)}" for line in found.waiting.changes))


def _listed(marks: list[str]) -> list[str]:
    return [f"({', '.join(marks)})"] if marks else []
