"""Where a config document comes from: the text that a volunteer types, taken apart. No I/O.

    https://example.org/crew.toml     http, https
    ./crew.toml   /a/b.toml   ~/c.toml   file:///a/b.toml
    crew.example.org   /ipns/NAME   ipns://NAME   /ipfs/CID/crew.toml   ipfs://CID/crew.toml
                                      through the gateway of the user's own IPFS node

Any of them may end in ``#CLUSTER-ID`` (64 hex digits); then no other cluster is accepted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from pincrew.errors import Misuse, SourceUnreachable

_DOMAIN = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z][a-z0-9-]{1,62}", re.IGNORECASE)
_IPNS_KEY = re.compile(r"k[0-9a-z]{50,80}|12D3Koo[1-9A-HJ-NP-Za-km-z]{45}|Qm[1-9A-HJ-NP-Za-km-z]{44}")
_LENGTH_MAX = 4_096


class Kind(StrEnum):
    """How a source is read."""

    HTTP = "http"
    FILE = "file"
    GATEWAY = "gateway"


@dataclass(frozen=True)
class Source:
    """A source taken apart. ``where`` is a URL, an absolute path, or a path below a gateway (`/ipns/...`)."""

    kind: Kind
    where: str
    cluster_id: bytes | None = None

    @property
    def text(self) -> str:
        """The source as it is stored and shown: absolute, and with the cluster id if that was given."""
        return f"{self.where}#{self.cluster_id.hex()}" if self.cluster_id else self.where

    def url(self, gateway: str) -> str:
        """Return what is asked over HTTP. For kinds other than FILE."""
        return gateway.rstrip("/") + quote(self.where, safe="/:@") if self.kind is Kind.GATEWAY else self.where


def parse_source(text: str, folder: Path) -> Source:
    """Take apart what a user typed; a relative path starts at ``folder``. Raises Misuse."""
    stripped = text.strip()
    if not stripped or len(stripped) > _LENGTH_MAX or not stripped.isprintable():
        raise Misuse(
            "That is no source of a config document",
            next_step="Give the address or the file that the curator sent you",
        )
    where, cluster_id = _cluster_id(stripped)
    scheme, colon, rest = where.partition("://")
    if colon:
        return _with_scheme(scheme.lower(), rest, where, cluster_id)
    if where.startswith(("/ipns/", "/ipfs/")):
        return Source(Kind.GATEWAY, where.rstrip("/"), cluster_id)
    if _IPNS_KEY.fullmatch(where) or (_DOMAIN.fullmatch(where) and not where.lower().endswith(".toml")):
        return Source(Kind.GATEWAY, f"/ipns/{where}", cluster_id)
    return Source(Kind.FILE, str((folder / Path(where).expanduser()).absolute()), cluster_id)


def check_redirect(asked: str, target: str) -> None:
    """Raise SourceUnreachable when an answer from ``asked`` may not send us to ``target``.

    Whoever chose https chose that nobody on the way can change the document; and no web server may make us read a file.
    """
    before, after = urlsplit(asked).scheme.lower(), urlsplit(target).scheme.lower()
    if after not in ("http", "https") or (before == "https" and after != "https"):
        raise SourceUnreachable(
            f"The source sends us on from {before} to {after or 'nowhere'}",
            where=asked,
            means="A document that arrives that way may be anybody's",
            next_step="Ask the curator for another address",
        )


def _cluster_id(text: str) -> tuple[str, bytes | None]:
    where, mark, tail = text.rpartition("#")
    if mark and re.fullmatch(r"[0-9a-fA-F]{64}", tail):
        return where, bytes.fromhex(tail)
    if mark and ("://" in text or re.fullmatch(r"[0-9a-fA-F]{16,}", tail)):
        raise Misuse(
            f"What follows the # is no cluster id: it has {len(tail)} characters",
            next_step="A cluster id has 64 hex digits; copy the whole line",
        )
    return text, None


def _with_scheme(scheme: str, rest: str, where: str, cluster_id: bytes | None) -> Source:
    if scheme in ("http", "https"):
        try:
            parts = urlsplit(where)
            is_usable = bool(parts.hostname) and (parts.port is None or parts.port > 0)
        except ValueError:
            is_usable = False
        if is_usable:
            return Source(Kind.HTTP, urlunsplit(parts._replace(scheme=scheme)), cluster_id)
    elif scheme == "file" and rest.removeprefix("localhost").startswith("/"):
        return Source(Kind.FILE, unquote(rest.removeprefix("localhost")), cluster_id)
    elif scheme in ("ipns", "ipfs") and rest.strip("/"):
        return Source(Kind.GATEWAY, f"/{scheme}/{rest.rstrip('/')}", cluster_id)
    raise Misuse(
        f"{where!r} is no address that pincrew can fetch",
        next_step="It can fetch https://, http://, file://, ipns:// and ipfs://, a path and a domain",
    )
