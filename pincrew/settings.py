"""What users may choose: one frozen tree for all clusters (`settings.toml`), one per cluster (`cluster.toml`).

Defaults < file < environment, which changes no file. The config document can set none of this. Times are seconds in
here, and text like `24h` in files and in the environment (`settings_files`).
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType
from urllib.parse import urlsplit

from pincrew import limits
from pincrew.errors import Misuse
from pincrew.pause import pause_of
from pincrew.timetable import timetable_of

FORMAT_VERSION = 1
HIDDEN = ("on_event_url", "rest_users")  # settings whose values are secrets
NO_REST = "none"
ALLOCATE_BY_DEFAULT = ("tag:group", "freespace")


class Role(StrEnum):
    """What this peer is in a cluster."""

    FOLLOWER = "follower"
    CURATOR = "curator"


class PartMode(StrEnum):
    """Whether a follower keeps all of a list, or the part that fits its limit."""

    AUTO = "auto"
    PART = "part"
    ALL = "all"


class NodePriority(StrEnum):
    """Whether the embedded node yields processor and disk to whatever else runs."""

    AUTO = "auto"
    LOW = "low"
    NORMAL = "normal"


# Bytes, or bytes a second; None for no limit.
Limit = int | None
# Of a whole; 0 is allowed.
Percent = NewType("Percent", int)
# How many copies; -1 for everywhere.
Copies = NewType("Copies", int)
# Seconds; None for never.
Patience = float | None


@dataclass(frozen=True)
class Settings:
    """Settings for all clusters. The environment variable of a field is `PINCREW_` and its name in capitals."""

    ipfs: str = "auto"
    """The IPFS node of clusters that name none: `embedded`, `kubo`, an address, or `auto`: the Kubo that is found."""

    gateway: str = "http://127.0.0.1:8080"
    """The gateway of the IPFS node, through which sources that are DNSLink or IPNS names are fetched."""

    api_listen: str = ""
    """HOST:PORT of this machine alone on which pincrew's own API listens besides its socket, and asks nobody who they
    are; empty: nowhere."""

    log_level: str = "info"
    """How much the daemon tells: `error`, `warning`, `info` or `debug`."""

    mdns: bool = True
    """Whether peers of the same cluster in the local network find each other by themselves."""

    pins_in_flight: int = limits.PINS_IN_FLIGHT_DEFAULT
    """How many pins the node fetches at once."""

    pin_no_progress: float = limits.PIN_NO_PROGRESS_TIMEOUT_S
    """After how long without a new block a pin is given up until its next try."""

    unpin_grace: float = limits.UNPIN_GRACE_S
    """How long a follower keeps what a curator removed."""

    removals_hold: float = limits.REMOVALS_HOLD_S
    """How long a mass removal waits for the user's word before it is carried out."""

    source_timeout: float = limits.SOURCE_TIMEOUT_S
    """How long a source may take in all to deliver the config document."""

    source_recheck: float = limits.SOURCE_RECHECK_INTERVAL_S
    """How often the source of a followed cluster is asked for a newer config document."""

    download_limit: Limit = None
    """How many bytes a second the IPFS nodes take from others; on Kubo approximately."""

    upload_limit: Limit = None
    """How many bytes a second pincrew's own node sends to others; a Kubo is not limited."""

    quiet_hours: str = ""
    """The hours of the week in which the next two limits hold instead, like `mon-fri 23:00-07:00, sat,sun 00:00-10:00`;
    empty: none."""

    quiet_download_limit: Limit = None
    """`download_limit` in the quiet hours."""

    quiet_upload_limit: Limit = None
    """`upload_limit` in the quiet hours."""

    monthly_cap: Limit = None
    """How many bytes may pass in a calendar month: what the IPFS nodes take, and what pincrew's own sends."""

    view_theme: str = ""
    """The colours of the terminal view, as its theme picker writes them here; empty: `textual-dark`."""

    view_keys: str = ""
    """Other keys in the terminal view, like `retry=f5, pause=P`."""

    on_event: str = ""
    """A command that is run at each change of a cluster's state, with the event as JSON on its standard input."""

    on_event_url: str = field(default="", repr=False)
    """An address to which the same JSON is sent by HTTP POST. It is shown in no output and no log."""

    def __post_init__(self) -> None:
        timetable_of(self.quiet_hours)
        _check_command(self.on_event)
        _check_address(self.on_event_url)


