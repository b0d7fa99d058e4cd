"""What `doctor` says of a cluster's trust: a conflict, a record that waits, and a cluster that hangs on one key."""

from __future__ import annotations

from collections.abc import Iterator

from pincrew.api.shapes import Check
from pincrew.paths import ClusterPaths
from pincrew.settings import ClusterSettings, Role
from pincrew.trust_view import kept_trust, waiting_proposal


def trust_checks(paths: ClusterPaths, settings: ClusterSettings) -> Iterator[Check]:
    """Yield the lines of one cluster, from what is on disk. Raises what makes it unreadable."""
    name, chain = paths.name, kept_trust(paths)
    if chain.conflict is not None:
        text = f"owners signed two different trust records {chain.conflict.n}: no change of curators is taken any more"
        fix = (
            "`pincrew trust ls` shows both. Ask the owners which one they mean, and whether a key was stolen. Pins stay"
            " and curators go on; to change curators again, a new cluster is needed: `pincrew create`"
        )
        yield Check(name, "trust", "FAIL", text, fix)
        return
    waiting = waiting_proposal(paths, chain)
    if waiting is not None:
        text = f"trust record {waiting.record.n} waits: {waiting.missing} more owners must sign it"
        yield Check(name, "trust", "note", text, f"Have them sign: `pincrew trust sign {paths.trust_waiting}`")
    is_ours = settings.role is Role.CURATOR or paths.owner.exists()
    if is_ours and len(chain.owners) == 1 and len(chain.curators) < 2:
        text = "one owner and one curator: where either key is lost, nobody can go on"
        fix = (
            "Name a second curator with `pincrew trust add PEER_ID`,"
            " or a second owner with `pincrew trust add --owner ID`"
        )
        yield Check(name, "trust", "note", text, fix)
    else:
        counts = f"owners: {len(chain.owners)}, curators: {len(chain.curators)}"
        yield Check(name, "trust", "ok", f"record {chain.head.n}, signatures checked; {counts}", None)
