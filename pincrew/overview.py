"""What the API says of a peer: its parts' facts, put into the shapes. Cheap: counters, never scans."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import trio

from pincrew.api import shapes
from pincrew.api.lines import time_text
from pincrew.cid import cid_text
from pincrew.errors import PincrewError
from pincrew.health import Facts, ReasonCode, ReasonText, state_of
from pincrew.keys import peer_id
from pincrew.limits import FLIGHT_NAME_CHARACTERS_MAX, FLIGHTS_SHOWN
from pincrew.node_address import NodeKind
from pincrew.node_finding import kind_of
from pincrew.node_watch import NodeState
from pincrew.paths import ClusterPaths
from pincrew.peer import Peer
from pincrew.pinner import PinnerSummary
from pincrew.quantities import age_text
from pincrew.rates import Rates, TimeLeft, time_left
from pincrew.room import Bound
from pincrew.settings_files import load_cluster
from pincrew.tracker import FOR_ROOM, NOT_PART
from pincrew.values import PinState


def summary_of(peer: Peer, role: str, extra: Iterable[ReasonText] = ()) -> shapes.Summary:
    """Return one cluster at a glance; ``extra`` are the role's own reasons."""
    counts, sizes = peer.statuses.counts(), peer.statuses.sizes()
    pinner = peer.pinner.summary()
    connections = peer.network.connections() if peer.network is not None else []
    curators = {peer_id(key) for key in peer.member.chain.curators} - {peer.id}
    curators_connected = sum(connection.peer in curators for connection in connections)
    have = sum(head.number for head in peer.member.heads().values())
    expected = sum(head.number for head in peer.sync.best_heads().values())
    total = sum(count for state, count in counts.items() if state is not PinState.UNPINNING)
    reasons = [*peer.reasons.values(), *extra]
    if pinner.node.state is NodeState.DOWN:
        trouble = pinner.node.trouble or "it does not answer"
        reasons.append(ReasonText(ReasonCode.NODE_DOWN, trouble, pinner.node.since_ms))
    if peer.is_running and role == "follower":
        if not connections:
            reasons.append(ReasonText(ReasonCode.NO_PEERS, "No other peer of the cluster is connected"))
        elif curators and not curators_connected:
            seen_ms = peer.curator_seen_ms
            since = "" if seen_ms is None else f", for {age_text((peer.clock_ms() - seen_ms) / 1_000)} now"
            text = f"No curator is connected{since}: pins stay, changes come once one is back"
            reasons.append(ReasonText(ReasonCode.NO_CURATOR, text, seen_ms))
    if pinner.held:
        text = f"{pinner.held} pins were removed at once; they are kept until you decide (pincrew removals show)"
        reasons.append(ReasonText(ReasonCode.MASS_REMOVAL, text, pinner.held_since_ms))
    if peer.member.chain.conflict is not None:
        text = "Two different trust records of one number were signed: no change of curators is taken"
        reasons.append(ReasonText(ReasonCode.TRUST_CONFLICT, text))
    if peer.applier.fault is not None:
        reasons.append(ReasonText(ReasonCode.DISK_LOW, peer.applier.fault.sentence))
    reasons += _room_reasons(peer, pinner)
    skipped = _skipped(pinner.skipped_for, counts[PinState.SKIPPED])
    facts = Facts(
        is_curator=role == "curator",
        is_running=peer.is_running,
        is_leaving=peer.leaving,
        failure=peer.failure,
        is_paused=peer.is_paused,
        node_is_up=pinner.node.state is not NodeState.DOWN,
        peers_connected=len(connections),
        curators_connected=curators_connected,
        has_compared=peer.sync.has_compared,
        envelopes=have,
        envelopes_expected=expected + peer.member.bases.is_taking,
        pins_ours=total - counts[PinState.REMOTE],
        pins_pinned=counts[PinState.PINNED],
        pins_no_room=skipped.for_room if pinner.is_room_settled else 0,
        pins_not_part=skipped.not_part,
        pins_user_skipped=skipped.by_user,
        removals_held=pinner.held,
    )
    state = state_of(facts)
    known = sum(heard.announcement.key != peer.key.public for heard in peer.member.heard.all())
    identity = pinner.node.identity
    known_bytes = sum(size for state, (size, _) in sizes.items() if state is not PinState.UNPINNING)
    known_pins = sum(sized for state, (_, sized) in sizes.items() if state is not PinState.UNPINNING)
    last_seen = peer.clock_ms() if curators_connected else peer.curator_seen_ms
    return shapes.Summary(
        name=peer.options.name,
        id=peer.member.chain.cluster_id.hex(),
        role=role,
        consensus="crdt",
        state=state.value,
        reasons=[shapes.Reason(r.code.value, r.text, time_text(r.since_ms)) for r in reasons],
        list=_list_progress(peer, have, expected),
        pins=shapes.PinCounts(
            total=total,
            pinned=counts[PinState.PINNED],
            pinning=counts[PinState.PINNING],
            queued=counts[PinState.QUEUED],
            error=counts[PinState.ERROR],
            skipped=counts[PinState.SKIPPED],
            remote=counts[PinState.REMOTE],
            unpinning=counts[PinState.UNPINNING],
        ),
        bytes=shapes.ByteCounts(
            pinned=sizes[PinState.PINNED][0],
            total=known_bytes if known_pins or not total else None,
            size_known_pins=known_pins,
            limit=peer.pinner.room.limit,
            volume_free=None if peer.node_room.volume is None else peer.node_room.volume.free,
        ),
        peers=shapes.PeerCounts(len(connections), known),
        curators=shapes.CuratorCounts(curators_connected, len(curators), time_text(last_seen)),
        last_change=time_text(peer.last_change_ms()),
        paused_until=time_text(peer.paused_until_ms),
        node=shapes.NodeInfo(
            kind=peer.options.node_kind.value,
            address=pinner.node.address,
            state=pinner.node.state.value,
            version=identity.version if identity else None,
            peer_id=identity.peer_id if identity else None,
        ),
        lifetime=peer.lifetime.figures(),
        progress=_progress(
            pinner, counts, sizes, peer.clock_ms(), upload_rate=peer.flow.upload_rate, is_paused=facts.is_paused
        ),
        rev=peer.listing.revision(),
        db_bytes=peer.store_size.bytes,
    )


