"""Multiaddrs: what we may listen on, what we tell others, what we dial.

TCP only, with or without ``/ws``. QUIC and WebRTC pass by the private network key of a closed cluster (py-libp2p), so
they are refused everywhere rather than in one of two cases. Names are resolved here, by the system's own resolver:
py-libp2p's does not know /etc/hosts.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Sequence

import ifaddr
import trio
from dns.asyncresolver import Resolver
from dns.exception import DNSException
from multiaddr import Multiaddr
from multiaddr.exceptions import Error as MultiaddrError

from pincrew import limits
from pincrew.errors import Misuse, PortInUse, WorldFault

_IPS = {"ip4": socket.AF_INET, "ip6": socket.AF_INET6}
_NAMES = {"dns": socket.AF_UNSPEC, "dns4": socket.AF_INET, "dns6": socket.AF_INET6}
_TRANSPORTS = (["tcp"], ["tcp", "ws"])
_ADVICE = "Use an address like `/ip4/0.0.0.0/tcp/4001`"


def parts_of(address: str) -> list[tuple[str, str]]:
    """Return an address as (protocol, value) pairs. Raises Misuse when it is not a multiaddr."""
    try:
        return [(protocol.name, str(value or "")) for protocol, value in Multiaddr(address).items()]
    except (MultiaddrError, ValueError, TypeError, AttributeError) as error:
        raise Misuse(f"{address!r} is not a network address", next_step=_ADVICE) from error


def text_of(parts: Iterable[tuple[str, str]]) -> str:
    """Return the multiaddr of ``parts``."""
    return "".join(f"/{name}/{value}" if value else f"/{name}" for name, value in parts)


def check_listen(addresses: Sequence[str]) -> None:
    """Raise Misuse unless every address is one that we may listen on, and no two want the same port."""
    if not addresses:
        raise Misuse("There is no address to listen on", next_step=_ADVICE)
    taken: set[tuple[str, str]] = set()
    for address in addresses:
        parts = parts_of(address)
        if not parts or parts[0][0] not in _IPS or [name for name, _ in parts[1:]] not in _TRANSPORTS:
            raise Misuse(
                f"Listening on {address} is not possible: only TCP on an IP address is, with or without /ws",
                means="QUIC and WebRTC would let in peers without the private network key of a closed cluster",
                next_step=_ADVICE,
            )
        port = (parts[0][1], parts[1][1])
        if port[1] != "0" and port in taken:
            raise Misuse(f"Two addresses want port {port[1]}", next_step="Give each its own port")
        taken.add(port)


def check_announce(addresses: Sequence[str]) -> None:
    """Raise Misuse unless every address names a place that others can dial."""
    for address in addresses:
        parts = [part for part in parts_of(address) if part[0] != "p2p"]
        if not parts or parts[0][0] not in (*_IPS, *_NAMES) or [name for name, _ in parts[1:]] not in _TRANSPORTS:
            raise Misuse(f"{address!r} cannot be announced: others could not dial it", next_step=_ADVICE)


def probe_ports(addresses: Sequence[str]) -> None:
    """Raise PortInUse if somebody listens on a port of ours already.

    py-libp2p sets SO_REUSEPORT, so that two programs would share a port without a word. A bind without that option
    finds the other. SO_REUSEADDR is set, or the connections of our own last run would count as somebody.
    """
    for address in addresses:
        (protocol, host), (_, port) = parts_of(address)[:2]
        with socket.socket(_IPS[protocol], socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if protocol == "ip6":
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                probe.bind((host, int(port)))
                probe.listen(1)
            except OSError as error:
                raise PortInUse(
                    f"Port {port} on {host} cannot be used: {error.strerror or error}",
                    means="The cluster is not reachable until it has a port",
                    next_step="Stop the other program, or name another port with `--listen /ip4/0.0.0.0/tcp/PORT`",
                ) from error


def told_addresses(listening: Sequence[str], announce: Sequence[str], peer: str) -> tuple[str, ...]:
    """Return what others are told: ``announce`` if given, else where we listen, with real interface addresses."""
    told: list[str] = []
    for address in announce or listening:
        parts = parts_of(address)
        bare = [(name, value) for name, value in parts if name != "p2p"]
        hosts = [bare[0]]
        if not announce and bare[0] in (("ip4", "0.0.0.0"), ("ip6", "::")):
            hosts = [(bare[0][0], host) for host in interface_hosts(bare[0][0])]
        for host in hosts:
            told.append(text_of([host, *bare[1:], ("p2p", peer)]))
    return tuple(dict.fromkeys(told))


def interface_hosts(protocol: str) -> list[str]:
    """Return this machine's addresses of one family (``ip4`` or ``ip6``); loopback only where there is nothing else."""
    hosts = []
    for adapter in ifaddr.get_adapters():
        for entry in adapter.ips:
            host = entry.ip if isinstance(entry.ip, str) else entry.ip[0]
            hosts.append(ipaddress.ip_address(host.partition("%")[0]))
    ours = [host for host in hosts if host.version == (4 if protocol == "ip4" else 6) and not host.is_link_local]
    outside = [host for host in ours if not host.is_loopback]
    return [str(host) for host in dict.fromkeys(outside or ours)]


