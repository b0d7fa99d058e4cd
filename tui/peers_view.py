"""View 3: the peers of the cluster, the curators first."""

from __future__ import annotations

from pincrew.tui import words
from pincrew.tui.asking_view import AskingView
from pincrew.tui.held_table import HeldTable
from pincrew.tui.line_table import Column, LineTable
from textual import on
from textual.app import ComposeResult

from pincrew import figures, limits
from pincrew.api.client import Client
from pincrew.api.shapes import PeerLine

_COLUMNS = (
    Column("name", "Name", 0),
    Column("via", "Connection", 14),
    Column("pins", "Pins", 10, is_right=True),
    Column("free", "Free", 9, is_right=True, table_width_min=60),
    Column("version", "Version", 14, table_width_min=100),
    Column("id", "Peer", 10, table_width_min=72),
)
_VIA = {"in": "incoming", "out": "outgoing", "relay": "by a relay"}


class PeersView(AskingView):
    """Asks for the peers every few seconds while it is visible."""

    interval_s = limits.VIEW_PEERS_INTERVAL_S

    def content(self) -> ComposeResult:
        """Yield the table."""
        yield HeldTable[PeerLine](_COLUMNS, self._cells, lambda peer: peer.id, _tone)

    def forget(self) -> None:
        """Let go of another cluster's peers."""
        self._table.put(())
        self.say_head("")
        self.say_empty("asking …")

    async def ask(self) -> None:
        """Ask for all of them; of very many the first are shown."""
        name = self.cluster

        def ask(client: Client) -> list[PeerLine]:
            return sorted(client.peers(name), key=_order)

        peers = await self.backend.ask(ask)
        shown = peers[: limits.VIEW_PEERS_SHOWN_MAX]
        self._table.put(shown)
        self.say_head(*_counts(peers, len(shown)))
        self.say_empty("" if peers else "No peer has been seen yet. Key d looks for what is wrong.")

    @on(LineTable.Highlighted)
    def _highlighted(self, event: LineTable.Highlighted) -> None:
        event.stop()
        peer = self._table.current
        self.say_foot("" if peer is None else _details(peer))

    @property
    def _table(self) -> HeldTable[PeerLine]:
        return self.query_one(HeldTable)

    def _cells(self, peer: PeerLine) -> list[str]:
        if peer.connected:
            reached = _VIA.get(peer.via or "", "connected")
        else:
            reached = figures.ago(peer.last_seen, self.terminal_view.now())
        return [
            f"{'★ ' if peer.role == 'curator' else '  '}{words.safe(peer.name) or '—'}",
            reached,
            "—" if peer.pins is None else figures.count(peer.pins),
            figures.size(peer.free),
            words.safe(peer.version or "—"),
            f"…{peer.id[-8:]}",
        ]


def _details(peer: PeerLine) -> str:
    """Return what there is no column for."""
    tags = " ".join(f"{words.safe(name)}={words.safe(value)}" for name, value in peer.tags.items())
    node = f"\nits IPFS node: {words.safe(peer.node_id)}" if peer.node_id else ""
    return f"{words.safe(peer.id)}{f'  {tags}' if tags else ''}{node}"


def _order(peer: PeerLine) -> tuple[bool, bool, str, str]:
    """Curators first, then who is connected; names do not jump about as time goes on."""
    return peer.role != "curator", not peer.connected, peer.name.casefold() or "\uffff", peer.id


def _tone(column: str, peer: PeerLine) -> str:
    if column == "via":
        return "good" if peer.connected else "dim"
    return ""


def _counts(peers: list[PeerLine], shown: int) -> tuple[str, ...]:
    if not peers:
        return ()
    curators = sum(peer.role == "curator" for peer in peers)
    connected = sum(peer.connected for peer in peers)
    more = f"the first {figures.count(shown)} are shown, `pincrew peers` lists all" if shown < len(peers) else ""
    found = f"{figures.plural(len(peers), 'peer')}, {connected} connected"
    return found, f"★ {figures.plural(curators, 'curator')}", more
