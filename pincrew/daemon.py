"""The daemon: one process for one ``PINCREW_HOME``, and what the API asks of it.

It takes `daemon.lock` (its process id inside), answers the API first, then brings up the clusters
(``pincrew.household``).
SIGINT and SIGTERM end it in order: clusters, then the API, then the lock.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import trio

from pincrew import __version__
from pincrew.api import shapes
from pincrew.api.lines import time_text
from pincrew.api.server import build_app
from pincrew.cluster import Cluster
from pincrew.doors import LOCAL_HOSTS, checked_local, serve_socket, serve_tcp
from pincrew.errors import Misuse, NotFound, PincrewError, unwrapped
from pincrew.feed import Feed
from pincrew.files import private_folder, told
from pincrew.follow.joining import JoinOffer, JoinOptions, accept, prepare
from pincrew.follow.prospect import look
from pincrew.home_lock import Lock
from pincrew.household import Household
from pincrew.keys import peer_id
from pincrew.limit_settings import part_mode
from pincrew.node.web import Server
from pincrew.node_address import NodeKind
from pincrew.node_choice import checked_choice, choose
from pincrew.node_finding import find_repository, kind_of
from pincrew.paths import Home
from pincrew.peer import now_ms
from pincrew.service_manager import ServiceManager
from pincrew.settings import Settings
from pincrew.settings_files import load_node, load_settings, save

_log = logging.getLogger("pincrew.daemon")
_SWITCH_INTERVAL_S = 0.001
_GARBAGE_THRESHOLDS = (50_000, 20, 100)
_OFFERS_KEPT_MAX = 16


class Daemon:
    """Implements ``api.contract.DaemonDoor``."""

    def __init__(self, home: Home, settings: Settings, environment: Mapping[str, str], service: ServiceManager) -> None:
        self._home = home
        self._service = service
        self._settings = settings
        self._offers: dict[str, JoinOffer] = {}
        self._stopping = trio.Event()
        self._socket = home.daemon_socket(environment)
        self._environment = environment
        joined = [paths.name for paths in home.joined()]
        self._household = Household(home, settings, environment, f"unix:{self._socket}", joined)
        self._roster = self._household.roster
        self.network = self._household.network
        self._feed = Feed(self.status)

    # ---- life -------------------------------------------------------------------------------------------------

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until stopped. Started means: the API answers."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self._household.run)
            app = build_app(self)
            await nursery.start(partial(serve_socket, app, self._socket, self._stopping))
            if self._settings.api_listen:
                chosen_by = "`api_listen` in settings.toml"
                address = checked_local(self._settings.api_listen, chosen_by, "do to every cluster here what you can")
                app = build_app(self, hosts=LOCAL_HOSTS)
                await nursery.start(partial(serve_tcp, app, address, chosen_by, self._stopping))
            self._roster.bring_up()
            nursery.start_soon(self._feed.run)
            await nursery.start(self._service.run, self._at_a_glance)
            task_status.started()
            self._service.ready()
            await self._stopping.wait()
            self._service.stopping()
            await self._household.stop()
            nursery.cancel_scope.cancel()

    def _at_a_glance(self) -> str:
        """Say in one line how the clusters do."""
        return ", ".join(f"{each.name}: {each.state}" for each in self._roster.summaries()) or "no cluster yet"

    # ---- api.contract.DaemonDoor --------------------------------------------------------------------------------

    def info(self) -> shapes.DaemonInfo:
        """Return what this daemon is."""
        return shapes.DaemonInfo(1, __version__, os.getpid(), str(self._home.root), self._roster.names())

    def stop(self) -> None:
        """End, in order."""
        self._stopping.set()

    def status(self) -> shapes.Status:
        """Return every cluster at a glance."""
        return shapes.Status(1, self._roster.summaries())

    def feed(self) -> AsyncGenerator[bytes | None, None]:
        """Yield that whenever it changed."""
        return self._feed.listen()

    def cluster(self, name: str) -> Cluster:
        """Return a running cluster. Raises NotFound, Conflict, or what it failed of."""
        return self._roster.cluster(name)

    async def run_cluster(self, name: str, publish: str | None = None, rest: str | None = None) -> shapes.Summary:
        """Run the cluster in a folder; harmless when it runs. Raises what keeps it from running."""
        return await self._roster.start(name, publish, rest, is_asked=True)

    async def stop_cluster(self, name: str) -> None:
        """Stop running a cluster; everything on disk stays."""
        await self._roster.stop(name)

    async def leave(self, name: str, *, dry_run: bool) -> shapes.Left:
        """Unpin what this cluster alone holds, then remove its folder. Interrupted, it goes on when asked again."""
        return await self._roster.leave(name, dry_run=dry_run)

    async def switch_node(self, name: str, ipfs: str, *, keep_old: bool) -> shapes.NodeSwitched:
        """Move a cluster to another IPFS node."""
        return await self._roster.switch_node(name, ipfs, keep_old=keep_old)

    async def offer(self, request: shapes.OfferRequest) -> shapes.Offer:
        """Fetch and check a source; join nothing."""
        offer = await prepare(
            request.source,
            self._home,
            folder=Path(request.folder),
            gateway=self._settings.gateway,
            timeout_s=self._settings.source_timeout,
            now_ms=now_ms(),
        )
        document = offer.document
        self._offers[document.sha256] = offer
        while len(self._offers) > _OFFERS_KEPT_MAX:
            del self._offers[next(iter(self._offers))]
        return shapes.Offer(
            offer=document.sha256,
            cluster_id=document.cluster_id.hex(),
            name=offer.name,
            title=document.name,
            description=document.description,
            source=offer.source.text,
            revision=document.revision,
            issued=time_text(document.issued * 1000) or "",
            curators=sorted(peer_id(key) for key in document.trust.curators),
            peers=len({address.rpartition("/p2p/")[2] for address in document.peers}),
            pins_hint=document.pins_hint,
            bytes_hint=document.bytes_hint,
            is_closed=offer.is_closed,
            needs_secret=offer.is_closed and document.secret is None,
            joined_as=offer.joined_as,
            warnings=list(offer.warnings()),
            sized_hint=document.sized_hint,
        )

    async def prospect(self, request: shapes.ProspectRequest) -> shapes.Prospect:
        """Look at what joining would meet; join nothing."""
        offer = self._offered(request.offer)
        wanted = await self._node_for(offer, request.ipfs) or self._settings.ipfs
        kind = kind_of(wanted)
        if kind is NodeKind.EMBEDDED:
            found = await look(offer, self._home, None, self._home.node.folder)
        else:
            repository = find_repository(self._environment) if wanted == NodeKind.KUBO else None
            if repository is not None and not (repository / "config").is_file():
                repository = None
            async with self._household.nodes.client(wanted) as node:
                found = await look(offer, self._home, node, repository)
        return shapes.Prospect(
            node_kind=kind.value,
            node_version=found.version,
            volume_total=found.volume.total if found.volume else None,
            volume_free=found.volume.free if found.volume else None,
            limit=found.limit,
            folder=str(self._home.root),
            folder_trouble=found.folder_trouble or None,
            curators=found.reach.curators,
            curators_reached=found.reach.curators_reached,
            others=found.reach.others,
            others_reached=found.reach.others_reached,
        )

    def _offered(self, name: str) -> JoinOffer:
        offer = self._offers.get(name)
        if offer is None:
            raise NotFound("That offer is not known any more", next_step="Type the `pincrew follow` line again")
        return offer

    async def accept(self, request: shapes.AcceptRequest) -> shapes.Followed:
        """Join what was offered, and run it."""
        offer = self._offered(request.offer)
        options = JoinOptions(
            name=request.name,
            ipfs=await self._node_for(offer, request.ipfs),
            secret_file=Path(request.secret_file) if request.secret_file else None,
            obey=request.obey,
            unlisted=request.unlisted,
            peer_name=request.peer_name,
            listen=tuple(request.listen),
            announce=tuple(request.announce),
            limit=request.limit,
            keep_free=request.keep_free,
            part=part_mode(request.part),
        )
        if request.routers or request.gateways:
            if options.ipfs != NodeKind.EMBEDDED:
                raise Misuse("Routers and gateways are for pincrew's own node", next_step="Choose `embedded`")
            await trio.to_thread.run_sync(self._widen_search, request.routers, request.gateways)
        joined = await trio.to_thread.run_sync(accept, offer, self._home, options)
        await self.run_cluster(joined.paths.name)
        return shapes.Followed(
            cluster=joined.paths.name,
            id=joined.cluster_id.hex(),
            peer_id=joined.peer_id,
            home=str(joined.paths.folder),
            was_joined=joined.was_joined,
        )

    def _widen_search(self, routers: Sequence[str], gateways: Sequence[str]) -> None:
        """Let pincrew's own node look there too, from its next start on. Raises Misuse for what is no such URL."""
        for url in (*routers, *gateways):
            Server(url)
        path = self._home.node.settings
        before = load_node(path)
        private_folder(self._home.node.folder)
        after = replace(
            before,
            routers=tuple(dict.fromkeys([*before.routers, *routers])),
            gateways=tuple(dict.fromkeys([*before.gateways, *gateways])),
        )
        save(path, after)

    async def _node_for(self, offer: JoinOffer, wanted: str) -> str:
        wanted = checked_choice(wanted)
        if offer.joined_as is not None:
            return wanted
        return (await trio.to_thread.run_sync(choose, wanted, self._settings, self._environment)).ipfs