async def resolve(address: str, peer: str, *, global_only: bool = False) -> list[str]:
    """Return the IP addresses, without ``/p2p``, that ``address`` of ``peer`` stands for.

    With ``global_only`` a name stands for public addresses only: whoever owns a name can let it lead to this machine
    and its network. Raises Misuse for an address that we cannot dial or that names another peer, WorldFault when a name
    is unknown, or leads nowhere where it may.
    """
    parts = parts_of(address)
    if parts and parts[-1][0] == "p2p":
        if parts[-1][1] != peer:
            raise Misuse(f"{address} is the address of another peer than {peer}")
        parts = parts[:-1]
    if not parts:
        raise Misuse(f"{address} names a peer but no place")
    with trio.move_on_after(limits.RESOLVE_TIMEOUT_S) as patience:
        named = parts[0][0] not in _IPS
        found = await (_from_dnsaddr(parts[0][1], peer) if parts[0][0] == "dnsaddr" else _from_name(parts))
        allowed = [each for each in found if _is_global(each)] if named and global_only else found
        if found and not allowed:
            raise WorldFault(f"The name {parts[0][1]} leads to no public address")
        return allowed
    assert patience.cancelled_caught
    raise WorldFault(f"The name in {address} was not resolved within {limits.RESOLVE_TIMEOUT_S:g} s")


def _is_global(address: str) -> bool:
    host = ipaddress.ip_address(parts_of(address)[0][1])
    return host.is_global and not host.is_multicast


async def _from_name(parts: list[tuple[str, str]]) -> list[str]:
    (protocol, host), rest = parts[0], parts[1:]
    if (protocol not in _IPS and protocol not in _NAMES) or [name for name, _ in rest] not in _TRANSPORTS:
        raise Misuse(f"{text_of(parts)} cannot be dialled: only TCP can, with or without /ws")
    if protocol in _IPS:
        return [text_of(parts)]
    try:
        found = await trio.socket.getaddrinfo(host, None, family=_NAMES[protocol], type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise WorldFault(f"The name {host} is not known here") from error
    hosts = dict.fromkeys(("ip6" if family == socket.AF_INET6 else "ip4", str(name[0])) for family, *_, name in found)
    return [text_of([entry, *rest]) for entry in hosts][: limits.RESOLVED_ADDRESSES_MAX]


async def _from_dnsaddr(host: str, peer: str) -> list[str]:
    """Follow the TXT records of ``/dnsaddr`` once; those of other peers, and further ``/dnsaddr``, are left out."""
    try:
        answer = await Resolver().resolve(f"_dnsaddr.{host}", "TXT", lifetime=limits.RESOLVE_TIMEOUT_S)
    except (DNSException, OSError, ValueError) as error:
        raise WorldFault(f"The name {host} has no addresses of peers") from error
    addresses: list[str] = []
    for record in list(answer)[: limits.RESOLVED_ADDRESSES_MAX]:
        key, _, value = b"".join(record.strings).decode("utf-8", "replace").partition("=")
        try:
            parts = parts_of(value)
            if key == "dnsaddr" and parts and parts[-1] == ("p2p", peer) and parts[0][0] != "dnsaddr":
                addresses += await _from_name(parts[:-1])
        except (Misuse, WorldFault):
            continue
    return addresses[: limits.RESOLVED_ADDRESSES_MAX]
