"""A cluster's connections as a DOT file, with the names of nodes that ipfs-cluster-ctl gives. Pure."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping

from pincrew.figures import printable
from pincrew.rest.shapes import ConnectGraph

_COMMON = 'style="filled" colorscheme="x11" fontcolor="black" fontname="Arial"'


def dot(graph: ConnectGraph, *, all_ipfs_peers: bool) -> Iterator[str]:
    """Yield the lines. ``all_ipfs_peers``: also nodes that belong to no peer of the cluster."""
    peers, peer_lines = _peers(graph)
    links = _ipfs_links(graph, all_ipfs_peers=all_ipfs_peers)
    missing = [peer for peer in peers if peer not in graph.cluster_to_ipfs]
    nodes = {node: f"I{number}" for number, node in enumerate([*sorted(links), *missing])}
    yield "digraph cluster {"
    yield "/* The nodes of the connectivity graph */"
    yield "/* The cluster-service peers */"
    yield from ("subgraph  {", 'rank="min"', *peer_lines, "}", "")
    yield "/* The ipfs peers */"
    yield from ("subgraph  {", 'rank="max"')
    for node, name in nodes.items():
        label, color = ("Errored", "firebrick1") if node in missing else (_shorten(node), "turquoise3")
        yield _vertex(name, _label("IPFS", label), node, color, 'shape="cylinder"')
    yield from ("}", "")
    yield "/* Edges representing active connections in the cluster */"
    yield "/* The connections among cluster-service peers */"
    for peer, name in peers.items():
        yield from (f"{name} -> {peers[other]}" for other in graph.cluster_links.get(peer, ()))
    yield ""
    yield "/* The connections between cluster peers and their ipfs daemons */"
    for peer, name in peers.items():
        own = graph.cluster_to_ipfs.get(peer)
        if own is None:
            yield f'{name} -> {nodes[peer]} [ style="dotted" ]'
        elif own in nodes:
            yield f"{name} -> {nodes[own]}"
    yield ""
    yield "/* The swarm peer connections among ipfs daemons in the cluster */"
    for node in sorted(links):
        yield from (f"{nodes[node]} -> {nodes[other]}" for other in links[node] if other in nodes)
    yield "}"


def _peers(graph: ConnectGraph) -> tuple[Mapping[str, str], list[str]]:
    """Return each peer's name in the file, and the lines that describe them."""
    # A peer may be seen by another and be none that answered: Go's own client fails then.
    seen = {other for others in graph.cluster_links.values() for other in others}
    names: dict[str, str] = {}
    lines = []
    for number, peer in enumerate(sorted(seen | set(graph.cluster_links))):
        is_self, is_trusted = peer == graph.cluster_id, graph.cluster_trust_links.get(peer, False)
        names[peer] = f"{'T' if is_trusted and not is_self else 'C'}{number}"
        color = "orange" if is_self or is_trusted else "darkorange3"
        shape = 'shape="box3d" peripheries="2"' if is_self else 'shape="box3d"'
        label = _label(graph.id_to_peername.get(peer, ""), _shorten(peer))
        lines.append(_vertex(names[peer], label, peer, color, shape))
    return names, lines


def _ipfs_links(graph: ConnectGraph, *, all_ipfs_peers: bool) -> dict[str, list[str]]:
    """Return which nodes are shown, and whom each is connected to."""
    links = {node: list(others) for node, others in graph.ipfs_links.items()}
    if all_ipfs_peers:
        for others in graph.ipfs_links.values():
            for other in others:
                links.setdefault(other, [])
    return {node: [other for other in others if other in links] for node, others in links.items()}


def _vertex(name: str, label: str, group: str, color: str, shape: str) -> str:
    return f'{name} [label={label} group="{html.escape(printable(group))}" color="{color}" {_COMMON} {shape} ]'


def _label(name: str, identity: str) -> str:
    return f"< <B> {html.escape(printable(name))} </B> <BR/> <B> {html.escape(printable(identity))} </B> >"


def _shorten(identity: str) -> str:
    return f"{identity[:2]}*{identity[-6:]}"