@asynccontextmanager
async def _signals(stop: Any) -> AsyncIterator[None]:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:

            async def listen() -> None:
                async for _ in signals:
                    stop()

            nursery.start_soon(listen)
            yield
            nursery.cancel_scope.cancel()


def run_daemon(
    home: Home,
    environment: Mapping[str, str] | None = None,
    *,
    serve: str | None = None,
    publish: str | None = None,
    rest: str = "",
) -> int:
    """Be the daemon of ``home`` until SIGINT or SIGTERM. With ``serve`` run that cluster and print its ready line.

    Raises Conflict when there is one already, StoreFault where the disk refuses, and what keeps ``serve`` from running.
    """
    service = ServiceManager.taken_from(os.environ, os.getpid())
    environment = os.environ if environment is None else environment
    with told(home.root, "make"):
        home.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = Lock(home.daemon_lock)
    try:
        settings = load_settings(home.settings, environment)
        logging.basicConfig(
            level=settings.log_level.upper(),
            stream=sys.stderr,
            format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        )
        for chatty in ("libp2p", "hypercorn", "httpx", "httpcore", "multiaddr", "async_service"):
            logging.getLogger(chatty).setLevel(logging.ERROR)
        # pycrdt and msgspec hold the GIL for milliseconds; threads that commit should get it soon after.
        sys.setswitchinterval(_SWITCH_INTERVAL_S)
        # A window makes and drops a hundred thousand small objects without cycles; looking through them all again and
        # again is what would keep the API waiting.
        gc.freeze()
        gc.set_threshold(*_GARBAGE_THRESHOLDS)
        with unwrapped():
            trio.run(partial(_main, lambda: Daemon(home, settings, environment, service), serve, publish, rest))
        return 0
    finally:
        lock.release()


async def _main(make: Callable[[], Daemon], serve: str | None, publish: str | None, rest: str) -> None:
    daemon = make()
    async with _signals(daemon.stop), trio.open_nursery() as nursery:
        await nursery.start(daemon.run)
        _log.info("pincrew %s serves %s", __version__, daemon.info().home)
        if serve is not None:
            try:
                await daemon.run_cluster(serve, publish, rest)
                print(daemon.cluster(serve).ready().line, flush=True)
            except PincrewError:
                daemon.stop()
                raise
