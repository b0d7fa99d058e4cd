"""Every path on disk, and how names become folders.

    $PINCREW_HOME/
        settings.toml  daemon.lock  daemon.sock  daemon.log  told.json  months.json  holdings.db
        denylist
        owner-keys/
        clusters/<name>/   cluster.toml  config.toml  identity.key  owner.key  secret.key  state.db  ...
        node/              node.toml  identity.key  blocks.db  rpc.sock  node.log

A cluster folder counts as joined when it has a ``cluster.toml``: that file is written last. A socket whose path is too
long for the system is elsewhere, at a place that depends on nothing but this home and the environment, so that the
daemon and its clients name the same one. Nothing here touches the disk but ``socket_path``.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from pincrew.errors import Misuse
from pincrew.files import own_folder
from pincrew.limits import CLUSTER_NAME_BYTES_MAX, SOCKET_PATH_BYTES_MAX


@dataclass(frozen=True)
class ClusterPaths:
    """What is in the folder of one cluster."""

    folder: Path

    @property
    def name(self) -> str:
        """The cluster's name on this machine."""
        return self.folder.name

    @property
    def settings(self) -> Path:
        """Role and local choices; its presence says that the cluster is joined."""
        return self.folder / "cluster.toml"

    @property
    def config(self) -> Path:
        """The config document in force: the last good copy, or what was published last."""
        return self.folder / "config.toml"

    @property
    def fetched(self) -> Path:
        """When the config document was fetched, and the validator for asking again."""
        return self.folder / "config.fetched.toml"

    @property
    def pending(self) -> Path:
        """A config document that waits for the user's consent."""
        return self.folder / "config.pending.toml"

    @property
    def identity(self) -> Path:
        """The secret key of this peer."""
        return self.folder / "identity.key"

    @property
    def owner(self) -> Path:
        """The owner key, until it is moved away."""
        return self.folder / "owner.key"

    @property
    def trust_waiting(self) -> Path:
        """A copy of the trust record that waits for signatures of more owners."""
        return self.folder / "trust.waiting.toml"

    @property
    def leaving(self) -> Path:
        """Marks a cluster that is being left, so that a restart does not follow it again."""
        return self.folder / "leaving"

    @property
    def secret(self) -> Path:
        """The private network key of a closed cluster."""
        return self.folder / "secret.key"

    @property
    def tokens(self) -> Path:
        """The bearer tokens of the REST API, without their texts."""
        return self.folder / "tokens.toml"

    @property
    def denylist(self) -> Path:
        """What the user never wants from this cluster."""
        return self.folder / "denylist"

    @property
    def denylist_of_all(self) -> Path:
        """What the user never wants from any cluster of this home."""
        return self.folder.parent.parent / "denylist"

    @property
    def state(self) -> Path:
        """The store."""
        return self.folder / "state.db"

    def damaged_state(self, time: str) -> Path:
        """Where a store goes that cannot be mended, at a time."""
        return self.folder / f"{self.state.name}.damaged-{time}"

    def api_socket(self, environment: Mapping[str, str]) -> Path:
        """The socket of ipfs-cluster's REST API."""
        return socket_path(self.folder / "api-socket", environment)

    @property
    def staged(self) -> Path:
        """What was fetched of a base that is not complete yet."""
        return self.folder / "base.staged"


@dataclass(frozen=True)
class NodePaths:
    """What the embedded node has on disk."""

    folder: Path

    @property
    def settings(self) -> Path:
        """The node's settings."""
        return self.folder / "node.toml"

    @property
    def identity(self) -> Path:
        """The node's secret key."""
        return self.folder / "identity.key"

    @property
    def blocks(self) -> Path:
        """The block store."""
        return self.folder / "blocks.db"

    @property
    def log(self) -> Path:
        """What a node that the daemon started has to say."""
        return self.folder / "node.log"

    def rpc_socket(self, environment: Mapping[str, str]) -> Path:
        """The socket of the node's RPC."""
        return socket_path(self.folder / "rpc.sock", environment)


