"""Peer ids and multiaddresses as strangers name them: those that this node can dial, in the form in which it does.

A router or a DHT peer says where others are, as text or in the binary form. Only TCP is dialled here (with or without
WebSocket), so the rest is left out without a word; so is what no stranger should make this node dial: addresses of this
machine and of its network, unless whoever names them is there himself.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

import base58

from pincrew.cid import parse_cid
from pincrew.errors import Malformed, Misuse
from pincrew.limits import ROUTING_ADDRESSES_MAX
from pincrew.node.multihash import codec_of, multihash_of
from pincrew.node.protobuf import read_varint

_PEER_TEXT_CHARACTERS_MAX = 128
_ADDRESS_BYTES_MAX = 1_024
_LIBP2P_KEY = 0x72
_SHA2_256_BYTES = 34
_IDENTITY_BYTES_MAX = 44

# The parts of which our addresses consist: name, and bytes of the value in binary (None: its length stands before it).
_PARTS: dict[int, tuple[str, int | None]] = {
    4: ("ip4", 4),
    6: ("tcp", 2),
    41: ("ip6", 16),
    53: ("dns", None),
    54: ("dns4", None),
    55: ("dns6", None),
    56: ("dnsaddr", None),
    421: ("p2p", None),
    477: ("ws", 0),
}
_NAMED = {**dict(_PARTS.values()), "ipfs": None}
_IPS = ("ip4", "ip6")
_DNS = ("dns", "dns4", "dns6")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")
_NAME_CHARACTERS_MAX = 253
_LOCAL_NAMES = (".localhost", ".local", ".internal", ".lan", ".home.arpa")

_Parts = list[tuple[str, str]]


def peer_text(raw: bytes) -> str:
    """Return the usual text (`12D3Koo...`, `Qm...`) of a peer id. Raises Malformed."""
    is_hash = raw[:2] == b"\x12\x20" and len(raw) == _SHA2_256_BYTES
    is_key = raw[:1] == b"\x00" and 2 < len(raw) <= _IDENTITY_BYTES_MAX and raw[1] == len(raw) - 2
    if not is_hash and not is_key:
        raise Malformed("a peer id is neither a hash nor a key")
    return str(base58.b58encode(raw).decode())


def peer_bytes(text: str) -> bytes:
    """Return a peer id as bytes, from its usual text or from a CID of it. Raises Malformed."""
    try:
        if len(text) > _PEER_TEXT_CHARACTERS_MAX:
            raise Malformed("a peer id is too long")
        if text.startswith(("Qm", "1")):
            raw = bytes(base58.b58decode(text))
        else:
            cid = parse_cid(text)
            if codec_of(cid) != _LIBP2P_KEY:
                raise Malformed("a CID is not that of a peer")
            raw = multihash_of(cid)
    except (ValueError, Misuse) as error:
        raise Malformed("what should be a peer id is none") from error
    peer_text(raw)
    return raw


def dialable(addresses: Iterable[bytes | str], peer: str, *, local: bool) -> tuple[str, ...]:
    """Return those of a peer's addresses that can be dialled, without ``/p2p``: ROUTING_ADDRESSES_MAX at most.

    ``local`` lets addresses of this machine and its network pass, too.
    """
    found: dict[str, None] = {}
    for address in addresses:
        if len(address) > _ADDRESS_BYTES_MAX:
            continue
        parts = _split(address) if isinstance(address, str) else _decoded(address)
        if parts and (text := _checked(parts, peer, local)) is not None:
            found[text] = None
            if len(found) == ROUTING_ADDRESSES_MAX:
                break
    return tuple(found)


def may_lead_inside(address: str) -> bool:
    """Say whether an address that `dialable` let pass is a name that it takes from this network alone."""
    kind, host = address.split("/", 3)[1:3]
    return kind not in _IPS and not _may_name(host, local=False)


def _split(text: str) -> _Parts | None:
    """Take the text of an address apart; None where it holds anything that we do not dial."""
    words = text.rstrip("/").split("/")
    parts: _Parts = []
    if words[0] or len(words) < 2:
        return None
    at = 1
    while at < len(words):
        name = words[at]
        if name not in _NAMED or (_NAMED[name] != 0 and at + 1 == len(words)):
            return None
        value = "" if _NAMED[name] == 0 else words[at + 1]
        parts.append(("p2p" if name == "ipfs" else name, value))
        at += 1 if _NAMED[name] == 0 else 2
    return parts


def _decoded(raw: bytes) -> _Parts | None:
    """Take a binary address apart; None as for text."""
    parts: _Parts = []
    at = 0
    try:
        while at < len(raw):
            code, at = read_varint(raw, at)
            if code not in _PARTS:
                return None
            name, length = _PARTS[code]
            if length is None:
                length, at = read_varint(raw, at)
            value = raw[at : at + length]
            if len(value) < length:
                return None
            at += length
            parts.append((name, _text_of(name, value)))
    except (Malformed, UnicodeDecodeError):
        return None
    return parts


def _text_of(name: str, value: bytes) -> str:
    match name:
        case "ip4" | "ip6":
            return str(ipaddress.ip_address(value))
        case "tcp":
            return str(int.from_bytes(value))
        case "p2p":
            return peer_text(value)
        case _:
            return value.decode("ascii")


def _checked(parts: _Parts, peer: str, local: bool) -> str | None:
    """Return the address if it has a form that we dial, and leads where we may."""
    if parts[-1][0] == "p2p":
        if not _is_same(parts[-1][1], peer):
            return None
        parts = parts[:-1]
    names = [name for name, _ in parts]
    if names == ["dnsaddr"]:
        return f"/dnsaddr/{parts[0][1]}" if _may_name(parts[0][1], local) else None
    if names[1:] not in (["tcp"], ["tcp", "ws"]) or not _is_port(parts[1][1]):
        return None
    kind, host = parts[0]
    if kind in _IPS:
        found = _ip(kind, host, local)
        if found is None:
            return None
        host = found
    elif kind not in _DNS or not _may_name(host, local):
        return None
    return f"/{kind}/{host}/tcp/{int(parts[1][1])}" + ("/ws" if names[-1] == "ws" else "")


def _is_same(text: str, peer: str) -> bool:
    try:
        return text == peer or peer_text(peer_bytes(text)) == peer
    except Malformed:
        return False


def _is_port(text: str) -> bool:
    return len(text) <= 5 and text.isascii() and text.isdigit() and 0 < int(text) < 65_536


def _ip(kind: str, text: str, local: bool) -> str | None:
    try:
        host = ipaddress.IPv4Address(text) if kind == "ip4" else ipaddress.IPv6Address(text)
    except ValueError:
        return None
    if host.is_multicast or host.is_unspecified or not (local or host.is_global) or "%" in text:
        return None
    return str(host)


def _may_name(host: str, local: bool) -> bool:
    if len(host) > _NAME_CHARACTERS_MAX or not _NAME.fullmatch(host):
        return False
    bare = host.lower().rstrip(".")
    return local or ("." in bare and not bare.endswith(_LOCAL_NAMES))
