"""From a source to a cluster folder: first an offer that a person can look at, then the joining itself.

``prepare`` fetches and checks and changes nothing. ``accept`` makes the folder in an order that a crash may interrupt
anywhere: identity, config document, key of a closed cluster, and last `cluster.toml`, which makes it count. A folder
without that is completed by the next ``accept``. Neither asks anybody anything nor needs a daemon.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pincrew.follow.copies import Note, keep_in_force
from pincrew.follow.fetching import Fetched, fetch
from pincrew.follow.go_template import refuse
from pincrew.follow.source import Kind, Source, parse_source

from pincrew import limits
from pincrew.addresses import announce_addresses, listen_addresses
from pincrew.config_document import CONSENSUS, ConfigDocument, parse
from pincrew.errors import Conflict, Forged, Malformed, Misuse, PeerFault
from pincrew.files import private_folder, write_file
from pincrew.identity import load_or_create_key, load_secret, render_secret
from pincrew.keys import peer_id
from pincrew.limit_settings import with_limits
from pincrew.node_address import NodeKind
from pincrew.paths import ClusterPaths, Home, cluster_name
from pincrew.settings import ClusterSettings, PartMode, Role
from pincrew.settings_files import find_cluster, load_cluster, save

_NAMES_TRIED_MAX = 1_000


@dataclass(frozen=True)
class JoinOffer:
    """What a source offers, for its reader to take or leave."""

    source: Source
    document: ConfigDocument = field(repr=False)
    etag: str
    fetched_ms: int
    name: str
    joined_as: str | None

    @property
    def cluster_id(self) -> bytes:
        """The id of the cluster."""
        return self.document.cluster_id

    @property
    def curators(self) -> tuple[str, ...]:
        """The peer ids of those who may write the pinset."""
        return tuple(peer_id(key) for key in sorted(self.document.trust.curators))

    @property
    def is_closed(self) -> bool:
        """Whether a private network key is needed."""
        return not self.document.trust.genesis.is_open

    @property
    def is_first_fetch_trusted(self) -> bool:
        """Whether nothing but this fetch says that this is the cluster that was meant."""
        return self.source.cluster_id is None

    def warnings(self) -> tuple[str, ...]:
        """Return what a person should know before accepting, worst first."""
        lines = []
        if self.is_first_fetch_trusted:
            how = " over plain http, which anybody on the way can change," if self._is_plain else ""
            lines.append(
                f"The source was given without a cluster id: this first fetch{how} is trusted."
                " Compare the id above with what the curator says."
            )
        if self.document.secret is not None:
            lines.append("The private network key is inside the document: everybody has it, it hides nothing.")
        return tuple(lines)

    @property
    def _is_plain(self) -> bool:
        return self.source.kind is Kind.HTTP and self.source.where.startswith("http:")


@dataclass(frozen=True)
class JoinOptions:
    """What a volunteer chooses when joining. Empty: the default."""

    name: str = ""
    ipfs: str = ""
    secret_file: Path | None = None
    obey: bool = False
    unlisted: bool = False
    peer_name: str = ""
    listen: tuple[str, ...] = ()
    announce: tuple[str, ...] = ()
    limit: str | None = None
    keep_free: int | None = None
    part: PartMode = PartMode.AUTO


@dataclass(frozen=True)
class Joined:
    """The cluster's folder, and whether it had been joined before."""

    paths: ClusterPaths
    cluster_id: bytes
    peer_id: str
    was_joined: bool


async def prepare(
    text: str,
    home: Home,
    *,
    folder: Path,
    gateway: str,
    now_ms: int,
    timeout_s: float = limits.SOURCE_TIMEOUT_S,
) -> JoinOffer:
    """Fetch what ``text`` names and say what joining it would mean. Relative paths start at ``folder``."""
    source = parse_source(text, folder)
    fetched = await fetch(source, gateway=gateway, timeout_s=timeout_s)
    assert isinstance(fetched, Fetched), "no etag was sent"
    return offer(source, fetched, home, now_ms)


