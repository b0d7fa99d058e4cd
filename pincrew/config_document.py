"""The config document: what a curator publishes and a follower fetches to join. TOML that a person can read.

    format = 1
    cluster_id = "..."            64 hex digits, the hash of the first of the trust records below
    name, description             for people; no control characters
    revision, issued              a number that only rises; when it was written
    trust = ["base64", ...]       every trust record from 0
    peers = ["/ip4/...", ...]     where to find somebody; the curator first
    consensus = "crdt"
    pins_hint, bytes_hint         how much to expect; optional
    sized_hint                    of how many of these pins bytes_hint is the sum; optional
    silent_after_days             after how many days without news a follower is told; optional
    secret = "..."                64 hex digits, the key of a closed cluster: only by force, everybody can read it

    [signature]
    peer = "12D3Koo..."
    value = "base64"

The last three lines have exactly this form, and the signature is over every byte before ``[signature]``. So nothing can
follow it, and no two readers can disagree about what was signed. The signer is an owner or a curator of the newest
trust record inside. Keys and tables that a reader does not know are ignored: they are a later version's.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pincrew import domains, limits
from pincrew.errors import Forged, Malformed, Misuse, NotAllowed, PincrewError
from pincrew.keys import SigningKey, peer_id, public_of, verify
from pincrew.trust import TrustChain

CONSENSUS = "crdt"
_SECRET_BYTES = 32
_INTEGER_MAX = 2**53
_SIGNATURE = re.compile(rb'\[signature\]\npeer = "([1-9A-HJ-NP-Za-km-z]{52})"\nvalue = "([A-Za-z0-9+/]{86}==)"\n\Z')
_SIGNATURE_BYTES_MAX = 256
_ASK = "Ask the curator for a correct document"
_AGAIN = "Fetch it again, or ask the curator for the address of the document itself"


@dataclass(frozen=True)
class ConfigDocument:
    """A config document whose signature was checked against the trust records inside it.

    Whether those are the records of the *right* cluster is for ``pincrew.verdict`` and for the reader's own eyes.
    ``issued`` is in Unix seconds. ``raw`` are the exact bytes, ``signer`` the public key that signed them.
    """

    cluster_id: bytes
    name: str
    revision: int
    issued: int
    trust: TrustChain
    peers: tuple[str, ...] = ()
    description: str = ""
    consensus: str = CONSENSUS
    pins_hint: int | None = None
    bytes_hint: int | None = None
    sized_hint: int | None = None
    silent_after_days: int | None = None
    secret: bytes | None = field(default=None, repr=False)
    signer: bytes = b""
    raw: bytes = field(default=b"", repr=False, compare=False)

    @property
    def sha256(self) -> str:
        """The SHA-256 of the exact bytes, as hex."""
        return hashlib.sha256(self.raw).hexdigest()


def render(
    signing_key: SigningKey,
    trust: TrustChain,
    *,
    name: str,
    revision: int,
    issued: int,
    peers: Sequence[str] = (),
    description: str = "",
    pins_hint: int | None = None,
    bytes_hint: int | None = None,
    sized_hint: int | None = None,
    silent_after_days: int | None = None,
    secret: bytes | None = None,
    is_secret_forced: bool = False,
) -> bytes:
    """Return the signed document.

    Raises NotAllowed when ``signing_key`` is no owner or curator, or when the key of a closed cluster would be
    published without force; Misuse when a field is outside its limits.
    """
    if signing_key.public not in trust.owners | trust.curators:
        raise NotAllowed(
            "This peer is no curator of the cluster",
            means="Followers would refuse what it publishes",
            next_step="Publish from a curator's machine",
        )
    if secret is not None and not is_secret_forced:
        raise NotAllowed(
            "The private network key would be inside the published document",
            means="Whoever can read the document could join the network: the key would hide nothing",
            next_step="Hand the key out apart, for `pincrew follow --secret-file`",
        )
    values: list[tuple[str, str | int | datetime | list[str] | None]] = [
        ("format", limits.CONFIG_FORMAT_VERSION),
        ("cluster_id", trust.cluster_id.hex()),
        ("name", name),
        ("description", description),
        ("revision", revision),
        ("issued", datetime.fromtimestamp(issued, UTC)),
        ("trust", [base64.b64encode(record).decode() for record in trust.encoded()]),
        ("peers", list(peers)),
        ("consensus", CONSENSUS),
        ("pins_hint", pins_hint),
        ("bytes_hint", bytes_hint),
        ("sized_hint", sized_hint),
        ("silent_after_days", silent_after_days),
        ("secret", None if secret is None else secret.hex()),
    ]
    lines = [f"{key} = {_toml(value)}\n" for key, value in values if value is not None]
    signed = ("".join(lines) + "\n").encode()
    value = base64.b64encode(signing_key.sign(domains.CONFIG, signed)).decode()
    tail = f'[signature]\npeer = "{peer_id(signing_key.public)}"\nvalue = "{value}"\n'
    raw = signed + tail.encode()
    try:
        parse(raw)  # what no reader would take is not published
    except PincrewError as error:
        raise Misuse(f"No follower would take this document: {error.what}") from error
    return raw


def parse(raw: bytes) -> ConfigDocument:
    """Read a config document and check it as far as it can be checked alone.

    Raises Malformed when it is not one, cut short or of a newer format; Forged when a signature does not fit.
    """
    table = _table(raw)
    signed, signer, signature = _split(raw)
    try:
        verify(signer, domains.CONFIG, signed, signature)
    except Forged as error:
        raise Forged(
            "The signature of the config document does not fit it",
            means="It was changed after a curator signed it",
            next_step=_ASK,
        ) from error
    trust = _trust(table)
    if signer not in trust.owners | trust.curators:
        raise Forged(
            f"The config document is signed by {peer_id(signer)}, who is no owner or curator of the cluster",
            next_step=_ASK,
        )
    document = ConfigDocument(
        cluster_id=trust.cluster_id,
        name=_text(table, "name", limits.CONFIG_NAME_BYTES_MAX),
        revision=_number(table, "revision"),
        issued=_time(table, "issued"),
        trust=trust,
        peers=_peers(table),
        description=_text(table, "description", limits.CONFIG_DESCRIPTION_BYTES_MAX, ""),
        consensus=_text(table, "consensus", 32),
        pins_hint=_number_or_none(table, "pins_hint"),
        bytes_hint=_number_or_none(table, "bytes_hint"),
        sized_hint=_number_or_none(table, "sized_hint"),
        silent_after_days=_number_or_none(table, "silent_after_days"),
        secret=_secret(table),
        signer=signer,
        raw=raw,
    )
    if document.secret is not None and trust.genesis.is_open:
        raise Malformed("The config document of an open cluster holds a private network key", next_step=_ASK)
    return document


def _toml(value: str | int | datetime | list[str] | None) -> str:
    """Return a value in TOML. Lists get a line per item, so that a person can read and compare them."""
    if isinstance(value, list):
        return "[\n" + "".join(f"    {_toml(item)},\n" for item in value) + "]" if value else "[]"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped) + '"'
    return str(value)


def _table(raw: bytes) -> dict[str, Any]:
    """Return the document as TOML, or say what it is instead. The parser sees only what cannot exhaust it."""
    if len(raw) > limits.CONFIG_DOCUMENT_BYTES_MAX:
        raise Malformed("The config document is larger than 256 KiB", next_step=_ASK)
    start = raw.lstrip(b"\xef\xbb\xbf \t\r\n")
    if not start:
        raise Malformed("The config document is empty", next_step=_ASK)
    if start.startswith(b"<"):
        raise Malformed("This is a web page, not a config document", next_step=_AGAIN)
    if start.startswith((b"{", b"[{")):
        raise Malformed(
            "This is JSON, not a config document of pincrew",
            means="It may be the template of an ipfs-cluster, which pincrew cannot follow",
            next_step="Ask the curator whether the cluster is on pincrew",
        )
    # A dotted key costs the parser the square of its parts, and a key cannot span lines.
    if any(line.count(b".") > limits.CONFIG_DOTS_PER_LINE_MAX for line in raw.split(b"\n")):
        raise Malformed("The config document has an absurd line", next_step=_ASK)
    try:
        table = tomllib.loads(raw.decode())
    except (ValueError, RecursionError) as error:  # not UTF-8, not TOML, digits or brackets without end
        raise Malformed(
            "The config document is cut short or is not one at all",
            where=str(error)[:80] if isinstance(error, tomllib.TOMLDecodeError) else "",
            next_step=_AGAIN,
        ) from error
    version = table.get("format")
    if type(version) is not int or version < 1:
        raise Malformed("This is not a config document: it states no `format`", next_step=_AGAIN)
    if version > limits.CONFIG_FORMAT_VERSION:
        raise Malformed(
            f"The config document has format {version}; this pincrew reads up to {limits.CONFIG_FORMAT_VERSION}",
            next_step="Upgrade pincrew",
        )
    return table


def _split(raw: bytes) -> tuple[bytes, bytes, bytes]:
    """Return the signed bytes, the signer and the signature."""
    found = _SIGNATURE.search(raw, max(0, len(raw) - _SIGNATURE_BYTES_MAX))
    if not found or not raw[: found.start()].endswith(b"\n"):
        what = "is cut short" if b"\n[signature]\n" not in raw else "has something after its signature"
        raise Malformed(f"The config document {what}, or its signature was edited", next_step=_AGAIN)
    try:
        signer = public_of(found[1].decode())
        signature = base64.b64decode(found[2], validate=True)
    except (Misuse, binascii.Error) as error:
        raise Malformed("The config document names no Ed25519 key as its signer", next_step=_ASK) from error
    return raw[: found.start()], signer, signature


def _trust(table: Mapping[str, Any]) -> TrustChain:
    records = table.get("trust")
    if not isinstance(records, list) or not 1 <= len(records) <= limits.TRUST_RECORDS_MAX:
        raise Malformed("The config document holds no trust records", next_step=_ASK)
    try:
        encoded = [base64.b64decode(record, validate=True) for record in records]
    except (ValueError, TypeError) as error:
        raise Malformed("A trust record of the config document is not base64", next_step=_ASK) from error
    trust = TrustChain.from_encoded(encoded)
    if trust.conflict or len(trust.records) != len(records):
        raise Malformed("The trust records of the config document are not one chain", next_step=_ASK)
    if table.get("cluster_id") != trust.cluster_id.hex():
        raise Forged("The config document's trust records are those of another cluster", next_step=_ASK)
    return trust


def _text(table: Mapping[str, Any], key: str, bytes_max: int, default: str | None = None) -> str:
    value = table.get(key, default)
    # It will be printed on a terminal: an escape sequence must not get there.
    if not isinstance(value, str) or not all(c.isprintable() or (c == "\n" and default == "") for c in value):
        raise Malformed(f"`{key}` of the config document is not plain text", next_step=_ASK)
    if len(value.encode()) > bytes_max or (default is None and not value.strip()):
        raise Malformed(f"`{key}` of the config document is empty or too long", next_step=_ASK)
    return value


def _number(table: Mapping[str, Any], key: str) -> int:
    value = table.get(key)
    if type(value) is not int or not 0 <= value <= _INTEGER_MAX:
        raise Malformed(f"`{key}` of the config document is not a plain number", next_step=_ASK)
    return value


def _number_or_none(table: Mapping[str, Any], key: str) -> int | None:
    return _number(table, key) if key in table else None


def _time(table: Mapping[str, Any], key: str) -> int:
    value = table.get(key)
    if not isinstance(value, datetime) or value.tzinfo is None or value.year < 1970:
        raise Malformed(f"`{key}` of the config document is not a time in UTC", next_step=_ASK)
    return int(value.timestamp())


def _peers(table: Mapping[str, Any]) -> tuple[str, ...]:
    peers = table.get("peers", [])
    if not isinstance(peers, list) or len(peers) > limits.CONFIG_PEERS_MAX:
        raise Malformed("`peers` of the config document is not a list of at most 64", next_step=_ASK)
    for peer in peers:
        is_address = isinstance(peer, str) and peer.startswith("/") and peer.isascii() and peer.isprintable()
        if not is_address or " " in peer or len(peer) > limits.CONFIG_PEER_BYTES_MAX:
            raise Malformed("`peers` of the config document holds what is no multiaddress", next_step=_ASK)
    return tuple(peers)


def _secret(table: Mapping[str, Any]) -> bytes | None:
    if "secret" not in table:
        return None
    value = table["secret"]
    if not isinstance(value, str) or not re.fullmatch(r"[0-9a-f]{64}", value):
        raise Malformed("`secret` of the config document is not 64 hex digits", next_step=_ASK)
    secret = bytes.fromhex(value)
    assert len(secret) == _SECRET_BYTES
    return secret