@dataclass(frozen=True)
class ClusterSettings:
    """The local choices for one cluster; nothing of it is ever sent to others but `peer_name` and addresses."""

    cluster_id: str
    """The cluster's id, 64 hex digits."""

    role: Role = Role.FOLLOWER
    """`follower` or `curator`: what you want; it writes only where trust names it too."""

    source: str = ""
    """Where a follower fetches the config document."""

    peer_name: str = ""
    """The name that others see for this peer; never the host name unless its user chose it."""

    listen: tuple[str, ...] = ()
    """The multiaddresses on which this peer listens."""

    announce: tuple[str, ...] = ()
    """The multiaddresses under which others reach this peer; empty: its own interfaces' addresses."""

    ipfs: str = ""
    """The IPFS node of this cluster: `embedded`, `kubo` or an address; empty: the one in settings.toml."""

    ipfs_before: tuple[str, ...] = ()
    """Nodes that this cluster moves away from: what they hold for it is let go once the present one has it."""

    obey: bool = False
    """Whether a follower removes at once what a curator removes, however much that is."""

    limit: Limit = None
    """How many bytes this cluster may hold on the IPFS node's disk."""

    keep_free: Percent = Percent(limits.KEEP_FREE_PERCENT_DEFAULT)
    """How many percent of the volume with the IPFS node's data stay free; nothing is fetched that would leave less."""

    part: PartMode = PartMode.AUTO
    """What is kept of a list that is larger than the limit: a `part` of it, `all` of it in its order until it is full,
    or `auto`: the part once it is larger."""

    paused: str = ""
    """Whether nothing new is fetched: `yes` until you resume, or until when (like `2030-01-31T23:00:00Z`)."""

    unlisted: bool = False
    """Whether curators keep this follower's address out of the config document that they publish."""

    tags: tuple[str, ...] = ()
    """What others hear of where this peer stands, like `region=eu` and `zone=b`: copies are spread over such groups."""

    replication_min: Copies = Copies(-1)
    """How many peers are to keep a pin at least, where whoever adds it does not say; -1: every peer."""

    replication_max: Copies = Copies(-1)
    """How many peers keep it at most; -1: every peer."""

    allocate_by: tuple[str, ...] = ALLOCATE_BY_DEFAULT
    """By what a curator chooses who keeps a pin: `tag:NAME`, `freespace`, `pinqueue`. Groups of tags, in this order,
    get equal shares; within a group free space and queue decide."""

    allocate_followers: bool = False
    """Whether followers are chosen to keep pins, too, and not the curators' peers alone."""

    repin_after: Patience = limits.REPIN_AFTER_S
    """For how long a peer has been silent when a curator has others keep its pins, where too few copies are left; or
    `never`. Restarts and updates are over by then, and an announcement is believed for 3 minutes anyway."""

    rest: str = ""
    """HOST:PORT at which ipfs-cluster's REST API is offered; empty: `127.0.0.1:9094`, or a free port, where a curator's
    cluster is run with `pincrew serve`; `none`: on the cluster's socket alone."""

    rest_users: tuple[str, ...] = field(default=(), repr=False)
    """Who may do everything there, as `NAME:PASSWORD` each, by basic authentication. Shown in no output and no log."""

    rest_cors_origins: tuple[str, ...] = ()
    """The web pages that may call it, like `https://pins.example.org`; `*` for every page: then callers must show who
    they are."""

    rest_tls_cert: str = ""
    """The file with its certificate and those that lead to its authority (PEM); relative to the cluster's folder."""

    rest_tls_key: str = ""
    """The file with the certificate's key."""

    rest_unprotected: bool = False
    """Whether it may be offered to other machines with neither users nor tokens: whoever reaches it can do all."""

    rest_libp2p: bool = False
    """Whether it is also offered over libp2p, at the addresses on which this peer listens for others: to whoever shows
    a user's password or a token, and to nobody where there is neither."""

    format: int = FORMAT_VERSION
    """The version of this file's form."""

    def __post_init__(self) -> None:
        _check_rest_users(self.rest_users)
        _check_origins(self.rest_cors_origins)
        if bool(self.rest_tls_cert) != bool(self.rest_tls_key):
            raise Misuse("A certificate serves with its key alone", where="rest_tls_cert and rest_tls_key")
        checked_peer_name(self.peer_name)
        pause_of(self.paused)
        if not 0 <= self.keep_free <= limits.KEEP_FREE_PERCENT_MAX:
            raise Misuse(
                f"{self.keep_free} % of a volume cannot be kept free",
                where="--keep-free, or keep_free in cluster.toml",
                next_step=f"Choose 0 to {limits.KEEP_FREE_PERCENT_MAX}",
            )
        tags_of(self.tags)
        checked_replication(self.replication_min, self.replication_max, "replication_min and replication_max")
        _check_allocate_by(self.allocate_by)
        if self.repin_after is not None and self.repin_after <= 0:
            raise Misuse("Nobody can be missed at once", where="repin_after", next_step="Write a time, or `never`")


@dataclass(frozen=True)
class NodeSettings:
    """What the embedded IPFS node does (`node/node.toml`)."""

    listen: tuple[str, ...] = ()
    """The multiaddresses on which the node listens for other IPFS nodes; empty: a port is chosen at the first start."""

    announce: tuple[str, ...] = ()
    """The multiaddresses under which others reach the node; empty: its own interfaces' addresses."""

    storage_limit: Limit = None
    """How large the files of the block store may become."""

    upload_limit: Limit = None
    """How many bytes a second the node sends to others."""

    download_limit: Limit = None
    """How many bytes a second the node takes from others."""

    connections: int = limits.NODE_PEERS_MAX
    """To how many other nodes it is connected at most."""

    routers: tuple[str, ...] = ()
    """URLs of services that are asked over HTTP who has something (`/routing/v1`)."""

    gateways: tuple[str, ...] = ()
    """URLs of trustless gateways from which blocks are fetched that no node has; every block is verified."""

    bootstrap: tuple[str, ...] = ()
    """Multiaddresses through which the DHT is asked who has something; empty: it is not asked."""

    gateway_listen: str = "127.0.0.1:0"
    """HOST:PORT on which what the node keeps can be opened in a browser; port 0: any free one; empty: nowhere."""

    priority: NodePriority = NodePriority.AUTO
    """Whether the node yields processor and disk to other programs: `low`, `normal`, or `auto`: `low` unless a cluster
    that you curate is on it. Read at its start."""

    format: int = FORMAT_VERSION
    """The version of this file's form."""


