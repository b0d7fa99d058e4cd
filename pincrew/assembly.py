"""From a cluster's folder to its peer: what is on disk and what the user set, put together. Blocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from pincrew.config_document import ConfigDocument
from pincrew.errors import NotFound
from pincrew.identity import load_key, load_secret
from pincrew.limits import NEIGHBOURS_CURATOR_MAX, NEIGHBOURS_MAX
from pincrew.nodes import Nodes
from pincrew.ownership import Ownership
from pincrew.paths import ClusterPaths
from pincrew.pause import Pause, pause_of
from pincrew.peer import Peer, PeerOptions
from pincrew.removals import RemovalsRules
from pincrew.settings import ClusterSettings, Settings, tags_of
from pincrew.settings_files import load_cluster, save
from pincrew.store.database import Database
from pincrew.store.staging import StagedFile


def assemble(
    paths: ClusterPaths,
    local: ClusterSettings,
    settings: Settings,
    document: ConfigDocument,
    ownership: Ownership,
    nodes: Nodes,
    *,
    writes: bool,
) -> Peer:
    """Open the state in ``paths`` and return the peer that lives there; ``writes``: it is a curator's.

    Raises StoreFault, NewerStore or Misuse in words.
    """
    key = load_key(paths.identity)
    database = Database(paths.state, cluster=document.cluster_id)
    options = PeerOptions(
        name=paths.name,
        peer_name=local.peer_name,
        listen=local.listen,
        announce=local.announce,
        addresses=document.peers,
        secret=_secret(paths, document),
        listed=not local.unlisted,
        tags=tags_of(local.tags),
        mdns=settings.mdns,
        neighbours_max=NEIGHBOURS_CURATOR_MAX if writes else NEIGHBOURS_MAX,
        pins_in_flight=settings.pins_in_flight,
        no_progress_timeout_s=settings.pin_no_progress,
        node_kind=nodes.kind(local.ipfs),
        removals=RemovalsRules(settings.unpin_grace, settings.removals_hold, obey=local.obey),
        limit=None if writes else local.limit,
        keep_free_percent=0 if writes else local.keep_free,
        pause=pause_of(local.paused),
        writes=writes,
        staged=StagedFile(paths.staged),
    )
    return Peer(
        database,
        document.trust,
        key,
        nodes.client(local.ipfs),
        ownership,
        options,
        old_nodes=[nodes.client(wanted) for wanted in local.ipfs_before],
        forget_old_nodes=_forgetting(paths, local.ipfs_before),
        keep_pause=partial(keep_pause, paths),
    )


def keep_pause(paths: ClusterPaths, pause: Pause | None) -> None:
    """Write a cluster's pause into its settings; None: it has none. Raises PincrewError."""
    save(paths.settings, replace(load_cluster(paths.settings), paused="" if pause is None else pause.text))


def _forgetting(paths: ClusterPaths, before: tuple[str, ...]) -> Callable[[], None]:
    """Return what notes that nothing is left on the nodes of ``before``."""

    def forget() -> None:
        local = load_cluster(paths.settings)
        kept = tuple(one for one in local.ipfs_before if one not in before)
        save(paths.settings, replace(local, ipfs_before=kept))

    return forget


def _secret(paths: ClusterPaths, document: ConfigDocument) -> bytes | None:
    if document.trust.genesis.is_open:
        return None
    try:
        return load_secret(paths.secret)
    except NotFound:
        return document.secret
