"""`status` for a person, in at most 80 columns and without need of colour. Pure: the time is an argument."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from datetime import datetime

from pincrew import figures
from pincrew.api.shapes import Lifetime, Progress, Summary
from pincrew.quantities import age_text

_SIGNS = {
    "complete": "✓",
    "failed": "✗",
    "waiting": "◌",
    "joining": "◌",
    "syncing": "◌",
    "consent": "!",
    "full": "◑",
    "paused": "❚❚",
}
_NOT_RUNNING = {"stopped", "failed"}
# In these states figures that are zero are not known: that is not the same as none.
_KNOW_NOTHING = {"joining": "no list yet", "failed": "it cannot run", "leaving": "being left"}
_AT_WORK = {"following", "syncing", "full"}
_GRAVE = {"node_down", "handshake_failed", "trust_conflict", "session_stopped", "disk_low"}
_NODES = {"kubo": "Kubo", "embedded": "embedded"}
_WIDTH = 80
_NAME_COLUMNS = 14

Style = Callable[[str, str], str]


def _unstyled(text: str, style: str) -> str:
    return text


def describe(cluster: Summary, now: datetime, style: Style = _unstyled) -> str:
    """Return a cluster's lines."""
    lines = [_head(cluster, style)]
    if cluster.pins.total or cluster.state not in _KNOW_NOTHING:
        lines += [_data(cluster), _list(cluster, now)]
    if cluster.state not in _NOT_RUNNING and cluster.node.address:
        lines.append(_node(cluster))
    if cluster.progress is not None and cluster.state in _AT_WORK:
        lines += _progress_lines(cluster.progress, now)
    if cluster.state == "paused":
        until = figures.wall_time(cluster.paused_until, now) if cluster.paused_until else "you resume it"
        is_month_over = any(reason.code == "monthly_cap" for reason in cluster.reasons)
        step = "pincrew limits" if is_month_over else f"pincrew resume -c {cluster.name}"
        lines.append(_line("pause", f"until {until}; nothing new is fetched ({step})"))
    if cluster.lifetime is not None and any((cluster.lifetime.days, cluster.lifetime.pins, cluster.lifetime.served)):
        lines.append(_so_far(cluster.lifetime))
    lines += [_reason(reason.code, reason.text, style) for reason in cluster.reasons]
    if cluster.pins.error:
        option = f" -c {cluster.name}"
        lines.append(style(f"  ✗ {figures.plural(cluster.pins.error, 'error')}:  pincrew errors{option}", "bad"))
    return "\n".join(lines)


def progress(cluster: Summary) -> str:
    """Return how far a cluster is, in half a line."""
    kept = cluster.pins.total - cluster.pins.remote
    if cluster.state in _KNOW_NOTHING and not cluster.pins.total:
        return _KNOW_NOTHING[cluster.state]
    if cluster.list.expected and cluster.list.have < cluster.list.expected and cluster.state in ("joining", "syncing"):
        return f"list {figures.count(cluster.list.have)} of {figures.count(cluster.list.expected)}"
    if not kept:
        return "no pins yet" if not cluster.pins.total else "no pins for this peer"
    done = figures.share(cluster.pins.pinned, kept)
    # As much as there will be, and not how far it is.
    word = " kept" if cluster.state == "full" or (cluster.state == "complete" and cluster.pins.skipped) else ""
    return f"{done:>7}{word}  {figures.count(cluster.pins.pinned)} of {figures.plural(kept, 'pin')}"


def _head(cluster: Summary, style: Style) -> str:
    tone = {"complete": "good", "following": "good", "failed": "bad", "waiting": "warn", "consent": "warn"}
    state = f"{_SIGNS[cluster.state]} {cluster.state}" if cluster.state in _SIGNS else cluster.state
    role = "  (curator)" if cluster.role == "curator" else ""
    rest = f"{progress(cluster)}{role}"
    room = max(_NAME_COLUMNS, _WIDTH - len(rest) - max(12, len(state)) - 2)
    name = figures.shorten(figures.printable(cluster.name), room)
    shown = style(f"{state:<12}", tone.get(cluster.state, "dim"))
    return f"{style(f'{name:<{_NAME_COLUMNS}}', 'strong')} {shown} {rest}"


