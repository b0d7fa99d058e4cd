"""What `doctor` says of a running cluster: a line for each thing that can be wrong, and what to do about it.

FAIL is what keeps a follower from keeping up; a note is what is normal for some, or somebody else's to mend. Nothing
that other peers say is more than a note.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

import trio

from pincrew import __version__
from pincrew.api.lines import time_text
from pincrew.api.shapes import Check
from pincrew.errors import PincrewError
from pincrew.health import ReasonCode
from pincrew.keys import peer_id
from pincrew.limits import CHECKUP_CLOCK_OFF_S, CHECKUP_NODE_TIMEOUT_S, CHECKUP_STORAGE_SHARE, CHECKUP_VOLUME_BYTES
from pincrew.node_address import NodeKind
from pincrew.node_client import RepoStat
from pincrew.node_watch import NodeState
from pincrew.peer import Peer
from pincrew.quantities import age_text, size_text
from pincrew.room import Volume

if TYPE_CHECKING:
    from pincrew.network import Connection


class NodeFigures(NamedTuple):
    """What the node says of itself, None where it did not."""

    stat: RepoStat | None
    connections: int | None


async def checkup(peer: Peer, role: str) -> list[Check]:
    """Return the lines of one cluster."""
    figures = NodeFigures(None, None)
    is_up = peer.pinner.summary().node.state is NodeState.UP
    if is_up:
        figures = await _ask_node(peer)
    connections = peer.network.connections() if peer.network is not None else []
    return [
        *_node(peer),
        *node_lines(
            peer.options.name, figures, peer.node_room.volume, is_ours=peer.options.node_kind is NodeKind.EMBEDDED
        ),
        *_peers(peer, role, connections),
        *_curators(peer, connections),
        *_reachable(peer, connections),
        *_clock(peer, connections),
        *_list(peer),
    ]


async def _ask_node(peer: Peer) -> NodeFigures:
    stat = connected = None
    with trio.move_on_after(CHECKUP_NODE_TIMEOUT_S):
        try:
            stat = await peer.node.repo_stat()
            connected = len(await peer.node.swarm_peers())
        except PincrewError:
            pass  # The line of the node says whether it answers.
    return NodeFigures(stat, connected)


def _node(peer: Peer) -> Iterator[Check]:
    name, view = peer.options.name, peer.pinner.summary().node
    if view.state is NodeState.UP and view.identity is not None:
        text = f"the IPFS node answers at {view.address}, version {view.identity.version}"
        yield Check(name, "node", "ok", text, None)
        return
    trouble = f"{view.trouble or 'The IPFS node has not answered yet'} ({view.address})"
    fix = "start it with `ipfs daemon`, or move to another one with `pincrew node switch`; nothing is lost"
    if peer.options.node_kind is NodeKind.EMBEDDED:
        fix = f"it is started again by itself; its own words are in node.log. {fix.partition(', or ')[2]}"
    yield Check(name, "node", "FAIL", trouble, fix)


def node_lines(name: str, figures: NodeFigures, volume: Volume | None, *, is_ours: bool) -> Iterator[Check]:
    """Say how full the node is, and whether it knows any other."""
    stat = figures.stat
    if stat is not None:
        bound = (
            ", without a limit of its own" if stat.storage_max is None else f" of at most {size_text(stat.storage_max)}"
        )
        free = "" if volume is None else f", {size_text(volume.free)} free on its volume"
        text = f"the IPFS node stores {size_text(stat.size)}{bound}{free}"
        if volume is not None and volume.free < CHECKUP_VOLUME_BYTES:
            yield Check(name, "node's room", "note", text, "free some space there, or lower `pincrew limits --limit`")
        elif stat.storage_max is not None and stat.size >= CHECKUP_STORAGE_SHARE * stat.storage_max:
            fix = "raise it: `ipfs config Datastore.StorageMax 500GB`, and restart the node"
            if is_ours:
                fix = "raise the limits of the clusters on it (`pincrew limits`), or `storage_limit` in node.toml"
            yield Check(name, "node's room", "note", text, fix)
        else:
            yield Check(name, "node's room", "ok", text, None)
    if figures.connections is not None:
        nodes = "1 other node" if figures.connections == 1 else f"{figures.connections} other nodes"
        text = f"the IPFS node is connected to {nodes}"
        if figures.connections:
            yield Check(name, "node's connections", "ok", text, None)
        else:
            fix = "content comes from them: check its network. Those of the crew it is told to dial by itself"
            yield Check(name, "node's connections", "note", text, fix)


def _peers(peer: Peer, role: str, connections: list[Connection]) -> Iterator[Check]:
    name = peer.options.name
    if connections:
        text = "1 peer is connected" if len(connections) == 1 else f"{len(connections)} peers are connected"
        yield Check(name, "peers", "ok", text, None)
        return
    handshake = peer.reasons.get(ReasonCode.HANDSHAKE_FAILED)
    fix = "check the network, and that a curator's machine is up" if handshake is None else handshake.text
    if handshake is None and role == "curator":
        fix = "nobody follows yet, or none of those who do is up"
    yield Check(name, "peers", "FAIL" if role == "follower" else "note", "no other peer is connected", fix)


def _curators(peer: Peer, connections: list[Connection]) -> Iterator[Check]:
    """A line for each curator but ourselves."""
    connected = {one.peer for one in connections}
    met = {one.peer: one.seen_ms for one in peer.acquaintances.all()}
    for curator in sorted(peer_id(key) for key in peer.member.chain.curators):
        if curator == peer.id:
            continue
        heard = peer.heard_of(curator)
        who = f"…{curator[-6:]}" + (f" ({heard.name})" if heard is not None and heard.name else "")
        if curator in connected:
            yield Check(peer.options.name, "curator", "ok", f"{who} is connected", None)
            continue
        seen_ms = max((one for one in (met.get(curator), heard and heard.time_ms) if one), default=None)
        when = "was never met" if seen_ms is None else f"was seen {age_text((peer.clock_ms() - seen_ms) / 1_000)} ago"
        fix = "what is pinned stays; the list changes once one of them is back, and comes from any peer that has it"
        yield Check(peer.options.name, "curator", "note", f"{who} is not connected, and {when}", fix)


def _reachable(peer: Peer, connections: list[Connection]) -> Iterator[Check]:
    if not connections:
        return
    name, came = peer.options.name, sum(one.via == "in" for one in connections)
    if came:
        peers = "1 of them" if came == 1 else f"{came} of them"
        yield Check(name, "reachable", "ok", f"{peers} connected to us: others reach this machine", None)
        return
    ports = sorted({part[4] for part in (text.split("/") for text in peer.options.listen) if len(part) > 4})
    fix = f"to help others, let TCP port {' or '.join(ports) or 'of `listen` in cluster.toml'} through to this machine"
    text = "nobody has connected to us: normal behind a router, and no hindrance"
    yield Check(name, "reachable", "note", text, fix)


def _clock(peer: Peer, connections: list[Connection]) -> Iterator[Check]:
    """Compare our clock with the times in what connected peers announced of themselves, when that came."""
    connected = {one.peer for one in connections}
    now_ms, now = peer.clock_ms(), trio.current_time()
    offsets = [
        (now_ms - 1_000 * (now - one.at) - one.announcement.time_ms) / 1_000
        for one in peer.member.heard.all()
        if one.announcement.peer in connected
    ]
    if offsets:
        yield clock_line(peer.options.name, median(offsets), len(offsets))


def clock_line(name: str, ahead_s: float, peers: int) -> Check:
    """Say whether a clock that is so far ahead of those of others is right."""
    others = "the other peer says" if peers == 1 else f"{peers} peers say"
    if abs(ahead_s) < CHECKUP_CLOCK_OFF_S:
        return Check(name, "clock", "ok", f"as {others}, within {int(CHECKUP_CLOCK_OFF_S / 60)} minutes", None)
    word = "ahead of" if ahead_s > 0 else "behind"
    text = f"this machine's clock is {age_text(abs(ahead_s))} {word} what {others}"
    return Check(name, "clock", "note", text, "set it: `timedatectl set-ntp true`, or in the system's settings")


def _list(peer: Peer) -> Iterator[Check]:
    name = peer.options.name
    for session, stopped in peer.member.replica.stopped.items():
        text = f"a session of {session.author.hex()[:16]} was stopped: {stopped}"
        yield Check(name, "sessions", "FAIL", text, "ask the curators; what was written before stays in force")
    if (damage := peer.reasons.get(ReasonCode.DAMAGED)) is not None:
        fix = "nothing, where others have it; else test the disk, and see `pincrew events`"
        yield Check(name, "content", "FAIL", damage.text, fix)
    fault = peer.applier.fault
    if fault is None:
        changed = time_text(peer.last_change_ms())
        since = "" if changed is None else f", last changed {changed}"
        yield Check(name, "state", "ok", f"state readable{since}, version {__version__}", None)
    else:
        yield Check(name, "state", "FAIL", fault.what, fault.next_step)
