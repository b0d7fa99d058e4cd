"""Asking the source again: what is fetched is judged, and only then kept. A source that is down is a state.

The caller gives the trust chain in force and takes the one in the answer: it may have become longer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pincrew.follow.copies import (
    Note,
    document_in_force,
    drop_pending,
    keep_in_force,
    keep_note,
    keep_pending,
    pending_document,
    read_note,
)
from pincrew.follow.fetching import NotModified, fetch
from pincrew.follow.joining import parse_from
from pincrew.follow.source import Source

from pincrew import limits
from pincrew.config_document import ConfigDocument
from pincrew.errors import NotFound, PeerFault, SourceUnreachable
from pincrew.paths import ClusterPaths
from pincrew.quantities import age_text
from pincrew.trust import TrustChain
from pincrew.verdict import (
    NeedsConsent,
    NotCovered,
    Older,
    OtherCluster,
    Same,
    TrustForked,
    Update,
    Verdict,
    judge,
)


@dataclass(frozen=True)
class Refreshed:
    """The document in force after asking. ``code`` is a reason of `status` (cli.md), empty when all is well.

    ``verdict`` is None when nothing could be fetched or read; ``text`` says in a sentence what ``code`` says.
    """

    document: ConfigDocument
    chain: TrustChain
    verdict: Verdict | None
    code: str = ""
    text: str = ""


async def refresh(
    paths: ClusterPaths,
    source: Source,
    chain: TrustChain,
    *,
    gateway: str,
    now_ms: int,
    timeout_s: float = limits.SOURCE_TIMEOUT_S,
) -> Refreshed:
    """Ask the source once and keep what may be kept. Raises StoreFault only."""
    document = document_in_force(paths)
    note = read_note(paths, document)
    try:
        fetched = await fetch(source, gateway=gateway, etag=note.etag, timeout_s=timeout_s)
        if isinstance(fetched, NotModified):
            keep_note(paths, document, replace(note, confirmed_ms=now_ms))
            return Refreshed(document, chain, Same(chain))
        verdict = judge(document, chain, parse_from(source, fetched.raw))
    except (SourceUnreachable, PeerFault) as fault:
        age = age_text(max(0, now_ms - note.confirmed_ms) / 1000)
        copy = f"The copy from {age} ago is used." if note.confirmed_ms else "The copy on disk is used."
        code = "source_unreachable" if isinstance(fault, SourceUnreachable) else "config_from_cache"
        return Refreshed(document, chain, None, code, f"{fault.sentence} {copy}")
    return _kept(paths, document, verdict, replace(note, confirmed_ms=now_ms), fetched.etag)


def accept_pending(paths: ClusterPaths, *, now_ms: int) -> ConfigDocument:
    """Put the document in force that waited for consent. Its trust records count as far as ``judge`` took them.

    Raises NotFound when none waits.
    """
    document = pending_document(paths)
    if document is None:
        raise NotFound("No config document waits for your word", next_step="See `pincrew source show`")
    keep_in_force(paths, document, Note(now_ms))
    drop_pending(paths)
    return document


def reject_pending(paths: ClusterPaths) -> None:
    """Forget the document that waits for consent; the same one is not asked about again. Raises NotFound."""
    waiting = pending_document(paths)
    if waiting is None:
        raise NotFound("No config document waits for your word", next_step="See `pincrew source show`")
    document = document_in_force(paths)
    keep_note(paths, document, replace(read_note(paths, document), rejected=waiting.sha256))
    drop_pending(paths)


def _kept(paths: ClusterPaths, document: ConfigDocument, verdict: Verdict, note: Note, etag: str) -> Refreshed:
    """Write to disk what the verdict says, and say what remains to be said."""
    match verdict:
        case Update(chain, new):
            keep_in_force(paths, new, replace(note, etag=etag))
            drop_pending(paths)
            return Refreshed(new, chain, verdict)
        case Same(chain):
            keep_note(paths, document, replace(note, etag=etag))
            return Refreshed(document, chain, verdict)
        case Older(chain, revision, in_force):
            text = f"The source serves revision {revision}; revision {in_force} is in force and stays."
            return Refreshed(document, chain, verdict, "config_changed", text)
        case NeedsConsent(chain, new):
            return _asked(paths, document, verdict, note, new, "it changes what you agreed to")
        case NotCovered(chain, reason, new):
            if new is not None:
                return _asked(paths, document, verdict, note, new, reason)
            text = f"The source serves a document that the trust records do not cover: {reason}. It is ignored."
            return Refreshed(document, chain, verdict, "config_changed", text)
        case OtherCluster(chain, other):
            text = (
                f"The source now serves another cluster ({other.hex()}): somebody else may have its address. The"
                " document in force stays, and nothing of yours follows the other one. Ask the curators for the"
                " address; to join the other cluster too, follow it under its own name."
            )
            return Refreshed(document, chain, verdict, "config_changed", text)
        case TrustForked(chain, conflict):
            text = (
                f"The owners signed two different trust records {conflict.n}. The one seen first stays in force,"
                " and no further change of owners or curators is taken. Ask the owners which one they mean."
            )
            return Refreshed(document, chain, verdict, "trust_conflict", text)


def _asked(
    paths: ClusterPaths, document: ConfigDocument, verdict: Verdict, note: Note, new: ConfigDocument, why: str
) -> Refreshed:
    if note.rejected == new.sha256:
        return Refreshed(document, verdict.chain, verdict)
    keep_pending(paths, new)
    text = f"A new config document waits for your word: {why}. Type `pincrew source diff`."
    return Refreshed(document, verdict.chain, verdict, "config_changed", text)
