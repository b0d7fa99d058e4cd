"""The daemon: every cluster of one ``PINCREW_HOME`` in one process, and the API on its socket.

It takes `daemon.lock` (its process id inside), answers the API first, then brings up the clusters, each in a nursery
of its own: one that fails is shown as failed and disturbs no other. SIGINT and SIGTERM end it in order: clusters,
then the API, then the lock.
"""

from __future__ import annotations

import gc
import logging
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import trio

from pincrew import __version__
from pincrew.api import shapes
from pincrew.api.lines import time_text
from pincrew.api.server import build_app
from pincrew.cluster import Cluster
from pincrew.doors import LOCAL_HOSTS, Lock, serve_socket, serve_tcp
from pincrew.errors import Conflict, Misuse, NodeDown, NotFound, PincrewError
from pincrew.follow.follower import open_follower
from pincrew.follow.joining import JoinOffer, JoinOptions, accept, prepare
from pincrew.holdings import Holdings
from pincrew.keys import peer_id
from pincrew.leaving import finish_leaving, leave_dry_run
from pincrew.ownership import Ownership
from pincrew.paths import ClusterPaths, Home
from pincrew.peer import now_ms
from pincrew.publisher import serve_document
from pincrew.settings import Role, Settings, load_cluster, load_settings
from pincrew.trusted.curator import Curator, open_curator
from pincrew.values import PinState

_log = logging.getLogger("pincrew.daemon")
_SWITCH_INTERVAL_S = 0.001
_GARBAGE_THRESHOLDS = (50_000, 20, 100)
_STOP_TIMEOUT_S = 10.0
_OFFERS_KEPT_MAX = 16


@dataclass(eq=False)
class _Running:
    """A cluster's task. ``failure`` says why it ended by itself; ``rest`` what a leave has not done yet."""

    name: str
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    ended: trio.Event = field(default_factory=trio.Event)
    cluster: Cluster | None = None
    failure: PincrewError | None = None
    rest: str | None = None


