"""Where peers' REST APIs are: the multiaddresses of `--host`. Pure."""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass

_FAMILIES = {
    "ip4": socket.AF_INET,
    "ip6": socket.AF_INET6,
    "dns": socket.AF_UNSPEC,
    "dns4": socket.AF_INET,
    "dns6": socket.AF_INET6,
}
_PEER_WORDS = ("p2p", "ipfs")
_PEER_ID = re.compile("[1-9A-HJ-NP-Za-km-z]{40,64}")
# What says nothing new: HTTP is what is spoken, and whether through TLS `--https` says.
_SAID_ANYWAY = ("http", "https", "tls")
_PORT_MAX = 65_535


@dataclass(frozen=True)
class Endpoint:
    """One place to ask: a host with its port; a unix socket (then ``path`` is set); or a ``peer`` over libp2p, which is
    at the multiaddress ``peer_at``.
    """

    host: str = ""
    port: int = 0
    family: int = socket.AF_UNSPEC
    path: str = ""
    peer: str = ""
    peer_at: str = ""

    @property
    def authority(self) -> str:
        """Return what the Host header says; of unix sockets and peers what ipfs-cluster-ctl says."""
        if self.path or self.peer:
            return self.peer or "restapi"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def endpoints_of(text: str) -> list[Endpoint]:
    """Read a comma-separated list of multiaddresses. Raises ValueError with a sentence."""
    return [endpoint_of(address.strip()) for address in text.split(",")]


def endpoint_of(text: str) -> Endpoint:
    """Read one multiaddress. Raises ValueError with a sentence."""
    if not text.startswith("/"):
        raise ValueError(f'failed to parse multiaddr "{text}": must begin with /')
    parts = text.strip("/").split("/")
    if parts[0] == "unix":
        if len(parts) < 2:
            raise ValueError(f'failed to parse multiaddr "{text}": unexpected end of multiaddr')
        return Endpoint(path="/" + "/".join(part for part in parts[1:] if part))
    if parts[0] == "dnsaddr" or any(word in parts for word in _PEER_WORDS):
        return _peer(text, parts)
    if len(parts) < 4 or parts[0] not in _FAMILIES or parts[2] != "tcp" or set(parts[4:]) - set(_SAID_ANYWAY):
        raise ValueError(f'failed to parse multiaddr "{text}": it is not like /ip4/127.0.0.1/tcp/9094')
    kind, host, port = _checked(text, parts)
    return Endpoint(host, port, _FAMILIES[kind])


def _peer(text: str, parts: list[str]) -> Endpoint:
    """Return a peer that is reached over libp2p."""
    place, (word, peer) = parts[:-2], parts[-2:] if len(parts) > 2 else ("", "")
    if word not in _PEER_WORDS or not _PEER_ID.fullmatch(peer):
        raise ValueError(f'failed to parse multiaddr "{text}": it does not end in /p2p/PEER_ID behind an address')
    if place[0] == "dnsaddr" and len(place) == 2:
        return Endpoint(peer=peer, peer_at="/" + "/".join(place))
    if len(place) < 4 or place[0] not in _FAMILIES or place[2] != "tcp" or place[4:] not in ([], ["ws"]):
        raise ValueError(f'failed to parse multiaddr "{text}": over libp2p, TCP is spoken, with or without /ws')
    _checked(text, place)
    return Endpoint(peer=peer, peer_at="/" + "/".join(place))


def _checked(text: str, parts: list[str]) -> tuple[str, str, int]:
    """Return the kind of a host, the host and its port."""
    kind, host, _, port = parts[:4]
    if not re.fullmatch("[0-9]{1,5}", port) or not 0 < int(port) <= _PORT_MAX:
        raise ValueError(f'failed to parse multiaddr "{text}": {port} is no port')
    if kind.startswith("ip"):
        try:
            is_of_kind = ipaddress.ip_address(host).version == int(kind[2:])
        except ValueError:
            is_of_kind = False
        if not is_of_kind:
            raise ValueError(f'failed to parse multiaddr "{text}": {host} is no {kind} address')
    return kind, host, int(port)
