"""What users may choose: one frozen tree for all clusters (`settings.toml`), one per cluster (`cluster.toml`).

Defaults < file < environment, which changes no file. The config document can set none of this. Times are seconds in
here, and text like `24h` in files and in the environment. An unknown key is an error that names the nearest known one.
Files are changed through tomlkit, so that what a user wrote around a value survives.
"""

from __future__ import annotations

import difflib
import json
import shlex
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, NewType, get_type_hints
from urllib.parse import urlsplit

import tomlkit
import tomlkit.exceptions

from pincrew import limits
from pincrew.api.shapes import NetworkLimits, NetworkLimitsRequest
from pincrew.errors import Misuse, NewerStore, NotFound, StoreFault
from pincrew.files import read_file, write_file
from pincrew.month import Months, month_name, months_of, next_month
from pincrew.paths import ClusterPaths, Home
from pincrew.pause import moment_text, pause_of
from pincrew.quantities import duration_text, parse_duration, parse_percent, parse_size
from pincrew.timetable import timetable_of

FORMAT_VERSION = 1
_BYTES_MAX = 1024 * 1024
HIDDEN = ("on_event_url", "rest_users")  # settings whose values are secrets
NO_REST = "none"
ALLOCATE_BY_DEFAULT = ("tag:group", "freespace")
CLUSTER_VARIABLE = "PINCREW_CLUSTER_"
# What commands change while a cluster runs, and what says which cluster it is: in its file alone.
_IN_FILE_ALONE = frozenset(
    {"cluster_id", "role", "source", "ipfs", "ipfs_before", "obey", "limit", "keep_free", "part", "paused", "format"}
)
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


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


def load_settings(path: Path, environment: Mapping[str, str]) -> Settings:
    """Return the settings for all clusters. Raises Misuse with the file or variable that is wrong."""
    values = _read(path, Settings) if path.exists() else {}
    for name, kind in get_type_hints(Settings).items():
        variable = f"PINCREW_{name.upper()}"
        if environment.get(variable):
            values[name] = _from_text(environment[variable], kind, variable)
    return Settings(**values)


def load_cluster(path: Path) -> ClusterSettings:
    """Return the settings of a cluster. Raises NotFound when it is not joined, Misuse when they are wrong."""
    values = _read(path, ClusterSettings)
    if "cluster_id" not in values:
        raise StoreFault("The settings of the cluster name no cluster", where=str(path), next_step="Restore them")
    return ClusterSettings(**values)


def cluster_in_force(path: Path, environment: Mapping[str, str]) -> ClusterSettings:
    """Return the settings with which a cluster runs: the environment decides over its file. Never to be saved.

    Raises as ``load_cluster``, and Misuse for a variable that is none.
    """
    kept, kinds = load_cluster(path), get_type_hints(ClusterSettings)
    values: dict[str, Any] = {}
    known = cluster_environment_names()
    for variable, text in sorted(environment.items()):
        if variable.startswith(CLUSTER_VARIABLE) and text:
            if variable not in known:
                nearest = difflib.get_close_matches(variable, known, 1, 0.0)
                raise Misuse(f"There is no setting {variable!r}", next_step=f"Did you mean `{nearest[0]}`?")
            name = variable.removeprefix(CLUSTER_VARIABLE).lower()
            values[name] = _from_text(text, kinds[name], variable)
    return replace(kept, **values)


def load_node(path: Path) -> NodeSettings:
    """Return the settings of the embedded node; the defaults where there is no file. Raises Misuse."""
    return NodeSettings(**(_read(path, NodeSettings) if path.exists() else {}))


def with_texts(settings: NodeSettings, texts: Mapping[str, str]) -> NodeSettings:
    """Return settings with other values, each written as a person writes it. Raises Misuse."""
    kinds = get_type_hints(NodeSettings)
    return replace(settings, **{name: _from_text(text, kinds[name], name) for name, text in texts.items()})


def save(path: Path, tree: Tree) -> None:
    """Write what differs from the defaults, and what the file sets already; comments in the file stay."""
    try:
        document = tomlkit.parse(read_file(path, _BYTES_MAX).decode())
    except NotFound:
        document = tomlkit.document()
    except (tomlkit.exceptions.TOMLKitError, UnicodeDecodeError) as error:
        raise Misuse(f"The settings are not TOML: {error}", where=str(path)) from error
    for each in fields(tree):
        value = getattr(tree, each.name)
        if each.name in ("format", "role") or each.name in document or value != each.default:
            plain = _size_text(value) if get_type_hints(type(tree))[each.name] == Limit else _to_toml(value)
            if document.get(each.name) != plain:
                document[each.name] = plain
    write_file(path, tomlkit.dumps(document).encode())


