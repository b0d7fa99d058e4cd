"""What stands in the middle of the screen while there is no cluster to show: no daemon, or nothing followed yet."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from pincrew.tui import words
from pincrew.tui.connection import Connection
from pincrew.tui.painted import Line, Painted, Piece

from pincrew import figures
from pincrew.api.shapes import Status


class Nothing(Painted):
    """Explains itself, and names the next key."""

    SCOPED_CSS = False  # rules name the screen's size, which stands outside
    DEFAULT_CSS = """
    Nothing { height: 1fr; text-wrap: wrap; text-overflow: fold; padding: 1 2; max-width: 84; display: none; }
    .-short Nothing { padding: 0 1; }
    """
    is_wrapped: ClassVar[bool] = True

    def show(self, status: Status | None, cluster: str, connection: Connection, now: datetime) -> None:
        """Say why nothing is shown; nothing where a list is."""
        lines = reasons(status, cluster, connection, now)
        self.display = bool(lines)
        self.set_lines(lines)


def reasons(status: Status | None, cluster: str, connection: Connection, now: datetime) -> list[Line]:
    """Return the lines, none where the cluster is there."""
    if status is not None and any(each.name == cluster for each in status.clusters):
        return []
    if connection.state == "new":
        return [[Piece("Asking pincrew's daemon…", "dim")]]
    if connection.is_starting:
        return [[Piece("Pincrew's daemon is being started…")]]
    if status is None or not connection.is_live:
        return _no_daemon(connection, now)
    if status.clusters:
        known = ", ".join(words.safe(each.name) for each in status.clusters)
        return [
            [Piece(f"There is no cluster “{words.safe(cluster)}” here.", "strong")],
            [Piece(f"You follow: {known}")],
            [Piece("")],
            [Piece("^p", "key"), Piece(" shows another one, "), Piece("a", "key"), Piece(" joins one")],
        ]
    return [
        [Piece("You follow no cluster yet.", "strong")],
        [Piece("")],
        [
            Piece(
                "A cluster is a crew and the list of what it keeps alive. To help one you need its address; its"
                " curators give it away, as a link, a domain or a file."
            )
        ],
        [Piece("")],
        [Piece("a", "key"), Piece(" joins one. It shows how large it is and who decides, before anything is fetched.")],
        [Piece("")],
        [Piece("In a shell: ", "dim"), Piece("pincrew follow https://books.example.org/books.toml")],
        [Piece("To see it all on this machine first: ", "dim"), Piece("pincrew demo")],
    ]


def _no_daemon(connection: Connection, now: datetime) -> list[Line]:
    if not connection.is_stopped and connection.error is not None:
        lines: list[Line] = [[Piece(f"✗ {words.safe(connection.error.what)}", "bad")]]
        lines += [[Piece(words.safe(text))] for text in (connection.error.means, connection.error.next_step) if text]
        since = figures.span(connection.seconds_lost(now))
        return [*lines, [Piece("")], [Piece(f"It is asked again every few seconds, for {since} now.", "dim")]]
    return [
        [Piece("Pincrew's daemon is not running.", "strong")],
        [Piece("")],
        [Piece("What is pinned stays pinned in your IPFS node; nothing new is fetched until the daemon runs again.")],
        [Piece("")],
        [Piece("s", "key"), Piece(" starts it.  In a shell: "), Piece("pincrew daemon start")],
        [Piece("To have it started with this computer: ", "dim"), Piece("pincrew autostart on")],
    ]
