"""From a change to a record in force: made of the chain in force, signed in this process, handed to the daemon.

An owner's key is read here and goes nowhere else. Where the keys at hand are too few the record is written to a file,
which travels from owner to owner; a copy stays in the cluster's folder, so that `trust ls` shows what waits.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from pincrew import base_form
from pincrew.api.shapes import BaseInfo
from pincrew.cli import selection
from pincrew.cli.answers import TrustChanged
from pincrew.cli.invocation import Invocation
from pincrew.errors import DaemonNotRunning, Misuse, NotAllowed, NotFound
from pincrew.figures import printable
from pincrew.files import read_file, write_file
from pincrew.identity import load_key
from pincrew.keys import SigningKey, peer_id, public_of
from pincrew.limits import TRUST_PROPOSAL_BYTES_MAX
from pincrew.paths import ClusterPaths, Home
from pincrew.settings_files import find_cluster
from pincrew.trust import TrustChain, TrustRecord
from pincrew.trust_proposal import Proposal, parse_proposal, propose, render_proposal


def change(
    invocation: Invocation,
    cluster: str | None,
    key_files: Sequence[Path],
    output_file: Path | None,
    make: Callable[[TrustChain, ClusterPaths], TrustRecord],
) -> TrustChanged:
    """Let ``make`` say the next record, sign it with the keys at hand, and put it in force or write it to a file.

    Raises DaemonNotRunning before anything is done, and whatever is wrong with the change or the keys.
    """
    paths = selection.cluster(invocation.home, cluster)
    chain = chain_of(invocation, paths.name)
    record = make(chain, paths)
    keys = owner_keys(invocation.home, paths, chain, key_files)
    proposal = propose(paths.name, chain, record.signed(*keys))
    if proposal.missing == 0:
        return _put_in_force(invocation, paths, proposal)
    file = (output_file or Path(f"{paths.name}-trust-{record.n}.toml")).absolute()
    write_file(file, render_proposal(proposal), 0o644)
    write_file(paths.trust_waiting, render_proposal(proposal))
    return _changed(proposal, file)


class Signed(NamedTuple):
    """What became of a file: whether its record is in force now, and what it changes."""

    changed: TrustChanged
    is_in_force: bool


def sign(invocation: Invocation, file: Path, key_files: Sequence[Path]) -> Signed:
    """Add signatures to the record in a file; once they are enough, put it in force where its cluster is here.

    On a machine that is in no such cluster the file is all that changes, and a key must be named.
    """
    proposal = parse_proposal(read_file(file, TRUST_PROPOSAL_BYTES_MAX))
    paths = find_cluster(invocation.home, proposal.chain.cluster_id)
    if proposal.missing or key_files:
        keys = owner_keys(invocation.home, paths, proposal.chain, key_files)
        proposal = propose(proposal.name, proposal.chain, proposal.record.signed(*keys))
        write_file(file, render_proposal(proposal), 0o644)
        if paths is not None:
            write_file(paths.trust_waiting, render_proposal(proposal))
    if proposal.missing or paths is None:
        return Signed(_changed(proposal, file.absolute()), is_in_force=False)
    try:
        return Signed(_put_in_force(invocation, paths, proposal), is_in_force=True)
    except DaemonNotRunning as error:
        raise DaemonNotRunning(
            error.what,
            where=paths.name,
            means="The file has all signatures; the record is not in force yet",
            next_step=f"Type `pincrew daemon start`, then `pincrew trust sign {file}`",
        ) from error


def chain_of(invocation: Invocation, name: str) -> TrustChain:
    """Return the chain that is in force at the daemon."""
    try:
        return TrustChain.from_encoded([base64.b64decode(text) for text in invocation.client.trust_records(name)])
    except DaemonNotRunning as error:
        raise DaemonNotRunning(
            error.what,
            where=name,
            means="Nothing was changed; `pincrew trust ls` answers without it",
            next_step="Start it: `pincrew daemon start`",
        ) from error


def _put_in_force(invocation: Invocation, paths: ClusterPaths, proposal: Proposal) -> TrustChanged:
    invocation.client.put_in_force(paths.name, base64.b64encode(proposal.record.encode()).decode())
    paths.trust_waiting.unlink(missing_ok=True)
    return _changed(proposal, None)


def _changed(proposal: Proposal, file: Path | None) -> TrustChanged:
    return TrustChanged(
        cluster=proposal.name,
        record=proposal.record.n,
        changes=[printable(line) for line in proposal.changes],
        missing=proposal.missing,
        file=str(file) if file else None,
    )


def owner_keys(
    home: Home, paths: ClusterPaths | None, chain: TrustChain, key_files: Sequence[Path]
) -> list[SigningKey]:
    """Return the keys to sign with: those that were named, else every owner's key of this cluster found here."""
    named = [(file, load_key(file.expanduser())) for file in key_files]
    for file, key in named:
        if key.public not in chain.owners:
            raise NotAllowed(
                f"That is the key of {peer_id(key.public)}, who is no owner of the cluster",
                where=str(file),
                means="Nothing was changed",
                next_step="`pincrew trust ls` names the owners",
            )
    if named:
        return [key for _, key in named]
    kept = sorted(home.owner_keys.glob("*.key"))
    places = [paths.owner, *kept] if paths is not None and paths.owner.exists() else kept
    found = [key for key in map(load_key, places) if key.public in chain.owners]
    if not found:
        raise NotFound(
            "No key of an owner is on this machine",
            means="Only owners can change who owns and who curates",
            next_step="Name the key where you keep it: `--owner-key FILE`",
        )
    return found


def sign_base(invocation: Invocation, name: str, key: SigningKey) -> BaseInfo:
    """Let the daemon say what the next base is, sign that as an owner, and put it in force."""
    header = base64.b64decode(invocation.client.base_header(name))
    return invocation.client.make_base(name, base64.b64encode(base_form.seal(header, key)).decode())


def owner_public(text: str) -> bytes:
    """Return the public key of an owner to be: a peer id, 64 hex digits, or the file of a key. Raises Misuse."""
    if len(text) == 64 and all(digit in "0123456789abcdefABCDEF" for digit in text):
        return bytes.fromhex(text)
    try:
        return public_of(text)
    except Misuse as error:
        file = Path(text).expanduser()
        if not file.exists():
            raise Misuse(
                f"{text!r} is neither a peer id nor the file of a key",
                means="Nothing was changed",
                next_step="A peer id starts with `12D3Koo`; `pincrew trust key FILE` makes a key and prints its id",
            ) from error
        return load_key(file).public
