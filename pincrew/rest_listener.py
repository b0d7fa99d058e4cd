"""Where a running cluster offers ipfs-cluster's REST API: its own socket, and for a served curator's a TCP address."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trio

from pincrew.cluster import Cluster
from pincrew.doors import LOCAL_HOSTS, Tls, checked_tls, serve_socket, serve_tcp
from pincrew.errors import Misuse, PortInUse, unwrapped
from pincrew.paths import ClusterPaths
from pincrew.rest.access import user_of
from pincrew.rest.doorkeeper import ANY_ORIGIN, Keys, TcpRules
from pincrew.rest.server import build_rest_app
from pincrew.settings import ClusterSettings
from pincrew.tokens import TokenBook

REST_DEFAULT = "127.0.0.1:9094"
_CHOSEN_BY = "`--rest HOST:PORT`, or `rest` in cluster.toml"


@dataclass(frozen=True, slots=True)
class Offered:
    """A TCP door, and what holds on it."""

    host: str
    port: int
    rules: TcpRules
    tls: Tls | None


async def serve_rest_socket(
    cluster: Cluster, path: Path, ended: trio.Event, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Serve on a unix socket that only this user can reach, until ``ended``."""
    await serve_socket(build_rest_app(cluster.rest), path, ended, task_status=task_status)


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
                    url = await nursery.start(partial(serve_tcp, app, choice, _CHOSEN_BY, ended, tls=offered.tls))
                    task_status.started(url.rstrip("/"))
                return
            except* PortInUse as group:
                if choice == choices[-1]:
                    raise group.exceptions[0] from None


def checked_rest(paths: ClusterPaths, local: ClusterSettings, address: str) -> Offered:
    """Return how the API would be offered at HOST:PORT; "" is the usual address. Raises as ``serve_rest``. Blocks."""
    host, _, port = (address or REST_DEFAULT).rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise Misuse(f"{address!r} is not HOST:PORT", where=_CHOSEN_BY, next_step=f"Write it like `{REST_DEFAULT}`")
    return Offered(host, int(port), _rules(paths, local, host, address), _tls(paths, local))


def _rules(paths: ClusterPaths, local: ClusterSettings, host: str, address: str) -> TcpRules:
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
    return TcpRules(LOCAL_HOSTS if host in LOCAL_HOSTS else None, keys, frozenset(local.rest_cors_origins))


def _tls(paths: ClusterPaths, local: ClusterSettings) -> Tls | None:
    if not local.rest_tls_cert:
        return None
    certificate, key = (paths.folder / name for name in (local.rest_tls_cert, local.rest_tls_key))
    return checked_tls(certificate, key, "rest_tls_cert and rest_tls_key in cluster.toml")
