"""Where the tasks that keep one cluster's pins meet: the same book, the same node, the same claims."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pincrew.bookkeeper import Bookkeeper, OnEvent
from pincrew.node_client import Node
from pincrew.node_watch import NodeWatch
from pincrew.ownership import Ownership
from pincrew.room import Room
from pincrew.selection import Selection


@dataclass(frozen=True, slots=True)
class Workplace:
    """What pinning, letting go and reconciling of one cluster share. ``cluster`` is its id.

    A curator's peer keeps all of its list: its ``selection`` has no rules and its ``room`` no bounds.
    """

    cluster: bytes
    keeper: Bookkeeper
    node: Node
    watch: NodeWatch
    ownership: Ownership
    now_ms: Callable[[], int]
    on_event: OnEvent
    selection: Selection
    room: Room
