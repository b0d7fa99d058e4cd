"""Where a node's RPC listens: the forms people write, and the order in which pincrew looks. No I/O."""

from __future__ import annotations

import urllib.parse
from dataclasses import dataclass
from enum import StrEnum

from pincrew.errors import Misuse

DEFAULT_ADDRESS = "http://127.0.0.1:5001"
_FORMS = "Write `http://host:port`, `/ip4/127.0.0.1/tcp/5001` or `unix:/path/to/socket`"
# What stands in settings in place of an address.
_WORDS = ("auto", "embedded", "kubo")
# A server that listens everywhere is reached on this machine.
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class NodeKind(StrEnum):
    """The kinds of nodes that pincrew drives."""

    EMBEDDED = "embedded"
    KUBO = "kubo"


class FoundBy(StrEnum):
    """What told us the address."""

    ASKED = "asked"
    ENVIRONMENT = "PINCREW_IPFS"
    API_FILE = "IPFS repository"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class NodeAddress:
    """An RPC address: ``url`` without a path, and the socket file where it is not TCP."""

    url: str
    unix_path: str | None = None
    found_by: FoundBy = FoundBy.ASKED

    def __str__(self) -> str:
        return f"unix:{self.unix_path}" if self.unix_path else self.url


def choose_address(explicit: str | None, environment: str | None, api_file: str | None) -> NodeAddress:
    """Return the address to use: the flag, else PINCREW_IPFS, else the text of `$IPFS_PATH/api`, else the default."""
    for text, found_by in (
        (explicit, FoundBy.ASKED),
        (environment, FoundBy.ENVIRONMENT),
        (api_file, FoundBy.API_FILE),
    ):
        if text and text.strip() and text.strip() not in _WORDS:
            return parse_address(text, found_by)
    return parse_address(DEFAULT_ADDRESS, FoundBy.DEFAULT)


def parse_address(text: str, found_by: FoundBy = FoundBy.ASKED) -> NodeAddress:
    """Read an address in any of the usual forms. Raises Misuse with a sentence for a person."""
    text = text.strip()
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        path = "/" + path.lstrip("/") if path.startswith("//") else path
        if not path.startswith("/"):
            raise _refusal(text)
        return NodeAddress("http://localhost", path, found_by)
    if text.startswith("/"):
        return _parse_multiaddr(text, found_by)
    if "://" not in text:
        text = f"http://{text}"
    try:
        parts = urllib.parse.urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise _refusal(text) from error
    if parts.scheme not in ("http", "https") or not host or parts.path.rstrip("/") not in ("", "/api/v0"):
        raise _refusal(text)
    if parts.username or parts.password or parts.query or parts.fragment:
        raise Misuse("An address of a node holds no credentials or query", next_step="Put them into PINCREW_IPFS_AUTH")
    return _tcp(parts.scheme, host, port or (443 if parts.scheme == "https" else 5001), found_by)


def _parse_multiaddr(text: str, found_by: FoundBy) -> NodeAddress:
    parts = text.split("/")[1:]
    if parts[0] == "unix" and len(parts) > 1 and parts[1]:
        return NodeAddress("http://localhost", "/" + "/".join(parts[1:]), found_by)
    if len(parts) < 4 or parts[0] not in ("ip4", "ip6", "dns", "dns4", "dns6") or parts[2] != "tcp":
        raise _refusal(text)
    rest = [part for part in parts[4:] if part]
    if rest not in ([], ["http"], ["https"], ["tls", "http"]) or not parts[3].isdigit():
        raise _refusal(text)
    scheme = "https" if rest in (["https"], ["tls", "http"]) else "http"
    return _tcp(scheme, parts[1], int(parts[3]), found_by)


def _tcp(scheme: str, host: str, port: int, found_by: FoundBy) -> NodeAddress:
    host = _EVERYWHERE.get(host, host)
    if not 0 < port < 65_536 or not host.isascii() or any(sign in host for sign in " /@%"):
        raise _refusal(f"{host}:{port}")
    shown = f"[{host}]" if ":" in host else host
    return NodeAddress(f"{scheme}://{shown}:{port}", None, found_by)


def _refusal(text: str) -> Misuse:
    return Misuse(f"{text[:80]!r} is not the address of an IPFS node", next_step=_FORMS)
