"""The clusters of one home: which of them run, are coming, have failed or are being left.

Each runs in a task of its own; one that fails is shown as failed and disturbs no other. Starting, stopping and leaving
take turns. A cluster that is being left is marked on disk first: a leave that was interrupted, also by the end of the
process, goes on when it is asked for again, and the cluster never runs meanwhile.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import msgspec
import trio

from pincrew.api import shapes
from pincrew.cluster import Cluster
from pincrew.errors import Conflict, Misuse, NotFound, PincrewError, leaf
from pincrew.follow.follower import open_follower
from pincrew.leaving import finish_leaving, is_marked, leave_dry_run, mark, remove_folder
from pincrew.node_choice import AUTO, checked_choice
from pincrew.node_keeper import KeptNode
from pincrew.node_storage import NodeStorage
from pincrew.nodes import Nodes
from pincrew.overview import down_summary
from pincrew.ownership import Ownership
from pincrew.paths import ClusterPaths, Home
from pincrew.publisher import serve_document
from pincrew.rest_listener import serve_rest, serve_rest_socket, serve_rest_streams
from pincrew.settings import NO_REST, Role, Settings
from pincrew.settings_files import cluster_in_force, load_cluster, save
from pincrew.trust_role import appoint, role_here
from pincrew.trusted.curator import Curator, open_curator

_log = logging.getLogger("pincrew.roster")


@dataclass(eq=False)
class _Running:
    """A cluster's task. ``failure`` says why it ended by itself; ``rest`` what a leave has not done yet."""

    name: str
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    ended: trio.Event = field(default_factory=trio.Event)
    cluster: Cluster | None = None
    failure: PincrewError | None = None
    rest: str | None = None
    # Each is set when one of its doors (the config document, the REST API) is closed.
    closed: list[trio.Event] = field(default_factory=list)

    async def wait_over(self) -> None:
        """Return once its task has ended and its doors are closed, so that their addresses are free again."""
        await self.ended.wait()
        for closed in self.closed:
            await closed.wait()


