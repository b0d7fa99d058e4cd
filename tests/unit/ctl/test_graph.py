"""The graph as a DOT file."""

from __future__ import annotations

from typing import Any

from pincrew.ctl.answers import shaped
from pincrew.ctl.graph import dot
from pincrew.rest.shapes import ConnectGraph
from unit.ctl.examples import NODE, OTHER, PEER

THIRD = "QmThirdThirdThird"
OUTSIDE = "12D3KooWOutsideOutside"


def lines_of(*, all_ipfs_peers: bool = False, **changed: Any) -> list[str]:
    value = {
        "cluster_id": PEER,
        "id_to_peername": {PEER: "vm", OTHER: "<b>&"},
        "ipfs_links": {NODE: [OUTSIDE]},
        "cluster_links": {PEER: [OTHER], OTHER: [PEER]},
        "cluster_trust_links": {OTHER: True},
        "cluster_to_ipfs": {PEER: NODE},
        **changed,
    }
    return list(dot(shaped(ConnectGraph, value), all_ipfs_peers=all_ipfs_peers))


def test_a_peer_and_its_node() -> None:
    lines = lines_of()
    assert lines[0] == "digraph cluster {" and lines[-1] == "}"
    assert (
        f'C1 [label=< <B> vm </B> <BR/> <B> 12*U5Gcfi </B> > group="{PEER}"'
        ' color="orange" style="filled" colorscheme="x11" fontcolor="black" fontname="Arial" shape="box3d"'
        ' peripheries="2" ]'
    ) in lines
    assert [line for line in lines if "->" in line] == [
        "T0 -> C1", "C1 -> T0", 'T0 -> I1 [ style="dotted" ]', "C1 -> I0"
    ]  # fmt: skip


def test_names_are_text_and_no_markup() -> None:
    [line] = [line for line in lines_of() if line.startswith("T0 [")]
    assert "&lt;b&gt;&amp;" in line


def test_a_node_that_does_not_answer_is_shown_as_such() -> None:
    [line] = [line for line in lines_of() if line.startswith("I1 [")]
    assert "Errored" in line and "firebrick1" in line


def test_nodes_of_others_only_where_asked() -> None:
    assert not any("Outsid" in line for line in lines_of())
    lines = lines_of(all_ipfs_peers=True)
    assert any(f'group="{OUTSIDE}"' in line for line in lines)
    assert "I0 -> I1" in lines or "I1 -> I0" in lines


def test_a_peer_that_only_another_one_sees() -> None:
    """Go's own client ends with a panic there."""
    lines = lines_of(cluster_links={PEER: [OTHER, THIRD]})
    assert "C1 -> C2" in lines


def test_nothing_at_all() -> None:
    assert lines_of(cluster_links=None, ipfs_links=None, cluster_to_ipfs=None)[-1] == "}"
