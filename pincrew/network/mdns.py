"""Peers of this cluster on the local network.

The service type holds a hash of the cluster id, so that clusters do not meet, and a reader of the local network learns
the id of no cluster that it does not know already. zeroconf works in a thread of its own; what it finds is handed over
to the loop, bounded.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import base58
import trio
import zeroconf

from pincrew import limits
from pincrew.errors import Misuse
from pincrew.keys import public_of
from pincrew.network.addresses import parts_of

log = logging.getLogger(__name__)

_HASH_DOMAIN = b"pincrew/mdns/v1\0"
_RESOLVE_MS = 3_000
_FOUND_MAX = 64


def service_type(cluster: bytes) -> str:
    """Return the mDNS service type of a cluster."""
    return f"_pc-{hashlib.sha256(_HASH_DOMAIN + cluster).hexdigest()[:12]}._tcp.local."


def service_name(cluster: bytes, peer: str) -> str:
    """Return the mDNS name of a peer in a cluster: mDNS labels are shorter than a peer id's two halves together."""
    return f"{hashlib.sha256(base58.b58decode(peer)).hexdigest()[:24]}.{service_type(cluster)}"


def properties(peer: str, addresses: Sequence[str]) -> dict[str, str]:
    """Return the TXT record: the peer and where it listens."""
    found = {f"a{index}": address for index, address in enumerate(addresses[: limits.MDNS_ADDRESSES_MAX])}
    return {"peer": peer, **found}


def read_properties(found: dict[bytes, bytes | None]) -> tuple[str, tuple[str, ...]] | None:
    """Return (peer, addresses) of a TXT record, or None if it is not one of ours."""
    try:
        peer = (found.get(b"peer") or b"").decode()
        public_of(peer)
        texts = [(found.get(f"a{index}".encode()) or b"").decode() for index in range(limits.MDNS_ADDRESSES_MAX)]
    except (UnicodeDecodeError, Misuse):
        return None
    addresses = []
    for text in filter(None, texts):
        try:
            parts_of(text)
        except Misuse:
            continue
        addresses.append(text)
    return (peer, tuple(addresses)) if addresses else None


class LocalPeers:
    """Says that we are here, and finds the others. ``found`` is called in the loop with (peer, addresses)."""

    def __init__(
        self,
        cluster: bytes,
        peer: str,
        addresses: Sequence[str],
        found: Callable[[str, tuple[str, ...]], None],
        interfaces: Sequence[str] | None = None,
    ) -> None:
        self._cluster = cluster
        self._peer = peer
        self._addresses = addresses
        self._found = found
        self._interfaces = list(interfaces) if interfaces else zeroconf.InterfaceChoice.All

    async def run(self) -> None:
        """Announce and listen until cancelled. A network without multicast is a state, not an error."""
        send, receive = trio.open_memory_channel[str](_FOUND_MAX)
        token = trio.lowlevel.current_trio_token()

        def noticed(zeroconf: Any, service_type: str, name: str, state_change: Any) -> None:
            # Called in zeroconf's thread. A full channel drops the news: mDNS repeats itself.
            if state_change.name != "Removed":
                try:
                    token.run_sync_soon(partial(_offer, send, name))
                except trio.RunFinishedError:
                    return

        daemon: zeroconf.Zeroconf | None = None
        try:
            daemon = await trio.to_thread.run_sync(self._start, noticed)
            async for name in receive:
                await self._look_at(daemon, name)
        except (OSError, zeroconf.Error, ValueError) as error:
            log.info("peers on the local network are not found: %s", error)
        finally:
            if daemon is not None:
                with trio.move_on_after(limits.CLOSE_TIMEOUT_S, shield=True):
                    await trio.to_thread.run_sync(daemon.close, abandon_on_cancel=True)

    def _start(self, noticed: Callable[..., None]) -> zeroconf.Zeroconf:
        daemon = zeroconf.Zeroconf(interfaces=self._interfaces)
        kind = service_type(self._cluster)
        parts = [part for address in self._addresses for part in parts_of(address)]
        ports = [int(value) for name, value in parts if name == "tcp"]
        name = service_name(self._cluster, self._peer)
        info = zeroconf.ServiceInfo(
            kind,
            name,
            port=ports[0] if ports else 0,
            properties=properties(self._peer, self._addresses),
            # Nobody dials these: a record without an address counts as incomplete.
            parsed_addresses=[value for name, value in parts if name in ("ip4", "ip6")] or ["127.0.0.1"],
            server=f"{name.partition('.')[0]}.local.",
        )
        try:
            daemon.register_service(info)
            zeroconf.ServiceBrowser(daemon, kind, handlers=[noticed])
        # Whatever keeps us from being announced goes on up; zeroconf's thread and sockets must not outlive it.
        except BaseException:
            daemon.close()
            raise
        return daemon

    async def _look_at(self, daemon: zeroconf.Zeroconf, name: str) -> None:
        kind = service_type(self._cluster)
        if not name.endswith(kind):
            return
        info = await trio.to_thread.run_sync(daemon.get_service_info, kind, name, _RESOLVE_MS)
        entry = read_properties(info.properties) if info else None
        if entry and entry[0] != self._peer and name == service_name(self._cluster, entry[0]):
            self._found(*entry)


def _offer(send: trio.MemorySendChannel[str], name: str) -> None:
    try:
        send.send_nowait(name)
    except (trio.WouldBlock, trio.ClosedResourceError, trio.BrokenResourceError):
        log.debug("too many local peers at once")