@dataclass(frozen=True)
class Home:
    """Everything that pincrew keeps for one user."""

    root: Path

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Home:
        """Return the home that ``PINCREW_HOME`` names, else the one in the user's data folder."""
        named = environment.get("PINCREW_HOME")
        if named:
            return cls(Path(named).expanduser().absolute())
        return cls(platformdirs.user_data_path("pincrew", appauthor=False))

    @property
    def settings(self) -> Path:
        """Settings for all clusters."""
        return self.root / "settings.toml"

    @property
    def daemon_lock(self) -> Path:
        """Held by the one daemon of this home; holds its process id."""
        return self.root / "daemon.lock"

    @property
    def daemon_log(self) -> Path:
        """What a daemon in the background has to say."""
        return self.root / "daemon.log"

    @property
    def told(self) -> Path:
        """What was told of the clusters' states, so that a restart does not tell it again."""
        return self.root / "told.json"

    @property
    def months(self) -> Path:
        """How many bytes passed over the line in each month."""
        return self.root / "months.json"

    @property
    def holdings(self) -> Path:
        """Which CIDs the node keeps for which clusters."""
        return self.root / "holdings.db"

    def kept_owner_key(self, name: str, cluster_id: bytes) -> Path:
        """Where the owner key of a cluster goes that is being left."""
        return self.owner_keys / f"{name}-{cluster_id.hex()[:16]}.key"

    @property
    def owner_keys(self) -> Path:
        """Where owner keys are kept of clusters that were left."""
        return self.root / "owner-keys"

    @property
    def clusters(self) -> Path:
        """The folder of the clusters' folders."""
        return self.root / "clusters"

    @property
    def node(self) -> NodePaths:
        """The embedded node."""
        return NodePaths(self.root / "node")

    def daemon_socket(self, environment: Mapping[str, str]) -> Path:
        """The socket of pincrew's own API."""
        return socket_path(self.root / "daemon.sock", environment)

    def cluster(self, name: str) -> ClusterPaths:
        """Return the paths of a cluster, whether it exists or not. Raises Misuse for what cannot be its name."""
        if cluster_name(name) != name:
            raise Misuse(f"{name!r} is not the name of a cluster here", next_step="See `pincrew status`")
        return ClusterPaths(self.clusters / name)

    def joined(self) -> list[ClusterPaths]:
        """Return the clusters that are joined or curated here, by name."""
        found = sorted(self.clusters.glob("*/cluster.toml"))
        return [ClusterPaths(path.parent) for path in found if not path.parent.name.startswith(".")]


def cluster_name(text: str, fallback: str = "") -> str:
    """Return the folder name that stands for ``text``: lower-case ASCII letters, digits, `-`, `_` and `.`.

    Lower-case, because two names must not meet on a disk that ignores case; no leading dot, which marks unfinished
    folders. Raises Misuse when nothing is left and there is no ``fallback``.
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9._-]+", "-", plain).strip("-._")[:CLUSTER_NAME_BYTES_MAX].rstrip("-._")
    if name or fallback:
        return name or fallback
    raise Misuse(
        f"{text!r} has no letter or digit of which a folder name could be made",
        next_step="Choose a name like `my-archive`",
    )


def socket_path(preferred: Path, environment: Mapping[str, str]) -> Path:
    """Return where the socket that should be at ``preferred`` really is.

    Systems bound the length of a socket's path. A longer one moves to ``$XDG_RUNTIME_DIR``, else to a 0700 folder of
    ours in the temporary directory (made here, and refused when it is somebody else's), under a name made from the
    full path.
    """
    if _fits(preferred):
        return preferred
    # Not resolve(): it asks the disk, and the answer would change once a folder on the way is made.
    key = hashlib.sha256(os.fsencode(preferred.absolute())).hexdigest()[:16]
    name = f"{key}-{preferred.name}"
    runtime = environment.get("XDG_RUNTIME_DIR", "")
    if runtime.startswith("/") and _fits(Path(runtime) / f"pincrew-{name}") and Path(runtime).is_dir():
        return Path(runtime) / f"pincrew-{name}"
    user = f"pincrew-{os.getuid()}"
    for base in (environment.get("TMPDIR") or tempfile.gettempdir(), "/tmp"):
        if _fits(Path(base) / user / name) and Path(base).is_dir():
            return own_folder(Path(base) / user) / name
    raise Misuse(
        "The path of the socket is too long for this system",
        where=str(preferred),
        next_step="Set PINCREW_HOME to a shorter path",
    )


def _fits(path: Path) -> bool:
    return len(os.fsencode(path)) <= SOCKET_PATH_BYTES_MAX
