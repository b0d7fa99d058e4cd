"""What to do with a config document that was fetched again: the decision, and nothing but the decision.

Trust moves by trust records, never by documents: whatever a document says, the records in it count only as far as they
continue the chain that is in force. A document counts if one of the owners or curators *of the resulting chain* signed
it; then its name, text, addresses and hints are taken without a word. What changes what a follower joined (the
consensus, the private network key) waits for its user. Everything else leaves the old document in force and is named.
"""

from __future__ import annotations

from dataclasses import dataclass

from pincrew.config_document import ConfigDocument
from pincrew.errors import Conflict, Forged, Malformed
from pincrew.keys import peer_id
from pincrew.trust import TrustChain, TrustConflict, differences


@dataclass(frozen=True)
class Same:
    """Nothing new. ``chain`` is the trust in force from now on; every verdict has it."""

    chain: TrustChain


@dataclass(frozen=True)
class Update:
    """Harmless news, covered by the trust in force: ``document`` replaces the old one."""

    chain: TrustChain
    document: ConfigDocument
    changes: tuple[str, ...]


@dataclass(frozen=True)
class NeedsConsent:
    """``document`` is genuine but changes what the user agreed to: it waits, the old one stays in force."""

    chain: TrustChain
    document: ConfigDocument
    changes: tuple[str, ...]


@dataclass(frozen=True)
class Older:
    """A lower revision than the one in force, or another of the same one: ignored, but for its trust records."""

    chain: TrustChain
    revision: int
    in_force: int


@dataclass(frozen=True)
class OtherCluster:
    """The source now serves another cluster."""

    chain: TrustChain
    cluster_id: bytes


@dataclass(frozen=True)
class NotCovered:
    """Well signed, but not by anybody whom the trust in force names, or with records that do not continue it.

    In the first case the user may still take ``document`` (never its trust); in the second it is None.
    """

    chain: TrustChain
    reason: str
    document: ConfigDocument | None = None


@dataclass(frozen=True)
class TrustForked:
    """Owners signed two different records of one number. Trust changes stop; the document in force stays."""

    chain: TrustChain
    conflict: TrustConflict


Verdict = Same | Update | NeedsConsent | Older | OtherCluster | NotCovered | TrustForked


def judge(document: ConfigDocument, chain: TrustChain, fetched: ConfigDocument) -> Verdict:
    """Decide about ``fetched``, given the document and the trust chain in force.

    The chain may be ahead of the document: peers bring trust records too.
    """
    if fetched.cluster_id != chain.cluster_id:
        return OtherCluster(chain, fetched.cluster_id)
    try:
        merged = chain.merge(fetched.trust.records)
    except (Forged, Malformed, Conflict) as error:
        return NotCovered(chain, error.what)
    if merged.conflict and merged.conflict.rival in fetched.trust.records:
        return TrustForked(merged, merged.conflict)
    if fetched.raw == document.raw:
        return Same(merged)
    if fetched.signer not in merged.owners | merged.curators:
        reason = f"it is signed by {peer_id(fetched.signer)}, who is no owner or curator any more"
        return NotCovered(merged, reason, fetched)
    if fetched.revision <= document.revision:
        return Older(merged, fetched.revision, document.revision)
    grave = _grave_changes(document, fetched)
    changes = (*document_changes(document, fetched), *differences(chain, merged))
    return NeedsConsent(merged, fetched, changes) if grave else Update(merged, fetched, changes)


def document_changes(old: ConfigDocument, new: ConfigDocument) -> tuple[str, ...]:
    """Say in lines for a person what a document changes against another, the gravest first."""
    return (*_grave_changes(old, new), *_changes(old, new))


def _grave_changes(old: ConfigDocument, new: ConfigDocument) -> tuple[str, ...]:
    """Say what is different of that which a user agreed to when joining."""
    lines = []
    if old.consensus != new.consensus:
        lines.append(f"consensus: {old.consensus} before, {new.consensus} now")
    if old.secret != new.secret:
        lines.append("the private network key inside the document is another one")
    return tuple(lines)


def _changes(old: ConfigDocument, new: ConfigDocument) -> tuple[str, ...]:
    """Say what is different of that which a curator may change at any time."""
    lines = [f"revision: {old.revision} before, {new.revision} now"]
    for field in ("name", "description", "pins_hint", "bytes_hint", "sized_hint", "silent_after_days"):
        had, has = getattr(old, field), getattr(new, field)
        if had != has:
            lines.append(f"{field}: {had!r} before, {has!r} now")
    lines += [f"address added: {peer}" for peer in new.peers if peer not in old.peers]
    lines += [f"address removed: {peer}" for peer in old.peers if peer not in new.peers]
    return tuple(lines)
