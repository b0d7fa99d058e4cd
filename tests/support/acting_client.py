"""A daemon in memory that also shows peers, causes and events, and on which a user can act; it keeps what was done."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec
from pincrew.tui.app import TerminalView
from textual.pilot import Pilot

from pincrew.api import shapes
from pincrew.api.client import PinPage, Query
from pincrew.errors import Conflict
from support.fake_client import NOW, FakeClient, a_pin, a_summary
from support.screens import text_of, until
from support.shape_examples import PEER, offer, pin_object, prospect

LIST = "gutenberg-es"
_PATIENCE_S = 30.0
CAUSES = ("no provider found", "providers seen, none answers", "IPFS: block too large [red]")
_NAMES = ("Ana", "Zoë’s cellar", "名前がとても長いピア", "\u202eevil\x1b[2J", "[red]markup[/red]", "")


def a_peer(number: int) -> shapes.PeerLine:
    """The first three are curators; every seventh is away."""
    is_connected = number % 7 != 6
    return shapes.PeerLine(
        cluster=LIST,
        id=f"12D3KooW{number:044}",
        name=f"{_NAMES[number % len(_NAMES)]}{f' {number}' if number >= len(_NAMES) else ''}",
        role="curator" if number < 3 else "follower",
        connected=is_connected,
        via=("in", "out", "relay")[number % 3] if is_connected else None,
        last_seen="2026-11-22T11:57:00Z",
        version="pincrew/0.1.0",
        node_id=PEER,
        pins=1_036_120 - 997 * number if number % 5 else None,
        free=2_000_000_000_000 - 10**10 * number if number % 4 else None,
        tags={"region": "eu", "zone": "[b]"} if number == 1 else {},
    )


def an_event(number: int) -> shapes.EventLine:
    """Pins that came, and now and then something else."""
    kinds = {
        0: ("pinned", f"gutenberg/{number:06}.zip is pinned"),
        1: ("node_down", "the IPFS node does not answer"),
        2: ("pin_failed", f"gutenberg/{number:06}.zip was not pinned: no provider found"),
    }
    kind, text = kinds[0 if number % 10 else 1 if number % 20 else 2]
    return shapes.EventLine(number, LIST, f"2026-11-22T11:{number // 60 % 60:02}:{number % 60:02}Z", kind, text, {})


def limits_of(**changes: Any) -> shapes.Limits:
    """Limits that hold."""
    fields: dict[str, Any] = {
        "cluster": LIST,
        "limit": 2 * 10**12,
        "keep_free": 10,
        "part": "auto",
        "kept": 1_310 * 10**9,
        "reserved": 12 * 10**9,
        "volume_total": 4 * 10**12,
        "volume_free": 3_400 * 10**9,
        "skipped_for_room": 12,
        "bound": None,
        "settings": "/home/ana/.config/pincrew/clusters/gutenberg-es/cluster.toml",
    }
    return shapes.Limits(**{**fields, **changes})


LINE = shapes.NetworkLimits(
    download=6_000_000,
    upload=None,
    quiet_hours="mon-fri 09:00-18:00",
    quiet_download=2_000_000,
    quiet_upload=500_000,
    is_quiet=False,
    download_now=6_000_000,
    upload_now=None,
    is_approximate=True,
    settings="/home/ana/.config/pincrew/settings.toml",
)


class ActingClient(FakeClient):
    """``done`` are the acts that changed something, as (what, arguments...).

    While ``gate`` is shut, no answer comes.
    """

    def __init__(self, clusters: Sequence[shapes.Summary] = (), **options: Any) -> None:
        super().__init__(clusters or [a_summary()], **options)
        self.done: list[tuple[Any, ...]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.peer_count = 41
        self.error_counts = [9, 2, 1]
        self.event_count = 60
        self.limits_now = limits_of()
        self.line_now = LINE
        self.beyond = 412_003
        self.chosen = "newest"
        self.offered = offer()
        self.met = prospect()
        self.held = shapes.Removals(
            LIST,
            "consent",
            41_233,
            10**12,
            "More than a tenth of the list was removed within a day",
            "2026-11-21T00:00:00Z",
            "2026-11-29T00:00:00Z",
            ["gutenberg/0000/pg000000-images.zip", "gutenberg/0000/pg000001-images.zip"],
            None,
        )
        self.waiting = shapes.SourceInfo(
            LIST,
            "https://example.org/gutenberg-es.toml",
            "changed",
            12,
            NOW,
            None,
            [f"curator added: {PEER}", "description: Spanish books -> Spanish books and [bold]films[/bold]"],
        )
        self.bars = [shapes.CopiesBar(n, pins, pins) for n, pins in enumerate((0, 12, 240, 9_000, 41_000, 49_748))]

    def _answering(self, what: str) -> None:
        super()._answering(what)
        assert self.gate.wait(_PATIENCE_S), "nobody opened the gate"

    def _act(self, *act: Any) -> None:
        self._answering(str(act[0]))
        self.done.append(act)

    # ---- what is shown -------------------------------------------------------------------------------------------

    def pins(
        self, name: str, query: Query = (), *, limit: int | None = None, offset: int = 0
    ) -> Iterator[shapes.PinLine]:
        self._answering("pins")
        wanted = dict(query)
        find = str(wanted.get("find", ""))
        if find.startswith("cid:"):
            return iter([a_pin(int(find.removeprefix("cid:bafybei"), 16), name)])
        pins = []
        for cause, count in zip(CAUSES, self.error_counts, strict=True):
            pins += [msgspec.structs.replace(a_pin(8 * number + 4), cause=cause) for number in range(count)]
        return iter(pins[:limit])

    def pin_page(self, name: str, query: Query = (), *, limit: int, offset: int = 0) -> PinPage:
        return super().pin_page(name, query, limit=limit, offset=offset)

    def peers(self, name: str) -> Iterator[shapes.PeerLine]:
        self._answering("peers")
        return iter([a_peer(number) for number in range(self.peer_count)])

    def errors(self, name: str) -> Iterator[shapes.ErrorLine]:
        self._answering("errors")
        lines = [
            shapes.ErrorLine(LIST, cause, count, "2026-11-19T12:00:00Z", next_try, f"an example of {cause}", step)
            for cause, count, next_try, step in zip(
                CAUSES,
                self.error_counts,
                ("2026-11-22T14:20:00Z", "2026-11-22T12:05:00Z", None),
                ("nothing at first: it is tried again", "See `pincrew peers`", "look at the IPFS node and its log"),
                strict=True,
            )
        ]
        return iter([line for line in lines if line.pins])

    def events(self, name: str, *, after: int | None = None, follow: bool = False) -> Iterator[shapes.EventLine]:
        self._answering("events")
        return iter([an_event(number) for number in range((after or 0) + 1, self.event_count + 1)])

    def coverage(self, name: str, limit: int) -> shapes.Coverage:
        self._answering("coverage")
        total = sum(bar.pins for bar in self.bars)
        worst = [
            shapes.CoveragePin(pin.cid, pin.name, pin.size, 0.4 + number / 4, 0.2 + number / 4, 0.3)
            for number, pin in enumerate(a_pin(each) for each in range(min(limit, 20) if total else 0))
        ]
        basis = shapes.CoverageBasis(41, 3, 12, 7.0, 1_204_311, total, 0, 0.004)
        return shapes.Coverage(1, LIST, True, 5, 4.4, self.bars, worst, basis, 0.31, None, None)

    def doctor(self, name: str) -> Iterator[shapes.Check]:
        self._answering("doctor")
        return iter(
            [
                shapes.Check(LIST, "IPFS node", "ok", "kubo/0.43.1 answers at http://127.0.0.1:5001", None),
                shapes.Check(LIST, "volume", "note", "9 % are free", "Free some of it, or `pincrew limits`"),
                shapes.Check(LIST, "curators", "FAIL", "none was seen for 9 hours [red]", "Is this machine online?"),
                shapes.Check(LIST, "peers", "ok", "41 are connected", None),
            ]
        )

    def limits(self, name: str) -> shapes.Limits:
        self._answering("limits")
        return self.limits_now

    def network(self) -> shapes.NetworkLimits:
        self._answering("network")
        return self.line_now

    def removals(self, name: str) -> shapes.Removals:
        self._answering("removals")
        return self.held

    def source(self, name: str) -> shapes.SourceInfo:
        self._answering("source")
        return self.waiting

    def pinset(self, name: str, cids: Sequence[str] = ()) -> Iterator[shapes.PinObject]:
        self._answering("pinset")
        return iter([pin_object(cid, expire_at="2027-01-01T00:00:00Z") for cid in cids])

    def offer(self, source: str, folder: Path) -> shapes.Offer:
        self._answering(f"offer {source}")
        return self.offered

    def prospect(self, offer: str, ipfs: str) -> shapes.Prospect:
        self._answering(f"prospect {ipfs}")
        if ipfs == "embedded":
            return prospect(node_kind="embedded", node_version=None)
        return self.met

    # ---- what is done ----------------------------------------------------------------------------------------------

    def retry(self, name: str, cid: str | None = None) -> int:
        self._act("retry", name, cid)
        return 1 if cid else sum(self.error_counts)

    def choose(self, name: str, cids: Sequence[str], choice: str | None) -> shapes.Chosen:
        self._act("choose", name, tuple(cids), choice)
        return shapes.Chosen(name, choice, len(cids), [], [])

    def pause(self, name: str, until: str | None) -> shapes.Paused:
        self._act("pause", name, until)
        return shapes.Paused(name, True, until)

    def resume(self, name: str) -> shapes.Paused:
        self._act("resume", name)
        return shapes.Paused(name, False, None)

    def change_limits(self, name: str, request: shapes.LimitsRequest) -> shapes.LimitsChanged:
        if request.dry_run:
            self._answering("limits dry run")
            is_less = request.limit not in (None, "none", "3TB")
            return shapes.LimitsChanged(self.limits_now, self.beyond if is_less else 0, 310 * 10**9, True, self.chosen)
        self._act("limits", name, request)
        return shapes.LimitsChanged(
            self.limits_now, self.beyond if request.excess == "unpin" else 0, 310 * 10**9, False
        )

    def change_network(self, request: shapes.NetworkLimitsRequest) -> shapes.NetworkLimits:
        self._act("network", request)
        return self.line_now

    def leave(self, name: str, *, dry_run: bool) -> shapes.Left:
        if dry_run:
            self._answering("leave dry run")
        else:
            self._act("leave", name)
        folder = f"/home/ana/.local/share/pincrew/clusters/{name}"
        return shapes.Left(name, dry_run, 1_036_120, 1_310 * 10**9, 12, [folder], None, None)

    def decide_removals(self, name: str, decision: str) -> shapes.Removals:
        self._act("removals", name, decision)
        return self.held

    def decide_source(self, name: str, decision: str) -> shapes.SourceInfo:
        self._act("source", name, decision)
        return self.waiting

    def write_pins(self, name: str, requests: Iterable[shapes.PinRequest]) -> shapes.PinsWritten:
        written = list(requests)
        self._act("write", name, *written)
        removed = sum(request.remove for request in written)
        return shapes.PinsWritten(len(written) - removed, removed, [])

    def accept(self, request: shapes.AcceptRequest) -> shapes.Followed:
        if request.name == "refused":
            raise Conflict("There is one of that name")
        self._act("accept", request)
        self.say(*self.clusters, a_summary("books"))
        return shapes.Followed("books", "ab" * 32, PEER, "/home/of/books", False)


async def reads(pilot: Pilot[None], *texts: str) -> None:
    """Wait until all of ``texts`` can be read on the screen, wherever lines are broken."""
    app = cast("TerminalView", pilot.app)
    await until(pilot, lambda: all(text in " ".join(text_of(app).replace("│", " ").split()) for text in texts))


async def told(pilot: Pilot[None], text: str) -> None:
    """Wait until the view has said something in passing."""
    app = pilot.app
    await until(pilot, lambda: any(text in each.message for each in app._notifications))
