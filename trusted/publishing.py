"""Publishing: the config document that followers fetch, made from the cluster's state.

The document published last is `config.toml` in the cluster's folder; its revision, plus one, is the next. It is put
there before it is handed out: after a crash between the two a revision is skipped, never used twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pincrew import limits
from pincrew.addresses import with_peer
from pincrew.config_document import ConfigDocument, parse, render
from pincrew.errors import Misuse, PeerFault, StoreFault
from pincrew.files import read_file, write_file
from pincrew.identity import load_key, load_secret
from pincrew.keys import peer_id
from pincrew.paths import ClusterPaths
from pincrew.trust import TrustChain

_ADDRESSES_PER_PEER_MAX = 2


@dataclass(frozen=True)
class Published:
    """The file that was written; ``follow`` is the line to send out."""

    path: Path
    sha256: str
    revision: int
    follow: str
    document: ConfigDocument


def publish(
    paths: ClusterPaths,
    *,
    addresses: Sequence[str],
    now_s: int,
    others: Sequence[Sequence[str]] = (),
    chain: TrustChain | None = None,
    output: Path | None = None,
    url: str = "",
    name: str | None = None,
    description: str | None = None,
    pins_hint: int | None = None,
    bytes_hint: int | None = None,
    sized_hint: int | None = None,
    silent_after_days: int | None = None,
    is_secret_forced: bool = False,
) -> Published:
    """Write a new revision of the config document to ``output`` (default: only the cluster's own copy).

    ``addresses`` are this peer's; ``others`` those of each other peer that is listed, the most useful first.
    ``chain`` is the trust in force, where it is known to be ahead of the document. What is None stays as it was;
    ``silent_after_days`` of 0 takes the one that was said away.
    Raises NotAllowed when this peer is no curator.
    """
    last = published(paths)
    key = load_key(paths.identity)
    own = [with_peer(address, peer_id(key.public)) for address in addresses]
    raw = render(
        key,
        chain or last.trust,
        name=last.name if name is None else name,
        revision=last.revision + 1,
        issued=now_s,
        peers=_peers(own, others),
        description=last.description if description is None else description,
        pins_hint=last.pins_hint if pins_hint is None else pins_hint,
        bytes_hint=last.bytes_hint if bytes_hint is None else bytes_hint,
        sized_hint=last.sized_hint if sized_hint is None else sized_hint,
        silent_after_days=(last.silent_after_days if silent_after_days is None else silent_after_days) or None,
        secret=_secret(paths, last) if is_secret_forced else None,
        is_secret_forced=is_secret_forced,
    )
    document = parse(raw)
    write_file(paths.config, raw)
    if output is not None and output.absolute() != paths.config.absolute():
        write_file(output, raw, 0o644)
    path = (output or paths.config).absolute()
    return Published(path, document.sha256, document.revision, follow_line(document, url or str(path)), document)


def published(paths: ClusterPaths) -> ConfigDocument:
    """Return the document published last, revision 0 when there was none. Raises NotFound or StoreFault."""
    try:
        return parse(read_file(paths.config, limits.CONFIG_DOCUMENT_BYTES_MAX))
    except PeerFault as fault:
        raise StoreFault(
            f"The cluster's config document is damaged: {fault.what}",
            where=str(paths.config),
            next_step="Restore it from a backup or from where it is published",
        ) from fault


def follow_line(document: ConfigDocument, where: str) -> str:
    """Return the command that a volunteer types. It names the cluster, so that a wrong document is refused."""
    source = f"{where}#{document.cluster_id.hex()}"
    return f"pincrew follow '{source}'" if any(c in source for c in " '\"&;$()*?") else f"pincrew follow {source}"


def _peers(own: Sequence[str], others: Sequence[Sequence[str]]) -> list[str]:
    chosen = list(dict.fromkeys(own))
    for addresses in others[: limits.CONFIG_FOLLOWERS_PUBLISHED_MAX]:
        chosen += [address for address in addresses[:_ADDRESSES_PER_PEER_MAX] if address not in chosen]
    return chosen[: limits.CONFIG_PEERS_MAX]


def _secret(paths: ClusterPaths, last: ConfigDocument) -> bytes:
    if last.trust.genesis.is_open:
        raise Misuse("This cluster is open: it has no private network key to publish")
    return load_secret(paths.secret)
