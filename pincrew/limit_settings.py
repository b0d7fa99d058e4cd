"""The limits among the settings, as commands change and show them: a cluster's of the disk, and those of the line."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pincrew import limits
from pincrew.api.shapes import NetworkLimits, NetworkLimitsRequest
from pincrew.errors import Misuse, NotFound
from pincrew.files import read_file
from pincrew.month import Months, month_name, months_of, next_month
from pincrew.pause import moment_text
from pincrew.setting_values import from_text, parse_limit
from pincrew.settings import ClusterSettings, PartMode, Percent, Settings
from pincrew.timetable import timetable_of


def part_mode(text: str) -> PartMode:
    """Return what of a list is kept. Raises Misuse."""
    mode: PartMode = from_text(text, PartMode, "part")
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
