"""Multiaddresses as users type them and documents carry them, and the port that a cluster keeps. No libp2p here."""

from __future__ import annotations

import ipaddress
import secrets
import socket
from collections.abc import Sequence
from contextlib import suppress

from pincrew.errors import Misuse, WorldFault
from pincrew.limits import CONFIG_PEER_BYTES_MAX

_KEPT_PORTS = range(10_000, 32_000)
_PORT_TRIES = 100
_HOSTS = ("ip4", "ip6", "dns", "dns4", "dns6")


def listen_addresses(texts: Sequence[str]) -> tuple[str, ...]:
    """Check what a peer is to listen on, and choose a free port where none is given or it is 0.

    The port is chosen once and then stored, so that the address stays true. Raises Misuse.
    """
    return tuple(_with_port(text) for text in texts or ["/ip4/0.0.0.0/tcp/0"])


def announce_addresses(texts: Sequence[str]) -> tuple[str, ...]:
    """Check under which addresses a peer is to be known. Raises Misuse."""
    for text in texts:
        parts = _parts(text)
        if parts[0] == "dnsaddr":
            continue
        if _tcp_port(parts, text) == 0 or _is_wildcard(parts):
            raise Misuse(f"Nobody can dial {text!r}", next_step="Announce an address that others reach")
    return tuple(texts)


def with_peer(address: str, peer: str) -> str:
    """Return ``address`` ending in `/p2p/PEER`, as somebody who does not know us yet needs it."""
    return address if "/p2p/" in address else f"{address.rstrip('/')}/p2p/{peer}"


def free_port() -> int:
    """Return a TCP port that nobody listens on at this moment.

    It will be kept for years, so it comes from below those that systems lend to outgoing connections: one of these
    could be taken at any start.
    """
    for _ in range(_PORT_TRIES):
        port = _KEPT_PORTS.start + secrets.randbelow(len(_KEPT_PORTS))
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe, suppress(OSError):
            probe.bind(("0.0.0.0", port))
            return port
    raise WorldFault("No free port was found", next_step="Name one: `--listen /ip4/0.0.0.0/tcp/PORT`")


def _with_port(text: str) -> str:
    parts = _parts(text)
    if parts[0] not in ("ip4", "ip6"):
        raise _refused(text, "a peer listens on an IP address")
    if len(parts) > 2 and _tcp_port(parts, text) != 0:
        return text
    return "/".join(("", *parts[:2], "tcp", str(free_port()), *parts[4:]))


def _parts(text: str) -> list[str]:
    parts = text.rstrip("/").split("/")[1:]
    is_plain = text.isascii() and text.isprintable() and "," not in text and " " not in text
    if not text.startswith("/") or not is_plain or len(text) > CONFIG_PEER_BYTES_MAX or len(parts) < 2:
        raise _refused(text, "it has the wrong form")
    if parts[0] in ("ip4", "ip6"):
        try:
            is_right = ipaddress.ip_address(parts[1]).version == int(parts[0][2])
        except ValueError:
            is_right = False
        if not is_right:
            raise _refused(text, f"{parts[1]!r} is no such IP address")
    elif parts[0] not in (*_HOSTS, "dnsaddr"):
        raise _refused(text, f"it starts with {parts[0]!r}")
    return parts


def _tcp_port(parts: list[str], text: str) -> int:
    if len(parts) < 4 or parts[2] != "tcp" or not parts[3].isdigit() or not 0 <= int(parts[3][:9]) <= 65_535:
        raise _refused(text, "pincrew speaks TCP and needs a port from 0 to 65535")
    return int(parts[3])


def _is_wildcard(parts: list[str]) -> bool:
    return parts[0] in ("ip4", "ip6") and ipaddress.ip_address(parts[1]).is_unspecified


def _refused(text: str, reason: str) -> Misuse:
    shown = text if len(text) <= 80 else text[:77] + "..."
    return Misuse(f"{shown!r} is no address for a peer: {reason}", next_step="Write it like /ip4/203.0.113.7/tcp/4001")


def is_loopback(address: str) -> bool:
    """Whether a multiaddr can be reached from this machine alone."""
    host = _ip_of(address)
    return host is not None and host.is_loopback


def is_private(address: str) -> bool:
    """Whether a multiaddr can be reached from a local network alone."""
    host = _ip_of(address)
    return host is not None and not host.is_loopback and (host.is_private or host.is_link_local)


def public_network(address: str) -> str | None:
    """Return the public network of a multiaddr, an IPv4 /24 or an IPv6 /48: who is in one may well be one machine."""
    host = _ip_of(address)
    if host is None or not host.is_global:
        return None
    return str(ipaddress.ip_network((host, 24 if host.version == 4 else 48), strict=False))


def _ip_of(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    parts = address.split("/")
    if len(parts) < 3 or parts[1] not in ("ip4", "ip6"):
        return None
    try:
        return ipaddress.ip_address(parts[2])
    except ValueError:
        return None
