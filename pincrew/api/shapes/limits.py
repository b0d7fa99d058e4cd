"""Shapes of limits and of what a user says of single pins."""

from __future__ import annotations

import msgspec


class NetworkLimits(msgspec.Struct, frozen=True):
    """What all clusters together may take of the line, in bytes a second (null: no limit), always and in quiet hours;
    ``download_now`` and ``upload_now`` hold at this time. ``is_approximate``: a cluster is on a Kubo, where pins are
    held up while too much arrives, and nothing limits what is sent. ``settings`` is the file. ``monthly_cap`` bytes may
    pass in ``month`` (like 2026-11), which ends at ``month_ends``; ``month_received`` and ``month_sent`` did, as far as
    they were counted: of a Kubo, what it received while the daemon ran. ``is_month_over``: nothing more may."""

    download: int | None
    upload: int | None
    quiet_hours: str | None
    quiet_download: int | None
    quiet_upload: int | None
    is_quiet: bool
    download_now: int | None
    upload_now: int | None
    is_approximate: bool
    settings: str
    monthly_cap: int | None = None
    month: str | None = None
    month_received: int = 0
    month_sent: int = 0
    month_ends: str | None = None
    is_month_over: bool = False


class Limits(msgspec.Struct, frozen=True):
    """What one cluster may take of this machine, and what it takes. ``keep_free`` is in percent of the volume with the
    IPFS node's data, whose figures are null where it is not on this machine; ``kept`` are bytes held, ``reserved``
    bytes for pins under way. ``bound`` is what leaves no room, null while there is some: limit, volume, node.
    ``settings`` is the file that was read. ``network`` are the limits of the line, for all clusters (null as it
    travels). ``is_volume_looked_at``: the node has said where it stores since the start."""

    cluster: str
    limit: int | None
    keep_free: int
    part: str
    kept: int
    reserved: int
    volume_total: int | None
    volume_free: int | None
    skipped_for_room: int
    bound: str | None
    settings: str
    network: NetworkLimits | None = None
    is_volume_looked_at: bool = True


class LimitsRequest(msgspec.Struct, frozen=True):
    """Other limits: ``limit`` as people write sizes, or `none`; null leaves a limit as it is. ``excess`` says what
    becomes of pins beyond a lower limit, or outside of another ``part`` (auto, part, all): unpin or leave."""

    limit: str | None = None
    keep_free: int | None = None
    excess: str | None = None
    dry_run: bool = False
    part: str | None = None


class LimitsChanged(msgspec.Struct, frozen=True):
    """The limits that hold now (would hold, in a dry run), and what is (would have to be) unpinned for them: ``chosen``
    is newest, for the newest of the list, or part, for what is outside of the part that fits."""

    limits: Limits
    pins: int
    bytes: int
    is_dry_run: bool
    chosen: str = "newest"


class NetworkLimitsRequest(msgspec.Struct, frozen=True):
    """Other limits of the line, as people write sizes, or `none`; null leaves one as it is."""

    download: str | None = None
    upload: str | None = None
    quiet_hours: str | None = None
    quiet_download: str | None = None
    quiet_upload: str | None = None
    monthly_cap: str | None = None


class PauseRequest(msgspec.Struct, frozen=True):
    """Fetch nothing new until then (RFC 3339), null: until somebody resumes."""

    until: str | None = None


class Paused(msgspec.Struct, frozen=True):
    """Whether a cluster is paused, and until when; null: until somebody resumes."""

    cluster: str
    is_paused: bool
    until: str | None


class ChoiceRequest(msgspec.Struct, frozen=True):
    """The user's word on single pins: skip, next, or null to take it back."""

    cids: list[str]
    choice: str | None


class Chosen(msgspec.Struct, frozen=True):
    """How many pins the word was taken for; ``absent`` are not on the list, ``denied`` stay out by a denylist."""

    cluster: str
    choice: str | None
    pins: int
    absent: list[str]
    denied: list[str]
