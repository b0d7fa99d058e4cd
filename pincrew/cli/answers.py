"""What commands print with `--json` where it is not a shape of the API: mostly what they made (docs/json.md)."""

from __future__ import annotations

import msgspec

from pincrew.api.shapes import PinObject


class Version(msgspec.Struct, frozen=True):
    """`version`."""

    version: str
    python: str


class Created(msgspec.Struct, frozen=True):
    """`create`. ``secret``: the file with the private network key of a closed cluster."""

    name: str
    id: str
    peer_id: str
    home: str
    owner_key: str
    secret: str | None


class PublishedFile(msgspec.Struct, frozen=True):
    """`publish`. ``follow`` is the line to send out."""

    path: str
    sha256: str
    revision: int
    follow: str


class TrustChanged(msgspec.Struct, frozen=True):
    """`trust add`, `revoke`, `undo`, `keeper` and `sign`. ``missing``: how many owners must still sign the record in
    ``file``; 0 and no ``file``: it is in force."""

    cluster: str
    record: int
    changes: list[str]
    missing: int
    file: str | None


class OwnerKey(msgspec.Struct, frozen=True):
    """`trust key`. ``made``: it was not there before."""

    file: str
    id: str
    made: bool


class TokenMade(msgspec.Struct, frozen=True):
    """`token new`. ``token`` is told here alone."""

    cluster: str
    id: str
    name: str
    scope: str
    created: str
    expires: str | None
    token: str


class TokenLine(msgspec.Struct, frozen=True):
    """One line of `token ls`, and `token revoke`. ``over``: it has expired."""

    cluster: str
    id: str
    name: str
    scope: str
    created: str
    expires: str | None
    over: bool


class PinsAdded(msgspec.Struct, frozen=True):
    """`pin add`. ``cids``: null when there are more than 1,000. ``skipped``: lines left out by `--skip-bad`."""

    cluster: str
    added: int
    cids: list[str] | None
    skipped: int


class AddedPath(msgspec.Struct, frozen=True):
    """One line of `add`. ``bytes``: of its files; ``blocks``: of which the CID is made, each counted once, null where
    that is not known. ``allocations`` are the peers whose nodes took every block, ``failed`` says of others why not."""

    path: str
    cid: str
    name: str
    bytes: int
    blocks: int | None
    allocations: list[str] = msgspec.field(default_factory=list)
    failed: dict[str, str] = msgspec.field(default_factory=dict)


class PinsRemoved(msgspec.Struct, frozen=True):
    """`pin rm`. ``absent``: those that were not on the list."""

    cluster: str
    removed: int
    cids: list[str]
    absent: list[str]


class PinsRetried(msgspec.Struct, frozen=True):
    """`retry`. ``pins``: how many are tried again now. ``others``: the CIDs that were named and need no try, by why
    (`pinning`, `remote` as in `pins`; `absent`: not on the list)."""

    cluster: str
    pins: int
    others: dict[str, str]


class PinUpdated(msgspec.Struct, frozen=True):
    """`pin update`."""

    cluster: str
    old: str
    new: str
    unpinned: bool


class FollowedCluster(msgspec.Struct, frozen=True):
    """`follow`. ``state``: the state when it returned, as in `status`."""

    cluster: str
    id: str
    peer_id: str
    home: str
    was_joined: bool
    state: str


class DaemonState(msgspec.Struct, frozen=True):
    """`daemon start`, `stop` and `status`."""

    running: bool
    pid: int | None
    version: str | None
    home: str
    clusters: list[str]
    log: str


class CompatInstalled(msgspec.Struct, frozen=True):
    """`compat install`. ``written``: the programs."""

    folder: str
    written: list[str]


class Autostart(msgspec.Struct, frozen=True):
    """`autostart on`, `off` and `status`. ``edited``: its file was changed by hand; ``answers``: the manager hears us;
    ``running``: the daemon that it started runs; ``lingering``: it starts without a login; ``line``: for a crontab,
    where there is no manager."""

    enabled: bool
    manager: str | None
    path: str | None
    edited: bool
    answers: bool
    running: bool
    lingering: bool | None
    home: str
    line: str | None


class NodeStatus(msgspec.Struct, frozen=True):
    """`node status`. ``received`` and ``sent``: bytes since its start; ``receiving`` and ``sending``: now, a second."""

    running: bool
    rpc: str
    version: str | None
    peer_id: str | None
    addresses: list[str]
    store: str | None
    size: int | None
    limit: int | None
    blocks: int | None
    connections: int | None
    received: int | None
    sent: int | None
    receiving: int | None
    sending: int | None
    gateway: str | None


class Collected(msgspec.Struct, frozen=True):
    """`node gc`. ``bytes``: how much smaller the store's files became; ``size``: how large they are."""

    blocks: int
    bytes: int
    size: int


class DemoFile(msgspec.Struct, frozen=True):
    """One line of `demo --json`: something that the third follower holds, compared with the file it was made from."""

    cid: str
    name: str
    bytes: int
    sha256: str
    read_from: list[str]
    same: bool


class StateLine(PinObject, frozen=True):
    """A line of a state file: ipfs-cluster's Pin, and behind it `size`, the bytes that the curator said, where it is
    known. It is the one key here that may be missing, so that a line without it is a line of ipfs-cluster's."""

    size: int | msgspec.UnsetType = msgspec.UNSET


class StateExported(msgspec.Struct, frozen=True):
    """`state export -o FILE`. ``lossy``: pins of which the file does not have everything; ``lost``: how many pins lack
    which field."""

    cluster: str
    path: str
    pins: int
    bytes: int
    lossy: int
    lost: dict[str, int]


class StateImported(msgspec.Struct, frozen=True):
    """`state import`. ``changed``: were there with another record; ``unchanged``: were there with the same and are left
    alone. ``expired``: left out because their time is over; ``skipped``: lines left out by `--skip-bad`."""

    cluster: str
    added: int
    changed: int
    unchanged: int
    removed: int
    expired: int
    skipped: int


class StateVerified(msgspec.Struct, frozen=True):
    """`state verify`. ``first``: up to 10 CIDs of each kind that differs."""

    cluster: str
    path: str
    equal: int
    only_file: int
    only_store: int
    different: int
    first: dict[str, list[str]]
