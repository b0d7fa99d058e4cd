"""`doctor --repair`: mends one cluster's store, and says what it did.

Figures and shards of the base are the running daemon's to mend. What nothing mends is moved away, never deleted, while
no daemon runs: the next start has the list fetched from the other peers.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

from pincrew import figures
from pincrew.api.shapes import Check
from pincrew.cli.doctor_lines import failed, note, ok, wrong
from pincrew.cli.doctor_store import StoreLook
from pincrew.cli.invocation import Invocation
from pincrew.cli.prompts import agree
from pincrew.errors import Misuse, NotAllowed, PincrewError
from pincrew.home_lock import Lock
from pincrew.paths import ClusterPaths
from pincrew.settings import Role
from pincrew.settings_files import load_cluster
from pincrew.store.acquaintances import Acquaintance, Acquaintances
from pincrew.store.database import Database
from pincrew.store.trust_store import TrustStore
from pincrew.trust import TrustChain

_SIDE_FILES = ("-wal", "-shm")


def repair(
    invocation: Invocation, paths: ClusterPaths, look: StoreLook, *, is_daemon_running: bool, is_agreed: bool
) -> Check:
    """Mend what a look found, and return the line that says so."""
    if not (look.is_broken or look.shards or look.is_miscounted):
        return ok("repair", "there is nothing to repair", paths.name)
    try:
        if look.is_broken:
            return _begin_anew(invocation, paths, is_daemon_running=is_daemon_running, is_agreed=is_agreed)
        if not is_daemon_running:
            fix = "`pincrew daemon start`, then `pincrew doctor --repair` again"
            return wrong("repair", "the daemon mends this, and it is not running", fix, paths.name)
        return _mended(invocation, paths.name, sorted(look.shards))
    except PincrewError as error:
        return failed("repair", error, paths.name)


def _mended(invocation: Invocation, name: str, shards: Sequence[int]) -> Check:
    done = invocation.client.mend(name, shards)
    said = []
    if done.figures:
        said.append(f"counted anew: {', '.join(done.figures)}")
    if done.shards:
        peers = figures.plural(done.peers, "connected peer")
        said.append(f"{figures.plural(done.shards, 'shard')} of base {done.base} are fetched from {peers}")
    if not said:
        return ok("repair", "the daemon found nothing to mend any more", name)
    fix = "`pincrew state base --show` tells how far that is; then `pincrew doctor` again" if done.shards else None
    if done.shards and not done.peers:
        fix = "It waits for a peer to connect. " + str(fix)
    return note("repair", "; ".join(said), fix, name)


def _begin_anew(invocation: Invocation, paths: ClusterPaths, *, is_daemon_running: bool, is_agreed: bool) -> Check:
    """Move the state away, so that the next start fetches the list from other peers."""
    name = paths.name
    if is_daemon_running:
        fix = "`pincrew daemon stop`, then `pincrew doctor --repair`, then `pincrew daemon start`"
        return wrong("repair", "only fetching the list anew mends this, and the daemon has the state open", fix, name)
    chain, met = _readable(paths)
    is_ours = load_cluster(paths.settings).role is Role.CURATOR
    if is_ours and met == []:
        raise NotAllowed(
            "No other peer was ever connected: nobody has this list but this state",
            where=str(paths.state),
            means="Nothing was changed",
            next_step="Move it away yourself, and put the list back from a backup: `pincrew state import FILE`",
        )
    question = (
        f"The state of {name} is moved away, and the list is fetched anew from the other peers at the next start."
        " Pinned content stays; events and what is known of failures are lost."
    )
    if is_ours:
        question += " What was written here and reached no other peer yet is LOST."
    if not agree(invocation, f"{question} Go on?", is_agreed=is_agreed, default=False):
        return wrong("repair", "the state was left as it is", "`pincrew doctor --repair --yes` does it unasked", name)
    lock = Lock(invocation.home.daemon_lock)
    try:
        kept = _moved_away(paths)
        if chain is not None:
            with closing(Database(paths.state, cluster=chain.cluster_id)) as database:
                TrustStore(database).keep(chain)
                Acquaintances(database).remember(met or [])
    except OSError as error:
        raise Misuse(f"The state cannot be moved away: {error.strerror}", where=str(paths.state)) from error
    finally:
        lock.release()
    return note("repair", f"the state was moved to {kept}", "`pincrew daemon start` fetches the list anew", name)


def _readable(paths: ClusterPaths) -> tuple[TrustChain | None, list[Acquaintance] | None]:
    """Return what can still be read of trust and of the peers met, so that neither is forgotten."""
    chain, met = None, None
    with suppress(PincrewError), closing(Database(paths.state, read_only=True)) as database:
        with suppress(PincrewError):
            chain = TrustStore(database).chain()
        met = Acquaintances(database).all()
    return chain, met


def _moved_away(paths: ClusterPaths) -> Path:
    """Move the store's files; return where the first is now."""
    kept = paths.damaged_state(time.strftime("%Y%m%d-%H%M%S", time.gmtime()))
    for side in _SIDE_FILES:
        with suppress(FileNotFoundError):
            paths.state.with_name(paths.state.name + side).rename(kept.with_name(kept.name + side))
    paths.state.rename(kept)
    paths.staged.unlink(missing_ok=True)
    return kept
