"""Shapes of joining and leaving: what a source offers, what a volunteer chose, config documents."""

from __future__ import annotations

import msgspec


class OfferRequest(msgspec.Struct, frozen=True):
    """A source as the user typed it; a relative path starts at ``folder``."""

    source: str
    folder: str


class Offer(msgspec.Struct, frozen=True):
    """What a source offers, for a person to take or leave. ``offer`` names it for `AcceptRequest`: the SHA-256 of the
    document, so that what is joined is what was shown. ``joined_as``: the name under which it is joined already.
    ``bytes_hint`` is what ``sized_hint`` of its ``pins_hint`` pins come to; of the others no size is known."""

    offer: str
    cluster_id: str
    name: str
    title: str
    description: str
    source: str
    revision: int
    issued: str
    curators: list[str]
    peers: int
    pins_hint: int | None
    bytes_hint: int | None
    is_closed: bool
    needs_secret: bool
    joined_as: str | None
    warnings: list[str]
    sized_hint: int | None = None


class ProspectRequest(msgspec.Struct, frozen=True):
    """Which offer is meant, and which IPFS node would be used (as in `AcceptRequest`)."""

    offer: str
    ipfs: str = ""


class Prospect(msgspec.Struct, frozen=True):
    """What joining would meet here and now. ``node_kind``: embedded or kubo; ``node_version`` is null where the node
    does not answer, or is pincrew's own and not started yet; ``volume_total`` and ``volume_free`` are of that on
    which it stores, null where that cannot be seen. ``limit`` is what is proposed: 90 % of what is free less 10 GB;
    null where that is less than 1 GB. ``curators_reached`` of ``curators`` and ``others_reached`` of ``others``
    take connections where the document says.
    """

    node_kind: str
    node_version: str | None
    volume_total: int | None
    volume_free: int | None
    limit: int | None
    folder: str
    folder_trouble: str | None
    curators: int
    curators_reached: int
    others: int
    others_reached: int


class AcceptRequest(msgspec.Struct, frozen=True):
    """What a volunteer chose (empty: the default). ``secret_file`` is an absolute path.

    ``routers`` and ``gateways`` are URLs where pincrew's own node looks for content besides the crew. ``limit`` is as
    people write sizes, or `none`; ``keep_free`` a percentage; ``part``: auto, part or all.
    """

    offer: str
    name: str = ""
    ipfs: str = ""
    secret_file: str | None = None
    obey: bool = False
    unlisted: bool = False
    peer_name: str = ""
    listen: list[str] = []
    announce: list[str] = []
    routers: list[str] = []
    gateways: list[str] = []
    limit: str | None = None
    keep_free: int | None = None
    part: str = "auto"


class Followed(msgspec.Struct, frozen=True):
    """A cluster that was joined. ``was_joined``: it had been before, and nothing changed."""

    cluster: str
    id: str
    peer_id: str
    home: str
    was_joined: bool


class Published(msgspec.Struct, frozen=True):
    """A config document just made."""

    document: str
    sha256: str
    revision: int


class SourceInfo(msgspec.Struct, frozen=True):
    """Where a follower's config document comes from. ``state``: current, cached, older, changed, unreachable."""

    cluster: str
    source: str | None
    state: str
    revision: int | None
    fetched: str | None
    text: str | None
    differences: list[str]


class Left(msgspec.Struct, frozen=True):
    """What leaving unpins and removes; ``rest`` says what remains, ``owner_key`` where that is moved to."""

    cluster: str
    dry_run: bool
    pins: int
    bytes: int | None
    kept: int
    removed: list[str]
    rest: str | None
    owner_key: str | None = None