def environment_names() -> tuple[str, ...]:
    """Return the environment variable of every setting for all clusters."""
    return tuple(f"PINCREW_{name.upper()}" for name in asdict(Settings()))


def cluster_environment_names() -> tuple[str, ...]:
    """Return the environment variable of every setting of a cluster that has one."""
    names = (each.name for each in fields(ClusterSettings) if each.name not in _IN_FILE_ALONE)
    return tuple(f"{CLUSTER_VARIABLE}{name.upper()}" for name in names)


def _read(path: Path, tree: type[Tree]) -> dict[str, Any]:
    try:
        table = tomllib.loads(read_file(path, _BYTES_MAX).decode())
    except (ValueError, RecursionError) as error:
        raise Misuse(f"The settings are not TOML: {error}", where=str(path), next_step="Correct the file") from error
    version = table.get("format", FORMAT_VERSION)
    if type(version) is int and version > FORMAT_VERSION:
        raise NewerStore(
            f"The settings have format {version}; this pincrew reads up to {FORMAT_VERSION}",
            where=str(path),
            next_step="Upgrade pincrew",
        )
    kinds = get_type_hints(tree)
    for name in table:
        if name not in kinds:
            nearest = difflib.get_close_matches(name, kinds, 1, 0.0)
            raise Misuse(f"There is no setting {name!r}", where=str(path), next_step=f"Did you mean `{nearest[0]}`?")
    return {name: _from_toml(value, kinds[name], f"{path}: {name}") for name, value in table.items()}


def _from_toml(value: Any, kind: Any, where: str) -> Any:
    if kind in (float, Role, PartMode, NodePriority, Percent) or kind in (Limit, Patience):
        if isinstance(value, str):
            return _from_text(value, kind, where)
        if kind is Percent and type(value) is int:
            return Percent(value)
    elif kind is Copies and type(value) is int:
        return Copies(value)
    elif kind == tuple[str, ...]:
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
    elif type(value) is kind and not (kind is int and value < 1):
        return value
    shown = "That" if where.endswith(HIDDEN) else repr(value)
    raise Misuse(f"{shown} is not what this setting takes: {_kind_text(kind)}", where=where)


def _from_text(text: str, kind: Any, where: str) -> Any:
    """Read a value from the environment."""
    lowered = text.strip().lower()
    if kind is str:
        return text
    if kind == Patience and lowered == "never":
        return None
    if kind is float or kind == Patience:
        try:
            return parse_duration(text)
        except Misuse as error:
            raise Misuse(error.what, where=where, next_step=error.next_step) from error
    if kind == Limit:
        return parse_limit(text, where)
    if kind is Percent:
        return Percent(parse_percent(text))
    if kind is Copies and lowered.lstrip("-").isdecimal() and lowered.isascii():
        return Copies(int(lowered[:12]))
    if kind == tuple[str, ...]:
        return _texts(text, where)
    if kind in (Role, PartMode, NodePriority) and lowered in tuple(kind):
        return kind(lowered)
    if kind is bool and lowered in _TRUE + _FALSE:
        return lowered in _TRUE
    if kind is int and lowered.isascii() and lowered.isdigit() and int(lowered[:12]) > 0:
        return int(lowered[:12])
    raise Misuse(f"{text!r} is not what this setting takes: {_kind_text(kind)}", where=where)


def _texts(text: str, where: str) -> tuple[str, ...]:
    """Read a list: texts with commas between them, or as JSON, where one of them has a comma itself."""
    if not text.lstrip().startswith("["):
        return tuple(filter(None, (part.strip() for part in text.split(","))))
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):  # not shown: it may be secret
        raise Misuse("That is no list of texts", where=where, next_step='Write it like `["one", "two"]`, or `one,two`')
    return tuple(found)


def parse_limit(text: str, where: str) -> Limit:
    """Return what a person wrote as a limit: a size, or `none`. Raises Misuse."""
    if text.strip().lower() == "none":
        return None
    size = parse_size(text)
    if size < 1:
        raise Misuse("0 is no limit that anything could keep", where=where, next_step="Write `none` for no limit")
    return size


def part_mode(text: str) -> PartMode:
    """Return what of a list is kept. Raises Misuse."""
    mode: PartMode = _from_text(text, PartMode, "part")
    return mode