def _progress(
    pinner: PinnerSummary,
    counts: Mapping[PinState, int],
    sizes: Mapping[PinState, tuple[int, int]],
    now_ms: int,
    *,
    upload_rate: int | None,
    is_paused: bool,
) -> shapes.Progress:
    """Say how fast it goes and how long it may take."""
    now = trio.current_time()
    rates, blocks_per_s, seen_s = Rates(), 0.0, 0.0
    last_at = None
    if pinner.arrivals is not None:
        rates, blocks_per_s = pinner.arrivals.bytes_per_s(now), pinner.arrivals.blocks_per_s(now)
        seen_s, last_at = pinner.arrivals.seen_s(now), pinner.arrivals.last_at
    missing = (PinState.QUEUED, PinState.PINNING, PinState.ERROR)
    left = time_left(
        pins=sum(counts[state] for state in missing),
        sized=sum(sizes[state][1] for state in missing),
        size=sum(sizes[state][0] for state in missing),
        arrived=sum(one.bytes or 0 for one in pinner.in_flight),
        rates=rates,
        seen_s=seen_s,
    )
    if is_paused:
        left = TimeLeft(why="paused")
    return shapes.Progress(
        rate=round(rates.short),
        rate_10min=round(rates.middle),
        rate_6h=round(rates.long),
        blocks_rate=round(blocks_per_s),
        eta_low=left.low_s,
        eta_high=left.high_s,
        no_eta=left.why,
        last_block=moment_text(now_ms, last_at),
        in_flight=len(pinner.in_flight),
        flights=[
            shapes.Flight(
                cid_text(one.cid),
                one.name[:FLIGHT_NAME_CHARACTERS_MAX],
                one.blocks,
                one.bytes,
                one.size,
                moment_text(now_ms, one.last_block_at),
                round(one.rate),
                one.senders,
            )
            for one in pinner.in_flight[:FLIGHTS_SHOWN]
        ],
        upload_rate=upload_rate,
        serving=pinner.senders,
    )


def moment_text(now_ms: int, at: float | None) -> str | None:
    """Return a moment on the clock of the event loop in RFC 3339, to the second: the two clocks drift apart."""
    return None if at is None else time_text(round(now_ms / 1_000 - (trio.current_time() - at)) * 1_000)


class _Skipped(NamedTuple):
    """Pins that are skipped, by whose doing."""

    for_room: int = 0
    not_part: int = 0
    by_user: int = 0


