"""What this peer is in a cluster: a curator where its user wants that *and* the trust in force names it one.

The setting `role` is the user's will, the trust record the owners'. So nobody becomes a curator, whose peer obeys
removals at once, because an owner says so; and whoever was revoked is a follower from the next start on, without its
setting being touched: where the revocation is undone it is a curator again. Blocks; raises as ``kept_trust`` does.
"""

from __future__ import annotations

from dataclasses import replace

from pincrew.config_document import parse
from pincrew.errors import StoreFault
from pincrew.files import read_file
from pincrew.identity import load_key
from pincrew.limits import CONFIG_DOCUMENT_BYTES_MAX
from pincrew.paths import ClusterPaths
from pincrew.settings import Role
from pincrew.settings_files import load_cluster, save
from pincrew.trust_view import kept_trust


def role_here(paths: ClusterPaths) -> Role:
    """Return as what the cluster in ``paths`` runs."""
    if load_cluster(paths.settings).role is Role.CURATOR and _is_named(paths):
        return Role.CURATOR
    return Role.FOLLOWER


def appoint(paths: ClusterPaths) -> Role:
    """Set the role to curator where trust names this peer one, as its user asked; return as what it runs now."""
    local = load_cluster(paths.settings)
    if local.role is not Role.CURATOR and _is_named(paths):
        save(paths.settings, replace(local, role=Role.CURATOR))
    return role_here(paths)


def _is_named(paths: ClusterPaths) -> bool:
    key = load_key(paths.identity).public
    try:
        return kept_trust(paths).is_curator(key)
    except StoreFault:  # not made yet, or damaged: then whoever opens it to work with it says so
        return parse(read_file(paths.config, CONFIG_DOCUMENT_BYTES_MAX)).trust.is_curator(key)
