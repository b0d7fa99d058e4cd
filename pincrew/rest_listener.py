"""Where a running cluster offers ipfs-cluster's REST API: its own socket, a TCP address, streams of its libp2p host."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trio

from pincrew import limits
from pincrew.cluster import Cluster
from pincrew.doors import LOCAL_HOSTS, StreamDoor, Tls, checked_tls, serve_socket, serve_tcp
from pincrew.errors import Misuse, PortInUse, unwrapped
from pincrew.paths import ClusterPaths
from pincrew.rest.access import user_of
from pincrew.rest.doorkeeper import ANY_ORIGIN, Keys, Rules
from pincrew.rest.server import build_rest_app
from pincrew.settings import ClusterSettings
from pincrew.tokens import TokenBook

REST_DEFAULT = "127.0.0.1:9094"
# What go-libp2p-http speaks, and with it ipfs-cluster-ctl.
LIBP2P_PROTOCOL = "/libp2p-http"
_CHOSEN_BY = "`--rest HOST:PORT`, or `rest` in cluster.toml"


@dataclass(frozen=True, slots=True)
class Offered:
    """A TCP door, and what holds on it."""

    host: str
    port: int
    rules: Rules
    tls: Tls | None


async def serve_rest_socket(
    cluster: Cluster, path: Path, ended: trio.Event, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Serve on a unix socket that only this user can reach, until ``ended``."""
    app, most = build_rest_app(cluster.rest), limits.REST_CONNECTIONS_MAX
    await serve_socket(app, path, ended, connections_max=most, task_status=task_status)


async def serve_rest(
    cluster: Cluster,
    local: ClusterSettings,
    address: str,
    ended: trio.Event,
    *,
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve on HOST:PORT until ``ended``; started with the URL.

    "" is ipfs-cluster's usual address, or a free port of that host where the port is taken. Raises Misuse for what is
    no such address, is public with nobody asked who they are, or has no certificate that can be used; and PortInUse.
    """
    offered = await trio.to_thread.run_sync(checked_rest, cluster.paths, local, address)
    app = build_rest_app(cluster.rest, rules=offered.rules)
    choices = [address] if address else [REST_DEFAULT, f"{offered.host}:0"]
    with unwrapped():
        for choice in choices:
            try:
                async with trio.open_nursery() as nursery:
                    most = limits.REST_CONNECTIONS_MAX
                    serve = partial(serve_tcp, app, tls=offered.tls, connections_max=most)
                    url = await nursery.start(serve, choice, _CHOSEN_BY, ended)
                    task_status.started(url.rstrip("/"))
                return
            except* PortInUse as group:
                if choice == choices[-1]:
                    raise group.exceptions[0] from None


async def serve_rest_streams(
    cluster: Cluster,
    local: ClusterSettings,
    ended: trio.Event,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve on streams of the cluster's own host until ``ended``. Raises Misuse with neither users nor tokens.

    ipfs-cluster refuses this on a peer's main host, since who knows a cluster's secret could do all: here everybody is
    asked who they are, every time.
    """
    rules = await trio.to_thread.run_sync(checked_rest_streams, cluster.paths, local)
    door = StreamDoor(build_rest_app(cluster.rest, rules=rules))
    assert cluster.peer.network is not None
    with cluster.peer.network.taking_guests(LIBP2P_PROTOCOL, door.serve):
        task_status.started()
        await ended.wait()


def checked_rest_streams(paths: ClusterPaths, local: ClusterSettings) -> Rules:
    """Return what holds there. Raises as ``serve_rest_streams``. Blocks."""
    users, book = [user_of(credentials) for credentials in local.rest_users], TokenBook(paths.tokens)
    if not Keys(users, book).are_needed():
        raise Misuse(
            f"Whoever reaches this peer of {paths.name} could change its list",
            where="rest_libp2p",
            means="The REST API is not offered over libp2p",
            next_step=f"Make a token, and callers must show one: `pincrew token new -c {paths.name}`",
        )
    return Rules(None, Keys(users, book, asks_always=True), is_for_browsers=False)


def checked_rest(paths: ClusterPaths, local: ClusterSettings, address: str) -> Offered:
    """Return how the API would be offered at HOST:PORT; "" is the usual address. Raises as ``serve_rest``. Blocks."""
    host, _, port = (address or REST_DEFAULT).rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise Misuse(f"{address!r} is not HOST:PORT", where=_CHOSEN_BY, next_step=f"Write it like `{REST_DEFAULT}`")
    return Offered(host, int(port), _rules(paths, local, host, address), _tls(paths, local))


def _rules(paths: ClusterPaths, local: ClusterSettings, host: str, address: str) -> Rules:
    """Return what holds on a door. Raises Misuse where anybody could do anything."""
    keys = Keys([user_of(credentials) for credentials in local.rest_users], TokenBook(paths.tokens))
    if not keys.are_needed():
        make_one = f"Make a token, and callers must show one: `pincrew token new -c {paths.name}`"
        if host not in LOCAL_HOSTS and not local.rest_unprotected:
            raise Misuse(
                f"Whoever reaches {address} could change the list of {paths.name}",
                where=_CHOSEN_BY,
                means="Nothing listens there",
                next_step=make_one,
            )
        if ANY_ORIGIN in local.rest_cors_origins:
            raise Misuse(
                f"Every web page could change the list of {paths.name}", where="rest_cors_origins", next_step=make_one
            )
    return Rules(LOCAL_HOSTS if host in LOCAL_HOSTS else None, keys, frozenset(local.rest_cors_origins))


def _tls(paths: ClusterPaths, local: ClusterSettings) -> Tls | None:
    if not local.rest_tls_cert:
        return None
    certificate, key = (paths.folder / name for name in (local.rest_tls_cert, local.rest_tls_key))
    return checked_tls(certificate, key, "rest_tls_cert and rest_tls_key in cluster.toml")
