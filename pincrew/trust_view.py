"""Who owns and who curates, as it is shown: from the chain, and from what lies in a cluster's folder. Blocks."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from pincrew.api import shapes
from pincrew.config_document import parse
from pincrew.errors import PincrewError
from pincrew.files import read_file
from pincrew.keys import peer_id
from pincrew.limits import CONFIG_DOCUMENT_BYTES_MAX, TRUST_PROPOSAL_BYTES_MAX
from pincrew.paths import ClusterPaths
from pincrew.store.database import Database
from pincrew.store.trust_store import TrustStore
from pincrew.trust import TrustChain, TrustRecord, differences
from pincrew.trust_change import former_curators
from pincrew.trust_proposal import Proposal, parse_proposal


def kept_trust(paths: ClusterPaths) -> TrustChain:
    """Return the chain that is in force by what is on disk. Raises NotFound, StoreFault, or what is wrong with it."""
    chain = parse(read_file(paths.config, CONFIG_DOCUMENT_BYTES_MAX)).trust
    if not paths.state.exists():
        return chain
    with closing(Database(paths.state, read_only=True)) as database:
        return (TrustStore(database).chain() or chain).merge(chain.records)


def waiting_proposal(paths: ClusterPaths, chain: TrustChain) -> Proposal | None:
    """Return the record that waits for signatures here, as long as it could still follow ``chain``."""
    try:
        proposal = parse_proposal(read_file(paths.trust_waiting, TRUST_PROPOSAL_BYTES_MAX))
        chain.signatures_missing(proposal.record)
    except PincrewError:  # there is none, another record came in between, or it is damaged: the owners have their file
        return None
    return proposal


def trust_info(
    paths: ClusterPaths,
    chain: TrustChain,
    seen: Callable[[str], tuple[str | None, bool | None]] = lambda _: (None, None),
) -> shapes.TrustInfo:
    """Return what `trust ls` prints; ``seen`` gives a curator's name and whether it is connected."""
    head = chain.head
    return shapes.TrustInfo(
        cluster=paths.name,
        id=chain.cluster_id.hex(),
        record=head.n,
        owners=[peer_id(key) for key in sorted(head.owners)],
        threshold=head.threshold,
        curators=[shapes.TrustedPeer(peer_id(key), *seen(peer_id(key))) for key in sorted(head.curators)],
        keeper=peer_id(head.keeper) if head.keeper else None,
        former=[
            shapes.FormerCurator(
                peer_id(one.key),
                one.record,
                None if one.cut is None else sum(last.number for last in one.cut.sessions),
            )
            for one in former_curators(chain)
        ],
        conflict=_conflict(chain),
        waiting=_waiting(paths, chain),
    )


def _conflict(chain: TrustChain) -> shapes.TrustConflict | None:
    conflict = chain.conflict
    if conflict is None:
        return None

    def changes(record: TrustRecord) -> list[str]:
        before = TrustChain(chain.records[: conflict.n])
        return list(differences(before, TrustChain((*before.records, record))))

    return shapes.TrustConflict(conflict.n, changes(conflict.held), changes(conflict.rival))


def _waiting(paths: ClusterPaths, chain: TrustChain) -> shapes.WaitingRecord | None:
    proposal = waiting_proposal(paths, chain)
    if proposal is None:
        return None
    return shapes.WaitingRecord(
        record=proposal.record.n,
        file=str(paths.trust_waiting),
        signed=[peer_id(owner) for owner, _ in proposal.record.signatures],
        missing=proposal.missing,
        changes=list(proposal.changes),
    )