def offer(source: Source, fetched: Fetched, home: Home, now_ms: int) -> JoinOffer:
    """Check what was fetched from ``source``. Raises Malformed or Forged with the source named, Misuse."""
    refuse(fetched.raw, source.where)
    document = parse_from(source, fetched.raw)
    if source.cluster_id not in (None, document.cluster_id):
        raise Forged(
            f"The source serves the cluster {document.cluster_id.hex()}, which is not the one you named",
            where=source.where,
            means="Nothing was joined",
            next_step="Ask the curator which id is right",
        )
    if document.consensus != CONSENSUS:
        raise Misuse(
            f"The cluster needs {document.consensus!r}, which this pincrew does not have",
            where=source.where,
            next_step="Upgrade pincrew",
        )
    existing = find_cluster(home, document.cluster_id)
    name = cluster_name(document.name, f"cluster-{document.cluster_id.hex()[:8]}")
    return JoinOffer(source, document, fetched.etag, now_ms, name, existing.name if existing else None)


def accept(offer: JoinOffer, home: Home, options: JoinOptions | None = None) -> Joined:
    """Join what is offered. Again for the same cluster: harmless, nothing changes.

    Raises Conflict when the name belongs to another cluster, Misuse when a key is missing or an option is wrong.
    """
    options = options or JoinOptions()
    existing = find_cluster(home, offer.cluster_id)
    if existing:
        return _joined(existing, offer, was_joined=True)
    paths = home.cluster(cluster_name(options.name) if options.name else offer.name)
    _check_free(paths, home)
    secret = _secret(offer, options)
    settings = ClusterSettings(
        cluster_id=offer.cluster_id.hex(),
        role=Role.FOLLOWER,
        source=offer.source.text,
        peer_name=options.peer_name,
        listen=listen_addresses(options.listen),
        announce=announce_addresses(options.announce),
        ipfs=options.ipfs,
        obey=options.obey,
        unlisted=options.unlisted,
        part=options.part,
    )
    is_embedded = options.ipfs == NodeKind.EMBEDDED
    settings = with_limits(settings, options.limit, options.keep_free, is_embedded=is_embedded)
    private_folder(paths.folder)
    load_or_create_key(paths.identity, paths.state)
    keep_in_force(paths, offer.document, Note(offer.fetched_ms, offer.etag))
    if secret is not None:
        write_file(paths.secret, render_secret(secret))
    save(paths.settings, settings)
    return _joined(paths, offer, was_joined=False)


def parse_from(source: Source, raw: bytes) -> ConfigDocument:
    """Parse a document, naming its source where it fails."""
    try:
        return parse(raw)
    except PeerFault as fault:
        kind = Forged if isinstance(fault, Forged) else Malformed
        raise kind(
            fault.what,
            where=f"{source.where}: {fault.where}" if fault.where else source.where,
            means=fault.means,
            next_step=fault.next_step,
        ) from fault


def _joined(paths: ClusterPaths, offer: JoinOffer, *, was_joined: bool) -> Joined:
    key = load_or_create_key(paths.identity, paths.state)
    return Joined(paths, offer.cluster_id, peer_id(key.public), was_joined)


def _check_free(paths: ClusterPaths, home: Home) -> None:
    """Raise Conflict when another cluster has that name."""
    if paths.settings.exists():
        other = load_cluster(paths.settings).cluster_id[:12]
        what = f"{paths.name!r} is already the name of another cluster here ({other}...)"
    elif paths.state.exists():
        what = f"{paths.name!r} is the rest of a cluster that was left and is not cleared yet"
    else:
        return
    free = next(n for n in range(2, _NAMES_TRIED_MAX) if not (home.clusters / f"{paths.name}-{n}").exists())
    raise Conflict(what, next_step=f"Choose another name: `--name {paths.name}-{free}`")


def _secret(offer: JoinOffer, options: JoinOptions) -> bytes | None:
    """Return the private network key that the cluster needs."""
    if not offer.is_closed:
        if options.secret_file:
            raise Misuse("This cluster is open: it has no private network key", next_step="Leave out `--secret-file`")
        return None
    if options.secret_file:
        return load_secret(options.secret_file, is_ours=False)
    if offer.document.secret is not None:
        return offer.document.secret
    raise Misuse(
        "This cluster is closed: it needs the private network key that the curator hands out",
        next_step="Save it to a file and add `--secret-file FILE`",
    )