def with_limits(
    local: ClusterSettings,
    limit: str | None,
    keep_free: int | None,
    part: str | None = None,
    *,
    is_embedded: bool,
) -> ClusterSettings:
    """Return a cluster's settings with other limits or another part, None leaving one as it is. Raises Misuse.

    ``is_embedded``: its node is pincrew's own, which needs some room to work at all.
    """
    if limit is not None:
        wanted = parse_limit(limit, "--limit")
        if is_embedded and wanted is not None and wanted < limits.STORE_LIMIT_BYTES_MIN:
            least = limits.STORE_LIMIT_BYTES_MIN // 1024**2
            raise Misuse(
                f"pincrew's own IPFS node cannot work with less than {least} MiB",
                where="--limit",
                means="Nothing was changed",
                next_step=f"Choose at least `--limit {least}MiB`",
            )
        local = replace(local, limit=wanted)
    if part is not None:
        local = replace(local, part=part_mode(part))
    return local if keep_free is None else replace(local, keep_free=Percent(keep_free))


def with_network(settings: Settings, request: NetworkLimitsRequest) -> Settings:
    """Return the settings with other limits of the line, as people write them; None leaves one as it is.

    Raises Misuse.
    """
    changes: dict[str, Any] = {
        name: parse_limit(text, f"--{name.replace('_', '-').removesuffix('-limit')}")
        for name, text in (
            ("download_limit", request.download),
            ("upload_limit", request.upload),
            ("quiet_download_limit", request.quiet_download),
            ("quiet_upload_limit", request.quiet_upload),
            ("monthly_cap", request.monthly_cap),
        )
        if text is not None
    }
    if request.quiet_hours is not None:
        is_none = request.quiet_hours.strip().lower() == "none"
        changes["quiet_hours"] = "" if is_none else request.quiet_hours.strip()
    return replace(settings, **changes)


def kept_months(path: Path) -> Months:
    """Return what passed over the line in each month. Raises Misuse for a file that is none, and StoreFault."""
    try:
        return months_of(read_file(path, limits.MONTHS_BYTES_MAX))
    except NotFound:
        return Months()
    except Misuse as error:
        raise Misuse(error.what, where=str(path), means=error.means) from error


def names_any(path: Path, names: Sequence[str]) -> bool:
    """Say whether a settings file says anything of these settings, be it the default. Raises Misuse."""
    return path.exists() and not _read(path, Settings).keys().isdisjoint(names)


def network_limits(settings: Settings, wall: datetime, months: Months, path: str, *, is_kubo: bool) -> NetworkLimits:
    """Return the limits of the line, and which of them hold when the clock on the wall shows ``wall``.

    ``months`` is what passed already.
    """
    month = months.at(wall)
    is_quiet = timetable_of(settings.quiet_hours).is_quiet(wall)
    download, upload = settings.download_limit, settings.upload_limit
    if is_quiet:
        download, upload = settings.quiet_download_limit, settings.quiet_upload_limit
    return NetworkLimits(
        download=settings.download_limit,
        upload=settings.upload_limit,
        quiet_hours=settings.quiet_hours or None,
        quiet_download=settings.quiet_download_limit,
        quiet_upload=settings.quiet_upload_limit,
        is_quiet=is_quiet,
        download_now=download,
        upload_now=upload,
        is_approximate=is_kubo,
        settings=path,
        monthly_cap=settings.monthly_cap,
        month=month_name(wall),
        month_received=month.received,
        month_sent=month.sent,
        month_ends=moment_text(round(next_month(wall).astimezone().timestamp() * 1_000)),
        is_month_over=settings.monthly_cap is not None and month.passed >= settings.monthly_cap,
    )


def _kind_text(kind: Any) -> str:
    if kind is Role:
        return "`follower` or `curator`"
    if kind is PartMode:
        return "`auto`, `part` or `all`"
    if kind is NodePriority:
        return "`auto`, `low` or `normal`"
    if kind == Limit:
        return 'a size like "200GB", or "none"'
    if kind == Patience:
        return 'a time like "5m", or "never"'
    words = {
        Percent: "a percentage like 10",
        str: "text in quotes",
        bool: "true or false",
        int: "a whole number from 1",
        Copies: "a whole number from 1, or -1",
        float: 'a time like "24h"',
    }
    return words.get(kind, "a list of texts")


def _size_text(value: Limit) -> str:
    return "none" if value is None else str(value)


def setting_text(value: Any) -> str:
    """Return a value as it stands in a file."""
    plain = _to_toml(value)
    return json.dumps(plain, ensure_ascii=False)


def _to_toml(value: Any) -> Any:
    if value is None:
        return "never"
    if isinstance(value, float):
        return duration_text(value)
    if isinstance(value, tuple):
        return list(value)
    return value.value if isinstance(value, StrEnum) else value


def find_cluster(home: Home, cluster_id: bytes) -> ClusterPaths | None:
    """Return the folder of a cluster that is joined or curated here. Damaged neighbours are no reason to fail."""
    for paths in home.joined():
        try:
            if load_cluster(paths.settings).cluster_id == cluster_id.hex():
                return paths
        except (Misuse, StoreFault):
            continue
    return None