class Roster:
    """The table of clusters. ``run`` comes first, then ``bring_up``."""

    def __init__(
        self,
        home: Home,
        settings: Settings,
        nodes: Nodes,
        ownership: Ownership,
        api_address: str,
        environment: Mapping[str, str],
        expected: Collection[str],
    ) -> None:
        """``expected`` are the clusters that ``bring_up`` begins with."""
        self._home = home
        self._settings = settings
        self._nodes = nodes
        self._storage = NodeStorage(home, settings, nodes.keeper)
        self._ownership = ownership
        self._api_address = api_address
        self._environment = environment
        self._running: dict[str, _Running] = {}
        # Those that the start has not come to yet.
        self._coming = set(expected)
        self._turns = trio.Lock()
        self._nursery: trio.Nursery | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run clusters, and the node that they need, until cancelled. Started means: it takes orders."""
        async with trio.open_nursery() as self._nursery:
            await self._nursery.start(self._nodes.keeper.run)
            task_status.started()
            await trio.sleep_forever()

    def bring_up(self) -> None:
        """Begin with every cluster that is expected."""
        assert self._nursery is not None
        for name in sorted(self._coming):
            self._nursery.start_soon(self._bring_up, name)

    async def stop_all(self) -> None:
        """Stop every cluster, all at once."""
        for running in list(self._running.values()):
            running.scope.cancel()
        for running in list(self._running.values()):
            await running.ended.wait()

    async def _bring_up(self, name: str) -> None:
        try:
            await self.start(name)
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
                if is_marked(paths):
                    running.rest = "it was interrupted"
                    return
                self._nodes.keeper.expect(running.cluster.peer.node)
                async with trio.open_nursery() as nursery:
                    await nursery.start(running.cluster.run)
                    socket = paths.api_socket(self._environment)
                    await nursery.start(serve_rest_socket, running.cluster, socket, running.ended)
                    started = True
                    if isinstance(node := running.cluster.peer.node, KeptNode):
                        running.cluster.on_limits = partial(
                            nursery.start_soon, partial(self._storage.fit, node, was_changed=True)
                        )
                        nursery.start_soon(self._storage.fit, node)
                    task_status.started()
        except* PincrewError as group:
            running.failure = _first(group)
            _log.error("cluster %s failed: %s", running.name, running.failure.sentence)
        # A bug: it is logged and shown as this cluster's failure, and must not take the others with it.
        except* Exception as group:
            _log.exception("cluster %s failed", running.name)
            running.failure = PincrewError(f"{type(leaf(group)).__name__}: {leaf(group)}", next_step="See daemon.log")
        finally:
            if running.cluster is not None:
                await running.cluster.peer.close()
            running.ended.set()
            if not started:
                task_status.started()

    def _open(self, paths: ClusterPaths) -> Cluster:
        local = cluster_in_force(paths.settings, self._environment)
        self._storage.prepare()
        given = (paths, local, self._settings, self._ownership, self._nodes, self._api_address)
        return open_curator(*given) if role_here(paths) is Role.CURATOR else open_follower(*given)

    # ---- what there is ----------------------------------------------------------------------------------------

    def names(self) -> list[str]:
        """Return the clusters that run, are about to, have failed or are being left."""
        return sorted({*self._running, *self._coming})

    def summaries(self) -> list[shapes.Summary]:
        """Return every cluster at a glance."""
        coming = {name: _Running(name) for name in self._coming}
        return [self._summary(running) for _, running in sorted((coming | self._running).items())]

    def _summary(self, running: _Running) -> shapes.Summary:
        if running.cluster is not None and running.failure is None and running.cluster.peer.is_running:
            return running.cluster.summary()  # which says `leaving` as well, until its task has ended
        paths = self._home.cluster(running.name)
        return down_summary(paths, running.failure, is_leaving=running.rest is not None)

    def note(self, name: str, kind: str, fields: dict[str, Any]) -> None:
        """Put an event into the diary of a cluster; one that does not run keeps none."""
        running = self._running.get(name)
        if running is not None and running.cluster is not None and running.cluster.peer.is_running:
            running.cluster.peer.diary.happened(kind, fields)

    def at_work(self) -> list[Cluster]:
        """Return the clusters that run."""
        found = [running.cluster for running in self._running.values()]
        return [cluster for cluster in found if cluster is not None and cluster.peer.is_running]

    def clock_jumped(self, seconds: int) -> None:
        """Have every cluster look again at what it looks at now and then."""
        _log.warning("%d s are missing: the machine slept, or its clock was set", seconds)
        for running in self._running.values():
            if running.cluster is not None and running.cluster.peer.is_running:
                running.cluster.clock_jumped(seconds)

    def cluster(self, name: str) -> Cluster:
        """Return a running cluster. Raises NotFound, or what it failed of."""
        running = self._running.get(name)
        if running is None and name in self._coming:
            raise Conflict(f"{name} is just starting", next_step="Try again in a moment")
        if running is None:
            raise NotFound(f"The daemon does not run {name}", next_step=f"Run it: `pincrew serve {name}`")
        if running.rest is not None:
            raise Conflict(f"{name} is being left: {running.rest}", next_step=f"`pincrew leave -c {name}` goes on")
        if running.failure is not None:
            raise running.failure
        if running.cluster is None or running.cluster.peer.network is None:
            raise Conflict(f"{name} is just starting", next_step="Try again in a moment")
        return running.cluster

    # ---- what is done with them -----------------------------------------------------------------------------------

    async def start(
        self, name: str, publish: str | None = None, rest: str | None = None, *, is_asked: bool = False
    ) -> shapes.Summary:
        """Run the cluster in a folder; harmless when it runs. Raises what keeps it from running.

        ``publish`` is where its config document is offered, ``rest`` where ipfs-cluster's API is ("": where it usually
        is), both None for nowhere; its setting `rest` counts before that.
        ``is_asked`` by its user: then it runs as a curator's where trust names this peer one (``pincrew.trust_role``).
        """
        async with self._turns:
            if is_asked:
                await self._appoint(name)
            running = self._running.get(name)
            if running is None or running.failure is not None:
                if not self._home.cluster(name).settings.exists():
                    raise NotFound(
                        f"There is no cluster {name!r} in {self._home.root}",
                        next_step=f"`pincrew create {name}` makes one, `pincrew follow SOURCE` joins one",
                    )
                if running is not None:
                    await running.wait_over()
                running = self._running[name] = _Running(name)
                self._coming.discard(name)
                assert self._nursery is not None
                await self._nursery.start(self._run_one, running)
            if running.rest is not None:
                raise Conflict(f"{name} is being left: {running.rest}", next_step=f"`pincrew leave -c {name}` goes on")
            if running.failure is not None:
                raise running.failure
            if publish is not None:
                await self._publish_at(running, publish)
            await self._offer_rest_at(running, rest)
        return self._summary(running)

    async def _publish_at(self, running: _Running, address: str) -> None:
        cluster = running.cluster
        if not isinstance(cluster, Curator):
            raise Misuse(f"This peer follows {running.name}: only a curator publishes its config document")
        assert self._nursery is not None
        if cluster.published_at is None:
            offer = partial(serve_document, cluster, address, running.ended)
            cluster.published_at = await self._nursery.start(self._keep_open, running, offer)

    async def _offer_rest_at(self, running: _Running, address: str | None) -> None:
        """Offer ipfs-cluster's API on TCP and over libp2p; a follower's is on its socket alone, unless it is told."""
        cluster = running.cluster
        assert cluster is not None and self._nursery is not None
        local = await trio.to_thread.run_sync(cluster_in_force, cluster.paths.settings, self._environment)
        address = address or local.rest or (address if isinstance(cluster, Curator) else None)
        if cluster.rest_at is None and address not in (None, NO_REST):
            offer = partial(serve_rest, cluster, local, address, running.ended)
            cluster.rest_at = await self._nursery.start(self._keep_open, running, offer)
        if local.rest_libp2p and not cluster.rest_is_on_streams:
            offer = partial(serve_rest_streams, cluster, local, running.ended)
            await self._nursery.start(self._keep_open, running, offer)
            cluster.rest_is_on_streams = True

    async def _keep_open(
        self, running: _Running, offer: Callable[..., Awaitable[None]], *, task_status: trio.TaskStatus[str]
    ) -> None:
        """Offer something over HTTP until the cluster has ended, and note when that is done."""
        closed = trio.Event()
        running.closed.append(closed)
        try:
            await offer(task_status=task_status)
        finally:
            closed.set()

    async def _appoint(self, name: str) -> None:
        """Give the cluster the role that its trust allows; one that runs in another role is stopped."""
        paths, running = self._home.cluster(name), self._running.get(name)
        if not paths.settings.exists() or (running is not None and running.rest is not None):
            return
        try:
            role = await trio.to_thread.run_sync(appoint, paths)
        except PincrewError:  # whoever opens the cluster meets the same, and it is kept as its failure
            return
        if running is not None and running.cluster is not None and running.cluster.role != role:
            self._coming.add(name)  # so that who asks meanwhile is told to wait
            await self._stop(name)

    async def stop(self, name: str) -> None:
        """Stop running a cluster; everything on disk stays."""
        async with self._turns:
            await self._stop(name)

    async def _stop(self, name: str) -> None:
        running = self._running.pop(name, None)
        if running is not None:
            running.scope.cancel()
            await running.wait_over()

    async def switch_node(self, name: str, ipfs: str, *, keep_old: bool) -> shapes.NodeSwitched:
        """Move a cluster to another node: it starts anew there, and the one before lets go once all is there.

        With ``keep_old`` that keeps its pins. Interrupted, it goes on. Harmless where it is there already.
        """
        cluster = self.cluster(name)
        ipfs = checked_choice(ipfs)
        if not ipfs or ipfs == AUTO:
            raise Misuse("A cluster moves to a node that is named", next_step="Name `embedded`, `kubo` or an address")
        await trio.to_thread.run_sync(self._nodes.client, ipfs)  # raises for what makes no sense
        local = await trio.to_thread.run_sync(load_cluster, cluster.paths.settings)
        before = local.ipfs or self._settings.ipfs
        if ipfs != before:
            old = {*local.ipfs_before} - {ipfs} if keep_old else {*local.ipfs_before, before} - {ipfs}
            moved = replace(local, ipfs=ipfs, ipfs_before=tuple(sorted(old)))
            # In this order: a crash in between has everything queued again on the old node, which has it.
            await trio.to_thread.run_sync(cluster.peer.statuses.save_node_id, "")
            await trio.to_thread.run_sync(save, cluster.paths.settings, moved)
            published, rest = cluster.published_at, cluster.rest_at
            self._coming.add(name)  # so that who asks meanwhile is told to wait
            await self.stop(name)
            await self.start(name, _host_and_port(published), _host_and_port(rest))
        return shapes.NodeSwitched(cluster=name, node=ipfs, before=before, was_there=ipfs == before)

    async def leave(self, name: str, *, dry_run: bool) -> shapes.Left:
        """Unpin what this cluster alone holds, then remove its folder. Interrupted, it goes on when asked again."""
        running = self._running.get(name)
        is_resumed = running is not None and running.rest is not None
        cluster = running.cluster if running is not None and is_resumed else self.cluster(name)
        assert cluster is not None
        kept_key = self._home.kept_owner_key(name, cluster.peer.member.chain.cluster_id)
        planned = await leave_dry_run(cluster, self._ownership, kept_key)
        if dry_run:
            return planned
        async with self._turns:
            running = self._running.get(name)
            if running is None or running.cluster is not cluster:
                raise Conflict(f"{name} was left or stopped meanwhile", next_step="See `pincrew status`")
            cluster.peer.leaving = True
            running.rest = running.rest or "it was interrupted"
            await trio.to_thread.run_sync(mark, cluster.paths)
            running.scope.cancel()
            await running.wait_over()
        left = await finish_leaving(cluster, self._ownership, planned)
        if left.rest is None:
            if await trio.to_thread.run_sync(remove_folder, cluster.paths, kept_key):
                left = msgspec.structs.replace(left, owner_key=str(kept_key))
            self._running.pop(name, None)
        else:
            running.rest = left.rest
        return left


def _first(group: BaseExceptionGroup[PincrewError]) -> PincrewError:
    error = leaf(group)
    assert isinstance(error, PincrewError)
    return error


def _host_and_port(url: str | None) -> str | None:
    return urlsplit(url).netloc if url else None