class Daemon:
    """Implements ``api.server.DaemonDoor``."""

    def __init__(self, home: Home, settings: Settings, environment: Mapping[str, str]) -> None:
        self._home = home
        self._settings = settings
        self._environment = environment
        self._running: dict[str, _Running] = {}
        self._coming: set[str] = set()  # joined clusters that the start has not come to yet
        self._offers: dict[str, JoinOffer] = {}
        self._turns = trio.Lock()
        self._stopping = trio.Event()
        self._socket = home.daemon_socket(environment)
        self._ownership = Ownership(Holdings(home.holdings))
        self._nursery: trio.Nursery | None = None

    # ---- life -------------------------------------------------------------------------------------------------

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until stopped. Started means: the API answers."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            app = build_app(self)
            await nursery.start(partial(serve_socket, app, self._socket, self._stopping))
            if self._settings.api_listen:
                await nursery.start(
                    partial(serve_tcp, build_app(self, hosts=LOCAL_HOSTS), self._settings.api_listen, self._stopping)
                )
            self._coming = {paths.name for paths in self._home.joined()}
            task_status.started()
            for name in sorted(self._coming):
                nursery.start_soon(self._bring_up, name)
            await self._stopping.wait()
            with trio.move_on_after(_STOP_TIMEOUT_S):
                for running in list(self._running.values()):
                    running.scope.cancel()
                for running in list(self._running.values()):
                    await running.ended.wait()
            nursery.cancel_scope.cancel()

    async def _bring_up(self, name: str) -> None:
        try:
            await self.run_cluster(name, None)
        except PincrewError as error:
            _log.error("cluster %s: %s", name, error.sentence)
        finally:
            self._coming.discard(name)

    async def _run_one(
        self, running: _Running, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Run one cluster until it is stopped; what it fails of is kept and shown."""
        started = False
        try:
            with running.scope:
                paths = self._home.cluster(running.name)
                running.cluster = await trio.to_thread.run_sync(self._open, paths)
                if _is_marked(paths):
                    running.rest = "it was interrupted"
                    return
                async with trio.open_nursery() as nursery:
                    await nursery.start(running.cluster.run)
                    started = True
                    task_status.started()
        except* PincrewError as group:
            running.failure = _first(group)
            _log.error("cluster %s failed: %s", running.name, running.failure.sentence)
        except* Exception as group:  # a bug in one cluster must not take the others with it
            _log.exception("cluster %s failed", running.name)
            running.failure = PincrewError(f"{type(_leaf(group)).__name__}: {_leaf(group)}", next_step="See daemon.log")
        finally:
            if running.cluster is not None:
                await running.cluster.peer.close()
            running.ended.set()
            if not started:
                task_status.started()

    def _open(self, paths: ClusterPaths) -> Cluster:
        local = load_cluster(paths.settings)
        address = f"unix:{self._socket}"
        given = (paths, local, self._settings, self._ownership, self._environment, address)
        return open_curator(*given) if local.role is Role.CURATOR else open_follower(*given)

    # ---- api.server.DaemonDoor --------------------------------------------------------------------------------

    def info(self) -> shapes.DaemonInfo:
        """Return what this daemon is."""
        return shapes.DaemonInfo(1, __version__, os.getpid(), str(self._home.root), sorted(self._running))

    def stop(self) -> None:
        """End, in order."""
        self._stopping.set()

    def status(self) -> shapes.Status:
        """Return every cluster at a glance."""
        coming = {name: _Running(name) for name in self._coming}
        return shapes.Status(1, [self._summary(running) for _, running in sorted((coming | self._running).items())])

    def _summary(self, running: _Running) -> shapes.Summary:
        if running.cluster is not None and running.failure is None and running.cluster.peer.is_running:
            return running.cluster.summary()  # which says `leaving` as well, until its task has ended
        return _down_summary(running, self._home.cluster(running.name))

    def cluster(self, name: str) -> Cluster:
        """Return a running cluster. Raises NotFound, or what it failed of."""
        running = self._running.get(name)
        if running is None and name in self._coming:
            raise Conflict(f"{name} is just starting", next_step="Try again in a moment")
        if running is None:
            raise NotFound(f"No cluster {name!r} runs here", next_step="`pincrew status` lists those that do")
        if running.rest is not None:
            raise Conflict(f"{name} is being left: {running.rest}", next_step=f"`pincrew leave -c {name}` goes on")
        if running.failure is not None:
            raise running.failure
        if running.cluster is None or running.cluster.peer.network is None:
            raise Conflict(f"{name} is just starting", next_step="Try again in a moment")
        return running.cluster

    async def run_cluster(self, name: str, publish: str | None) -> shapes.Summary:
        """Run the cluster in a folder; harmless when it runs. Raises what keeps it from running."""
        async with self._turns:
            running = self._running.get(name)
            if running is None or running.failure is not None:
                if not self._home.cluster(name).settings.exists():
                    raise NotFound(
                        f"There is no cluster {name!r} in {self._home.root}",
                        next_step=f"`pincrew create {name}` makes one, `pincrew follow SOURCE` joins one",
                    )
                running = self._running[name] = _Running(name)
                assert self._nursery is not None
                await self._nursery.start(self._run_one, running)
            if running.rest is not None:
                raise Conflict(f"{name} is being left: {running.rest}", next_step=f"`pincrew leave -c {name}` goes on")
            if running.failure is not None:
                raise running.failure
            if publish is not None:
                await self._publish_at(running, publish)
        return self._summary(running)

    async def _publish_at(self, running: _Running, address: str) -> None:
        cluster = running.cluster
        if not isinstance(cluster, Curator):
            raise Misuse(f"This peer follows {running.name}: only a curator publishes its config document")
        assert self._nursery is not None
        if cluster.published_at is None:
            cluster.published_at = await self._nursery.start(partial(serve_document, cluster, address, running.ended))

    async def stop_cluster(self, name: str) -> None:
        """Stop running a cluster; everything on disk stays."""
        async with self._turns:
            running = self._running.pop(name, None)
            if running is not None:
                running.scope.cancel()
                await running.ended.wait()

    async def offer(self, request: shapes.OfferRequest) -> shapes.Offer:
        """Fetch and check a source; join nothing."""
        offer = await prepare(
            request.source,
            self._home,
            folder=Path(request.folder),
            gateway=self._settings.gateway,
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
        )

    async def accept(self, request: shapes.AcceptRequest) -> shapes.Followed:
        """Join what was offered, and run it."""
        offer = self._offers.get(request.offer)
        if offer is None:
            raise NotFound("That offer is not known any more", next_step="Type the `pincrew follow` line again")
        options = JoinOptions(
            name=request.name,
            ipfs=request.ipfs,
            secret_file=Path(request.secret_file) if request.secret_file else None,
            obey=request.obey,
            unlisted=request.unlisted,
            listen=tuple(request.listen),
            announce=tuple(request.announce),
        )
        joined = await trio.to_thread.run_sync(accept, offer, self._home, options)
        await self.run_cluster(joined.paths.name, None)
        return shapes.Followed(
            cluster=joined.paths.name,
            id=joined.cluster_id.hex(),
            peer_id=joined.peer_id,
            home=str(joined.paths.folder),
            was_joined=joined.was_joined,
        )

    async def leave(self, name: str, *, dry_run: bool) -> shapes.Left:
        """Unpin what this cluster alone holds, then remove its folder. Interrupted, it goes on when asked again."""
        running = self._running.get(name)
        is_resumed = running is not None and running.rest is not None
        cluster = running.cluster if running is not None and is_resumed else self.cluster(name)
        assert cluster is not None
        if dry_run:
            return await leave_dry_run(cluster, self._ownership)
        cluster_id, node_id = cluster.peer.member.chain.cluster_id, ""
        try:
            if await self._ownership.ask(self._ownership.holdings.count, cluster_id):
                node_id = (await cluster.peer.node.id()).peer_id
        except NodeDown as error:
            raise NodeDown(
                error.what,
                means="What is pinned stays pinned" if is_resumed else "Nothing was unpinned and nothing is lost",
                next_step=f"Start the node and type `pincrew leave -c {name}` again",
            ) from error
        async with self._turns:
            running = self._running.get(name)
            if running is None or running.cluster is not cluster:
                raise Conflict(f"{name} was left or stopped meanwhile", next_step="See `pincrew status`")
            cluster.peer.leaving = True
            running.rest = running.rest or "it was interrupted"
            await trio.to_thread.run_sync(cluster.paths.leaving.touch)
            running.scope.cancel()
            await running.ended.wait()
        left = await finish_leaving(cluster, self._ownership, node_id)
        if left.rest is None:
            await trio.to_thread.run_sync(_remove_folder, cluster.paths)
            self._running.pop(name, None)
        else:
            running.rest = left.rest
        return left


def _is_marked(paths: ClusterPaths) -> bool:
    return paths.leaving.exists()


def _remove_folder(paths: ClusterPaths) -> None:
    # Without its settings the folder is no cluster any more, whatever else a crash leaves of it.
    paths.settings.unlink(missing_ok=True)
    shutil.rmtree(paths.folder, ignore_errors=True)


def _down_summary(running: _Running, paths: ClusterPaths) -> shapes.Summary:
    """Say what can be said of a cluster that does not run."""
    failure = running.failure
    state = "failed" if failure is not None else "joining"
    reasons = [] if failure is None else [shapes.Reason(failure.code, failure.sentence, None)]
    if running.rest is not None:
        state = "leaving"
    try:
        local = load_cluster(paths.settings)
        cluster_id, role = local.cluster_id, local.role.value
    except PincrewError:
        cluster_id, role = "", "follower"
    return shapes.Summary(
        name=running.name,
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
        node=shapes.NodeInfo("kubo", None, "starting", None, None),
    )


def _first(group: BaseExceptionGroup[PincrewError]) -> PincrewError:
    error = _leaf(group)
    assert isinstance(error, PincrewError)
    return error


def _leaf(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


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
) -> int:
    """Be the daemon of ``home`` until SIGINT or SIGTERM. With ``serve`` run that cluster and print its ready line.

    Raises Conflict when there is one already, and what keeps ``serve`` from running.
    """
    environment = os.environ if environment is None else environment
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
        trio.run(partial(_main, home, settings, environment, serve, publish))
        return 0
    except BaseExceptionGroup as group:
        error = _leaf(group)
        raise error if isinstance(error, PincrewError) else group from None
    finally:
        lock.release()


async def _main(
    home: Home, settings: Settings, environment: Mapping[str, str], serve: str | None, publish: str | None
) -> None:
    daemon = Daemon(home, settings, environment)
    async with _signals(daemon.stop), trio.open_nursery() as nursery:
        await nursery.start(daemon.run)
        _log.info("pincrew %s serves %s", __version__, home.root)
        if serve is not None:
            try:
                await daemon.run_cluster(serve, publish)
                print(daemon.cluster(serve).ready().line, flush=True)
            except PincrewError:
                daemon.stop()
                raise