Tree = Settings | ClusterSettings | NodeSettings


def checked_peer_name(text: str) -> str:
    """Return a name under which others may see this peer. Raises Misuse: peers refuse what is too long."""
    if len(text.encode()) > limits.PEER_NAME_BYTES_MAX or not text.isprintable() or text != text.strip():
        raise Misuse(
            f"{text[:40]!r} cannot be the name that others see",
            where="--peer-name, or peer_name in cluster.toml",
            next_step=f"Choose one of at most {limits.PEER_NAME_BYTES_MAX} printable bytes, without spaces around it",
        )
    return text


def tags_of(texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return tags as (name, value), ascending by name, from `NAME=VALUE` each. Raises Misuse."""
    tags: dict[str, str] = {}
    for text in texts:
        name, sign, value = (part.strip() for part in text.partition("="))
        sizes = len(name.encode()), len(value.encode())
        if not sign or not name or not value or max(sizes) > limits.TAG_BYTES_MAX or not text.isprintable():
            raise Misuse(
                f"{text[:40]!r} is no tag",
                where="tags in cluster.toml",
                next_step=f"Write it like `region=eu`, with at most {limits.TAG_BYTES_MAX} bytes on each side",
            )
        if name in tags:
            raise Misuse(f"The tag {name!r} is there twice", where="tags in cluster.toml", next_step="Keep one")
        tags[name] = value
    if len(tags) > limits.TAGS_MAX:
        raise Misuse(f"There are {len(tags)} tags; {limits.TAGS_MAX} is the most", where="tags in cluster.toml")
    return tuple(sorted(tags.items()))


def checked_replication(minimum: int, maximum: int, where: str = "") -> None:
    """Refuse numbers of copies that make no sense. Raises Misuse."""
    if not (minimum == maximum == -1 or 1 <= minimum <= maximum):
        raise Misuse(
            f"Replication from {minimum} to {maximum} makes no sense",
            where=where,
            next_step="Give 1 <= min <= max, or -1 for both (every peer)",
        )


def _check_allocate_by(names: Sequence[str]) -> None:
    for name in names:
        if name not in ("freespace", "pinqueue") and not (name.startswith("tag:") and name != "tag:"):
            raise Misuse(
                f"{name!r} is nothing that peers can be chosen by",
                where="allocate_by in cluster.toml",
                next_step="There are: tag:NAME, freespace, pinqueue",
            )
    if len(set(names)) != len(names):
        raise Misuse("A name is there twice", where="allocate_by in cluster.toml", next_step="Keep one")


def _check_rest_users(users: Sequence[str]) -> None:
    parts = [credentials.partition(":") for credentials in users]
    for name, _, password in parts:  # which are not shown: they hold passwords
        if not name or not password or not name.isprintable() or len(name.encode()) > limits.REST_USER_BYTES_MAX:
            raise Misuse(
                "A user of the REST API has a name and a password",
                where="rest_users",
                next_step=f"Write `NAME:PASSWORD`, the name with at most {limits.REST_USER_BYTES_MAX} printable bytes",
            )
    if len({name for name, _, _ in parts}) != len(parts):
        raise Misuse("A user is there twice", where="rest_users", next_step="Keep one")


def _check_origins(origins: Sequence[str]) -> None:
    for origin in origins:
        try:
            parts = urlsplit(origin)
            is_usable = parts.scheme in ("http", "https") and f"{parts.scheme}://{parts.netloc}" == origin.lower()
            is_usable = is_usable and bool(parts.hostname) and parts.username is None and parts.port != 0
        except ValueError:
            is_usable = False
        if origin != "*" and not (is_usable and origin == origin.lower()):
            raise Misuse(
                f"{origin!r} is no origin of web pages",
                where="rest_cors_origins",
                next_step="Write it as browsers do, like `https://pins.example.org`, with nothing behind it",
            )


def _check_command(line: str) -> None:
    try:
        is_usable = bool(shlex.split(line)) or not line
    except ValueError:
        is_usable = False
    if not is_usable:
        what = f"{line!r} cannot be taken apart into a command and its words"
        raise Misuse(what, where="on_event", next_step="Quote it as for a shell; for a real one write `sh -c '...'`")


def _check_address(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_usable = not url or (parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0)
    except ValueError:
        is_usable = False
    if not is_usable:  # which is not shown: it may be a secret
        raise Misuse("on_event_url is no address that can be posted to", next_step="It starts with `https://`")
