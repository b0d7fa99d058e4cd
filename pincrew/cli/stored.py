"""What the disk knows with no daemon running: cluster folders and their stores, opened read-only."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

from pincrew.api.lines import error_line, event_line, lifetime_figures, pin_line, pin_object, time_text
from pincrew.api.shapes import (
    ByteCounts,
    CuratorCounts,
    ErrorLine,
    EventLine,
    ListProgress,
    NodeInfo,
    PeerCounts,
    PinCounts,
    PinLine,
    PinObject,
    Reason,
    Status,
    Summary,
)
from pincrew.cid import parse_cid
from pincrew.config_document import parse
from pincrew.errors import NotFound, PincrewError, StoreFault
from pincrew.files import read_file
from pincrew.limits import CONFIG_DOCUMENT_BYTES_MAX, SHARD_BITS_DEFAULT
from pincrew.node_address import NodeKind
from pincrew.node_finding import kind_of
from pincrew.paths import ClusterPaths, Home
from pincrew.record import decode_record
from pincrew.settings import Role
from pincrew.settings_files import load_cluster
from pincrew.store.database import Database
from pincrew.store.events import Events
from pincrew.store.filters import Filter
from pincrew.store.lifetime import LifetimeStore
from pincrew.store.listing import LIMIT_MAX, Listing
from pincrew.store.rows import Rows
from pincrew.store.snapshot import Snapshot, snapshot
from pincrew.store.statuses import Statuses
from pincrew.values import PinState

_PAGE = 1_000


def status(home: Home) -> Status:
    """Return every cluster's last known figures, in state ``stopped`` (``failed`` where they cannot be read)."""
    return Status(schema=1, clusters=[summary(paths) for paths in home.joined()])


def summary(paths: ClusterPaths) -> Summary:
    """Return one cluster's last known figures. Raises nothing: what is wrong becomes a reason."""
    state, reasons = "stopped", []
    cluster_id, role, node, curators = "", "follower", "", 0
    pins, size, sized = dict.fromkeys(PinState, 0), dict.fromkeys(PinState, 0), 0
    have, last_change, lifetime = 0, None, None
    try:
        settings = load_cluster(paths.settings)
        cluster_id, role, node = settings.cluster_id, settings.role.value, settings.ipfs
        limit = settings.limit
        curators = len(parse(read_file(paths.config, CONFIG_DOCUMENT_BYTES_MAX)).trust.curators)
        if settings.role is Role.CURATOR:
            curators -= 1  # as the daemon counts: those beside this peer
        if paths.state.exists():
            with closing(Database(paths.state, read_only=True)) as database:
                statuses = Statuses(database, SHARD_BITS_DEFAULT)
                pins |= statuses.counts()
                sizes = statuses.sizes()
                size |= {each: figures[0] for each, figures in sizes.items()}
                sized = sum(figures[1] for each, figures in sizes.items() if each is not PinState.UNPINNING)
                have, seen_ms = Rows(database).progress()
                last_change = time_text(seen_ms)
                since_ms, done = LifetimeStore(database).read()
                served = done.served if kind_of(node) is NodeKind.EMBEDDED else None
                if since_ms is not None:
                    lifetime = lifetime_figures(since_ms, time.time_ns() // 1_000_000, done.pins, done.fetched, served)
    except PincrewError as error:
        state, reasons = "failed", [Reason(code=error.code, text=error.sentence, since=None)]
    listed = [each for each in PinState if each is not PinState.UNPINNING]
    total = sum(pins[each] for each in listed)
    return Summary(
        name=paths.name,
        id=cluster_id,
        role=role,
        consensus="crdt",
        state=state,
        reasons=reasons,
        list=ListProgress(have=have, expected=None),
        pins=PinCounts(total=total, **{each.value: pins[each] for each in PinState}),
        bytes=ByteCounts(
            pinned=size[PinState.PINNED],
            total=sum(size[each] for each in listed) if sized else None,
            size_known_pins=sized,
            limit=limit,
        ),
        peers=PeerCounts(connected=0, known=0),
        curators=CuratorCounts(connected=0, total=curators, last_seen=None),
        last_change=last_change,
        paused_until=None,
        node=NodeInfo(kind=kind_of(node).value, address=node or None, state="starting", version=None, peer_id=None),
        lifetime=lifetime,
    )


def pins(
    paths: ClusterPaths, wanted: Filter, *, sort: str = "added", limit: int | None = None, offset: int = 0
) -> Iterator[PinLine]:
    """Yield pins from the store, page by page."""
    with closing(_opened(paths)) as database:
        listing = Listing(database, _shard_bits(paths))
        left = limit
        while left is None or left > 0:
            page = listing.page(wanted, sort=sort, limit=min(_PAGE, LIMIT_MAX if left is None else left), offset=offset)
            yield from (pin_line(paths.name, row) for row in page)
            if len(page) < _PAGE:
                return
            offset += len(page)
            left = None if left is None else left - len(page)


def pinset(paths: ClusterPaths, cids: Sequence[str]) -> Iterator[PinObject]:
    """Yield what is on the list, all of it or ``cids``. Raises NotFound for a CID that is not on it."""
    with closing(_opened(paths)) as database:
        listing = Listing(database, _shard_bits(paths))
        if not cids:
            yield from (pin_object(decode_record(row.cid, row.record)) for row in listing.all())
        for cid in cids:
            found = listing.page(Filter(cid=parse_cid(cid)), limit=1)
            if not found:
                raise NotFound(f"{cid} is not in the list of {paths.name}", next_step="See `pincrew pin ls`")
            yield pin_object(decode_record(found[0].cid, found[0].record))


@contextmanager
def list_at_once(paths: ClusterPaths) -> Iterator[Snapshot]:
    """Give the list as it is now, for the length of the block."""
    with closing(_opened(paths)) as database, snapshot(database) as found:
        yield found


def errors(paths: ClusterPaths) -> Iterator[ErrorLine]:
    """Yield the pins in error, grouped by cause."""
    with closing(_opened(paths)) as database:
        for row in Listing(database, _shard_bits(paths)).causes():
            yield error_line(paths.name, row)


def events(paths: ClusterPaths, after: int) -> Iterator[EventLine]:
    """Yield what happened, oldest first."""
    with closing(_opened(paths)) as database:
        while True:
            rows = Events(database).after(after)
            yield from (event_line(paths.name, row) for row in rows)
            if not rows:
                return
            after = rows[-1].id


def beyond(paths: ClusterPaths, limit: int) -> tuple[int, int]:
    """Return how many pins, and how many bytes, would have to go for the others to fit ``limit``."""
    if not paths.state.exists():
        return 0, 0
    with closing(_opened(paths)) as database:
        return Statuses(database, SHARD_BITS_DEFAULT).beyond(limit)


def _opened(paths: ClusterPaths) -> Database:
    """Open a cluster's store. Raises StoreFault where there is none yet."""
    if not paths.state.exists():
        raise StoreFault(
            "There is nothing stored yet", where=str(paths.folder), next_step="Start the daemon: `pincrew daemon start`"
        )
    return Database(paths.state, read_only=True)


def _shard_bits(paths: ClusterPaths) -> int:
    return parse(read_file(paths.config, CONFIG_DOCUMENT_BYTES_MAX)).trust.genesis.shard_bits
