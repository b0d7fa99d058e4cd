"""The objects of ipfs-cluster's REST API, in its names and its order; a pin and its status are `api.shapes`' own.

What has a default is left out where it has that value, as Go leaves it out. Readers of somebody else's answer must take
null for any list or map (`ctl.answers` does).
"""

from __future__ import annotations

import msgspec

from pincrew.api.shapes import GlobalPinInfo, PinInfo, PinObject

__all__ = [
    "AddedOutput",
    "Alert",
    "Bandwidth",
    "BearerToken",
    "ConnectGraph",
    "Fault",
    "GcKey",
    "GlobalPinInfo",
    "GlobalRepoGc",
    "Id",
    "IpfsId",
    "Metric",
    "PeerWanted",
    "PinInfo",
    "PinObject",
    "RepoGc",
    "Version",
]


class IpfsId(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The IPFS node of a peer. ``error``: why it could not be asked."""

    id: str = ""
    addresses: list[str]
    error: str


class Id(msgspec.Struct, frozen=True, kw_only=True):
    """A peer. ``error`` says why it did not answer; then only it and ``id`` mean something."""

    id: str
    addresses: list[str]
    cluster_peers: list[str]
    cluster_peers_addresses: list[str]
    version: str
    commit: str
    rpc_protocol_version: str
    error: str
    ipfs: IpfsId
    peername: str


class PeerWanted(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a client wants to be asked who they are."""

    peer_id: str


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """What a peer said of itself. ``expire`` and ``received_at`` are nanoseconds since 1970."""

    name: str
    peer: str
    value: str
    expire: int
    valid: bool
    weight: int
    partitionable: bool
    received_at: int


class Alert(Metric, frozen=True, kw_only=True):
    """A metric that expired with no newer one."""

    triggered_at: str


class AddedOutput(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file or folder that was added. ``cid`` is null in reports of progress.

    ``allocations`` are the peers whose nodes took every block of a root; ``failed``, which ipfs-cluster does not have,
    says of others why not.
    """

    name: str
    cid: str | None
    bytes: int = 0
    size: int = 0
    allocations: list[str] = msgspec.field(default_factory=list)
    failed: dict[str, str] = msgspec.field(default_factory=dict)


class GcKey(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A block that was collected, or why one was not."""

    key: str | None
    error: str = ""


class RepoGc(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a peer's node collected."""

    peer: str
    peername: str
    keys: list[GcKey]
    error: str = ""


class GlobalRepoGc(msgspec.Struct, frozen=True, kw_only=True):
    """What each peer's node collected."""

    peer_map: dict[str, RepoGc]


class ConnectGraph(msgspec.Struct, frozen=True, kw_only=True):
    """Who is connected to whom, as the peer ``cluster_id`` sees it.

    Where the node of this peer could not be asked, there is none of its in ``cluster_to_ipfs`` and ``ipfs_links``. The
    nodes of others are not asked: their links are empty.
    """

    cluster_id: str
    id_to_peername: dict[str, str]
    ipfs_links: dict[str, list[str]]
    cluster_links: dict[str, list[str]]
    cluster_trust_links: dict[str, bool]
    cluster_to_ipfs: dict[str, str]


class Bandwidth(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes of one protocol, and bytes a second."""

    total_in: int
    total_out: int
    rate_in: float
    rate_out: float


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """The version of the peer's program."""

    version: str


class BearerToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token that was just made; nobody can tell it again."""

    token: str


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """Why a request failed; ``code`` is the HTTP status, 0 where there was no answer."""

    code: int
    message: str
