"""From a cluster's folder to its peer: what is on disk and what the user set, put together. Blocks."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from pincrew.config_document import ConfigDocument
from pincrew.errors import NotFound
from pincrew.identity import load_key, load_secret
from pincrew.kubo_rpc import KuboRpc
from pincrew.limits import NEIGHBOURS_CURATOR_MAX, NEIGHBOURS_MAX
from pincrew.node_finding import authorization, find_node
from pincrew.ownership import Ownership
from pincrew.paths import ClusterPaths
from pincrew.peer import Peer, PeerOptions
from pincrew.removals import RemovalsRules
from pincrew.settings import ClusterSettings, Settings
from pincrew.store.database import Database


def assemble(
    paths: ClusterPaths,
    local: ClusterSettings,
    settings: Settings,
    document: ConfigDocument,
    ownership: Ownership,
    environment: Mapping[str, str],
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
        mdns=settings.mdns,
        neighbours_max=NEIGHBOURS_CURATOR_MAX if writes else NEIGHBOURS_MAX,
        pins_in_flight=settings.pins_in_flight,
        no_progress_timeout_s=settings.pin_no_progress,
        removals=RemovalsRules(settings.unpin_grace, settings.removals_hold, obey=local.obey or writes),
    )
    node = _node(local, settings, environment)
    return Peer(database, document.trust, key, node, ownership, options)


def _node(local: ClusterSettings, settings: Settings, environment: Mapping[str, str]) -> KuboRpc:
    wanted = local.ipfs or settings.ipfs
    find = partial(find_node, None if wanted == "auto" else wanted, environment)
    return KuboRpc(
        find(),
        authorization=authorization(environment.get("PINCREW_IPFS_AUTH")),
        find_again=find,
        no_progress_timeout_s=settings.pin_no_progress,
    )


def _secret(paths: ClusterPaths, document: ConfigDocument) -> bytes | None:
    if document.trust.genesis.is_open:
        return None
    try:
        return load_secret(paths.secret)
    except NotFound:
        return document.secret
