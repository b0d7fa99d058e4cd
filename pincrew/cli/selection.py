"""Which cluster a command means: the one that was named, or the only one that fits. Read from disk, so the same rule
holds with and without a daemon."""

from __future__ import annotations

import difflib

from pincrew.errors import Misuse, NotAllowed, NotFound, PincrewError
from pincrew.paths import ClusterPaths, Home
from pincrew.settings import Role
from pincrew.settings_files import load_cluster


def cluster(home: Home, name: str | None) -> ClusterPaths:
    """Return the cluster that is meant, whatever its role."""
    return _chosen(home, name, home.joined())


def curated(home: Home, name: str | None) -> ClusterPaths:
    """Return the cluster that is meant and that this machine may write. Raises NotAllowed for one that it follows."""
    joined = home.joined()
    if name is None and joined:
        writable = [paths for paths in joined if role_of(paths) is Role.CURATOR]
        if not writable:
            raise _follower_only(joined[0].name if len(joined) == 1 else "these clusters")
        return _chosen(home, None, writable)
    paths = _chosen(home, name, joined)
    if role_of(paths) is not Role.CURATOR:
        raise _follower_only(paths.name)
    return paths


def followed(home: Home, name: str | None) -> ClusterPaths:
    """Return the followed cluster that is meant."""
    joined = home.joined()
    if name is None:
        followed_here = [paths for paths in joined if role_of(paths) is Role.FOLLOWER]
        return _chosen(home, None, followed_here or joined)
    return _chosen(home, name, joined)


def role_of(paths: ClusterPaths) -> Role | None:
    """Return what this machine is in a cluster; None where its settings cannot be read."""
    try:
        return load_cluster(paths.settings).role
    except PincrewError:  # it is listed as what it is when it is asked for by name; here it must not hide the others
        return None


def _chosen(home: Home, name: str | None, fitting: list[ClusterPaths]) -> ClusterPaths:
    names = [paths.name for paths in fitting]
    if name is not None:
        if name in names:
            return home.cluster(name)
        nearest = difflib.get_close_matches(name, names, 1)
        here = f"There are: {', '.join(names)}" if names else "See `pincrew follow --help`"
        raise NotFound(
            f"There is no cluster {name!r} here",
            where=str(home.root),
            next_step=f"Did you mean `-c {nearest[0]}`?" if nearest else here,
        )
    if not fitting:
        raise NotFound(
            "No cluster is followed or curated here",
            where=str(home.root),
            next_step="Join one with `pincrew follow SOURCE`, or make one with `pincrew create NAME`",
        )
    if len(fitting) > 1:
        raise Misuse(
            f"Several clusters fit: {', '.join(names)}",
            means="Nothing was done",
            next_step=f"Name one: `-c {names[0]}`",
        )
    return fitting[0]


def _follower_only(name: str) -> NotAllowed:
    return NotAllowed(
        f"This machine follows {name} and may not write there",
        means="Nothing was changed",
        next_step="Only a curator's machine can; see `pincrew peers` for who they are",
    )
