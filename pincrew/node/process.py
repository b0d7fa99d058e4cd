"""`pincrew node run`: the embedded node as a process of its own.

It opens the store (whose lock says that it is the only one), listens, and answers the RPC on `node/rpc.sock` and,
where asked for, on a TCP address; the gateway is on loopback. SIGINT, SIGTERM and the RPC's `shutdown` end it in order,
and so does the end of its standard input when it was started ``attached``: a node that a daemon started never outlives
it.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from functools import partial

import trio

from pincrew import __version__
from pincrew.addresses import free_port
from pincrew.doors import LOCAL_HOSTS, serve_socket, serve_tcp
from pincrew.errors import Misuse, unwrapped
from pincrew.files import private_folder
from pincrew.identity import load_or_create_key
from pincrew.limits import NODE_PORT_DEFAULT, NODE_SWITCH_INTERVAL_S
from pincrew.node.gateway import build_gateway
from pincrew.node.heap import settle_heap
from pincrew.node.node import EmbeddedNode
from pincrew.node.priority import is_low, yield_to_others
from pincrew.node.rpc import build_rpc
from pincrew.node.store import BlockStore
from pincrew.paths import Home, NodePaths
from pincrew.settings import NodeSettings
from pincrew.settings_files import load_node, load_settings, save

log = logging.getLogger("pincrew.node")


def run_node(
    home: Home, environment: Mapping[str, str], *, log_level: str, rpc: str | None = None, attached: bool = False
) -> None:
    """Be the node of ``home`` until told to end; prints its ready line.

    ``rpc`` is HOST:PORT for the RPC, beside its socket.
    Raises Conflict when it runs already, PortInUse, StoreFault and Misuse in words.
    """
    if rpc is not None:
        check_rpc_address(rpc)
    logging.basicConfig(
        level=log_level.upper(), stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    for chatty in ("libp2p", "hypercorn", "httpx", "httpcore", "multiaddr", "async_service"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    # Threads hash and commit while the loop encrypts and frames: neither should wait long for the other.
    sys.setswitchinterval(NODE_SWITCH_INTERVAL_S)
    settle_heap()
    paths = home.node
    private_folder(home.root)
    private_folder(paths.folder)
    key = load_or_create_key(paths.identity, paths.blocks)
    wished = load_node(paths.settings)
    if is_low(wished.priority, home, load_settings(home.settings, environment)):
        yield_to_others()
    settings = _with_port(paths, wished)
    store = BlockStore(paths.blocks, limit_bytes=settings.storage_limit)
    try:
        node = EmbeddedNode(store, paths.blocks, key, settings, partial(save, paths.settings))
        with unwrapped():
            trio.run(partial(_main, node, paths, environment, rpc, attached))
    finally:
        store.close()


async def _main(
    node: EmbeddedNode, paths: NodePaths, environment: Mapping[str, str], rpc: str | None, attached: bool
) -> None:
    path = paths.rpc_socket(environment)
    async with _ending(node.shutdown, attached), trio.open_nursery() as nursery:
        await nursery.start(node.run)
        told = [f"rpc=unix:{path}"]
        if rpc is not None:
            app = build_rpc(node, hosts=LOCAL_HOSTS)
            told.append("tcp=" + await nursery.start(partial(serve_tcp, app, rpc, "`--rpc HOST:PORT`", node.stopping)))
        if node.settings.gateway_listen:
            address, chosen_by = node.settings.gateway_listen, "`gateway_listen` in node.toml"
            serve = partial(serve_tcp, build_gateway(node), address, chosen_by, node.stopping)
            node.gateway = await nursery.start(serve)
            told.append(f"gateway={node.gateway}")
        # Last, because who finds the socket takes the node for complete.
        await nursery.start(partial(serve_socket, build_rpc(node), path, node.stopping))
        log.info("pincrew %s: node %s listens on %s", __version__, node.identity().peer, node.identity().addresses)
        print(f"ready node peer={node.identity().peer} {' '.join(told)}", flush=True)


def _with_port(paths: NodePaths, settings: NodeSettings) -> NodeSettings:
    """Choose a port to listen on at the first start, and keep it: other nodes remember where they found this one."""
    if settings.listen:
        return settings
    port = NODE_PORT_DEFAULT if _is_free(NODE_PORT_DEFAULT) else free_port()
    listen = [f"/ip4/0.0.0.0/tcp/{port}"]
    if _is_free(port, socket.AF_INET6):
        listen.append(f"/ip6/::/tcp/{port}")
    settings = replace(settings, listen=tuple(listen))
    save(paths.settings, settings)
    return settings


def _is_free(port: int, family: socket.AddressFamily = socket.AF_INET) -> bool:
    try:
        with closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", port))
            probe.listen(1)
    except OSError:
        return False
    return True


@asynccontextmanager
async def _ending(end: Callable[[], None], attached: bool) -> AsyncIterator[None]:
    """Call ``end`` on a signal, or when whoever started us is gone."""
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:

            async def hear_signals() -> None:
                async for _ in signals:
                    end()

            async def hear_the_end() -> None:
                stream = trio.lowlevel.FdStream(os.dup(sys.stdin.fileno()))
                async with stream:
                    while await stream.receive_some(1):
                        pass
                end()

            nursery.start_soon(hear_signals)
            if attached:
                nursery.start_soon(hear_the_end)
            yield
            nursery.cancel_scope.cancel()


def check_rpc_address(address: str) -> str:
    """Return HOST:PORT if the RPC may listen there: whoever reaches it rules the node, so loopback only."""
    host, _, port = address.rpartition(":")
    if host not in ("127.0.0.1", "localhost", "[::1]") or not port.isdigit():
        raise Misuse(
            f"The RPC cannot listen on {address!r}: whoever reaches it rules the node",
            next_step="Use 127.0.0.1:PORT, or the socket",
        )
    return address