def _skipped(causes: Mapping[str, int], total: int) -> _Skipped:
    """Return the facts about what is skipped; none while it is being counted anew."""
    if sum(causes.values()) != total:
        return _Skipped()
    for_room = sum(causes.get(cause, 0) for cause in FOR_ROOM)
    not_part = causes.get(NOT_PART, 0)
    return _Skipped(for_room, not_part, total - for_room - not_part)


def _room_reasons(peer: Peer, pinner: PinnerSummary) -> list[ReasonText]:
    """Say what leaves no room, where pins are skipped for that."""
    room = peer.pinner.room
    # While it is not settled, what was skipped is being let in again, as after a limit was raised.
    skipped = sum(pinner.skipped_for.get(cause, 0) for cause in FOR_ROOM) if pinner.is_room_settled else 0
    pins = "1 pin has" if skipped == 1 else f"{skipped:,} pins have"
    found = []
    if skipped and room.bound in (Bound.LIMIT, Bound.NODE):
        by = "below your limit" if room.bound is Bound.LIMIT else "on the IPFS node"
        found.append(ReasonText(ReasonCode.LIMIT, f"{pins} no room {by} (pincrew limits)"))
    if room.is_volume_low or (skipped and room.bound is Bound.VOLUME):
        text = f"Less than {room.keep_free_percent} % of the volume would stay free: nothing more is fetched"
        found.append(ReasonText(ReasonCode.DISK_LOW, f"{text} (pincrew limits)"))
    return found


def _list_progress(peer: Peer, have: int, expected: int) -> shapes.ListProgress:
    """Return how far the list came: in pins where a base is taken as it is, else in envelopes."""
    candidate = peer.member.bases.candidate
    if candidate is not None and candidate.is_taken:
        return shapes.ListProgress(peer.member.bases.fetched(), candidate.base.pins)
    return shapes.ListProgress(have, expected if peer.sync.has_compared or have else None)


def down_summary(paths: ClusterPaths, failure: PincrewError | None, *, is_leaving: bool) -> shapes.Summary:
    """Say what can be said of a cluster that does not run."""
    state = "failed" if failure is not None else "joining"
    reasons = [] if failure is None else [shapes.Reason(failure.code, failure.sentence, None)]
    if is_leaving:
        state = "leaving"
    try:
        local = load_cluster(paths.settings)
        cluster_id, role, kind = local.cluster_id, local.role.value, kind_of(local.ipfs).value
    except PincrewError:
        cluster_id, role, kind = "", "follower", NodeKind.KUBO.value
    return shapes.Summary(
        name=paths.name,
        id=cluster_id,
        role=role,
        consensus="crdt",
        state=state,
        reasons=reasons,
        list=shapes.ListProgress(0, None),
        pins=shapes.PinCounts(0, **{one.value: 0 for one in PinState}),
        bytes=shapes.ByteCounts(0, None, 0, None),
        peers=shapes.PeerCounts(0, 0),
        curators=shapes.CuratorCounts(0, 0, None),
        last_change=None,
        paused_until=None,
        node=shapes.NodeInfo(kind, None, "starting", None, None),
    )


def peer_lines(peer: Peer) -> list[shapes.PeerLine]:
    """Return every peer known: connected, announced, and met before."""
    connections = {one.peer: one for one in (peer.network.connections() if peer.network is not None else [])}
    heard = {one.announcement.peer: one.announcement for one in peer.member.heard.all()}
    met = {one.peer: one for one in peer.acquaintances.all()}
    curators = {peer_id(key) for key in peer.member.chain.curators}
    lines = []
    for known in sorted({*connections, *heard, *met, *curators} - {peer.id}):
        said, link = heard.get(known), connections.get(known)
        seen = [said.time_ms] if said is not None else []
        seen += [met[known].seen_ms] if known in met else []
        lines.append(
            shapes.PeerLine(
                cluster=peer.options.name,
                id=known,
                name=said.name if said is not None else "",
                role="curator" if known in curators else "follower",
                connected=link is not None,
                via=link.via if link is not None else None,
                last_seen=time_text(peer.clock_ms() if link is not None else max(seen, default=None)),
                version=said.version if said is not None else None,
                node_id=said.node_id if said is not None else None,
                pins=said.counters.pinned if said is not None else None,
                free=said.free_bytes if said is not None else None,
                tags=dict(said.tags) if said is not None else {},
            )
        )
    return lines