def _data(cluster: Summary) -> str:
    """Say what is kept, of how much as far as sizes are known."""
    known, total = cluster.bytes.size_known_pins, cluster.bytes.total
    if not cluster.pins.total:
        text = "nothing yet"
    elif cluster.pins.total == cluster.pins.remote:
        text = "nothing for this peer"
    elif not known or total is None:
        text = "sizes not known yet"
    elif known >= cluster.pins.total:
        text = f"{figures.size(cluster.bytes.pinned)} of {figures.size(total)}"
    elif cluster.bytes.pinned >= total:
        unknown = figures.plural(cluster.pins.total - known, "pin")
        text = f"{figures.size(cluster.bytes.pinned)} and {unknown} of unknown size"
    else:
        text = f"{figures.size(cluster.bytes.pinned)} of more than {figures.size(total)}"
    busy = [
        figures.count(number) + word
        for number, word in (
            (cluster.pins.pinning, " in flight"),
            (cluster.pins.queued, " queued"),
            # A list that is complete has no others.
            (cluster.pins.skipped, " left out as you said" if cluster.state == "complete" else " skipped"),
            (cluster.pins.remote, " kept elsewhere"),
            (cluster.pins.unpinning, " to be unpinned"),
        )
        if number
    ]
    limit = f"limit {figures.size(cluster.bytes.limit)}" if cluster.bytes.limit is not None else ""
    free = (
        f"{figures.size(cluster.bytes.volume_free)} free on the volume" if cluster.bytes.volume_free is not None else ""
    )
    return _line("data", ", ".join(part for part in [text, *busy, limit, free] if part))


def _list(cluster: Summary, now: datetime) -> str:
    have, expected = cluster.list.have, cluster.list.expected
    if expected is not None and have < expected:
        current = f"{figures.count(have)} of {figures.count(expected)}"
    elif expected is None:
        current = "as last known"
    else:
        current = "current"
    change = f"last change {figures.ago(cluster.last_change, now)}" if cluster.last_change else "no change seen yet"
    if cluster.state in _NOT_RUNNING:
        return _line("list", f"{current}, {change}")
    seen = cluster.curators
    if cluster.role == "curator":
        of_all = figures.plural(seen.total, "other curator")
        curators = f"{seen.connected} of {of_all}" if seen.total else "no other curator"
    else:
        curators = f"{seen.connected} of {figures.plural(seen.total, 'curator')}"
    if seen.total and not seen.connected and seen.last_seen:
        curators += f" (seen {figures.ago(seen.last_seen, now)})"
    peers = figures.plural(cluster.peers.connected, "peer") if cluster.peers.connected else "no peer"
    return _line("list", f"{current}, {change}; {curators}, {peers} connected")


def _node(cluster: Summary) -> str:
    node = cluster.node
    parts = [_NODES.get(node.kind, node.kind), (node.version or "").removeprefix("kubo/"), node.state]
    where = f" at {node.address}" if node.address else ""
    return _line("node", " ".join(part for part in parts if part) + where)


def _progress_lines(progress: Progress, now: datetime) -> list[str]:
    """Say how fast it goes, and how long it may take; nothing where nothing is under way."""
    if not progress.in_flight:
        return []
    speed = (
        f"{figures.size(progress.rate)}/s" if progress.rate else f"{figures.plural(progress.blocks_rate, 'block')}/s"
    )
    usual = f" ({figures.size(progress.rate_10min)}/s over 10 minutes)" if progress.rate_10min else ""
    last = f"last block {figures.ago(progress.last_block, now)}" if progress.last_block else "no block yet"
    if progress.serving:
        last += f" from {figures.plural(progress.serving, 'peer')}"
    sent = f"; {figures.size(progress.upload_rate)}/s sent to others" if progress.upload_rate else ""
    return [_line("speed", f"{speed}{usual}, {last}{sent}; {_left(progress)}")]


def _left(progress: Progress) -> str:
    if progress.eta_low is None or progress.eta_high is None:
        return f"time left not known: {progress.no_eta}"
    low, high = age_text(progress.eta_low), age_text(progress.eta_high)
    return f"{low} left" if low == high else f"{low} to {high} left"


def _so_far(done: Lifetime) -> str:
    """Say what was done since the cluster was joined, whatever was let go of since then."""
    served = f", {figures.size(done.served)} served to others" if done.served is not None else ""
    since = f"in {figures.plural(done.days, 'day')}" if done.days else "since today"
    return _line(
        "so far", f"{figures.plural(done.pins, 'pin')} and {figures.size(done.fetched)} fetched{served}, {since}"
    )


def _reason(code: str, text: str, style: Style) -> str:
    is_grave = code in _GRAVE
    wrapped = textwrap.fill(
        f"{'✗' if is_grave else '!'} {figures.printable(text)}",
        width=_WIDTH,
        initial_indent="  ",
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return style(wrapped, "bad" if is_grave else "warn")


def _line(word: str, text: str) -> str:
    """Return a line under the head; what is too long goes on in the next one."""
    return textwrap.fill(
        figures.printable(text),
        width=_WIDTH,
        initial_indent=f"  {word:<6} ",
        subsequent_indent=" " * 9,
        break_long_words=False,
        break_on_hyphens=False,
    )
