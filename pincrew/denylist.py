"""Denylists in the standard compact format (https://specs.ipfs.tech/compact-denylist-format/), as far as pins go. Pure.

A pinning tool meets CIDs, never paths into them or names, so these forms decide about pins:

- `/ipfs/CID` and `/ipfs/CID/*`: everything with the multihash of that CID.
- `//HASH`: the same, hashed once more, by which a list does not tell what it denies. Both kinds: a multihash in base58
  of the multihash's base58, and the older 64 hex digits, SHA-256 of a CIDv1 in base32 and a slash.
- `!` before any of them allows; the last rule that matches decides.

Rules for paths (`/ipfs/CID/PATH`) and names (`/ipns/...`) are read and counted and do not apply: a pin is kept whole or
not at all. What is double-hashed may be such a rule as well; then it matches no pin.

One form is pincrew's own: `/name/PATTERN` denies pins by their name in the list, `*` standing for anything and `?` for
any character, capitals being like small letters; spaces and what else is odd are %-encoded, as in paths.

Header and hints are read over: but for `version`, nothing in them is about what is denied.
"""

from __future__ import annotations

import fnmatch
import hashlib
import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

import libipld

from pincrew.cid import parse_cid
from pincrew.errors import Malformed, Misuse
from pincrew.limits import DENYLIST_FAULTS_KEPT, DENYLIST_HEADER_BYTES_MAX, DENYLIST_LINE_BYTES_MAX
from pincrew.node.multihash import DAG_PB, cid_from, codec_of, digest, multihash_of
from pincrew.node.protobuf import read_varint
from pincrew.values import Pin

VERSION = 1
_HEX = re.compile(r"[0-9a-f]{64}")
_VERSION_LINE = re.compile(r"version\s*:\s*[\"']?([^\s\"'#]+)")
_CIDV0_START = b"\x12\x20"
_HEADER_END = b"---"


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the last rule that matches a pin says, and which line of which list that is."""

    denies: bool
    line: int
    rule: str


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is no rule: its number, and why."""

    line: int
    reason: str


@dataclass(slots=True)
class Denylist:
    """The rules of one file. ``elsewhere`` counts rules about paths and names, ``bad`` lists lines that are no rule."""

    rules: int = 0
    elsewhere: int = 0
    bad: list[BadLine] = field(default_factory=list)
    bad_count: int = 0
    _by_multihash: dict[bytes, int] = field(default_factory=dict)
    _by_hash: dict[tuple[int, int], dict[bytes, int]] = field(default_factory=dict)
    _by_old_hash: dict[bytes, int] = field(default_factory=dict)
    _by_name: list[tuple[re.Pattern[str], int]] = field(default_factory=list)
    _texts: dict[int, str] = field(default_factory=dict)

    def ruling(self, pin: Pin) -> Ruling | None:
        """Return what the list says of a pin, None where no rule matches. Looks at its CID and its name."""
        multihash = multihash_of(pin.cid)
        found = self._by_multihash.get(multihash, 0)
        if self._by_hash:
            text = libipld.encode_multibase("z", multihash)[1:].encode()
            for (code, length), rules in self._by_hash.items():
                found = _later(found, rules.get(digest(code, text, length), 0))
        if self._by_old_hash:
            codec = DAG_PB if pin.cid.startswith(_CIDV0_START) else codec_of(pin.cid)
            text = f"{libipld.encode_cid(cid_from(codec, multihash))}/".encode()
            found = _later(found, self._by_old_hash.get(hashlib.sha256(text).digest(), 0))
        for pattern, rule in reversed(self._by_name):
            if abs(rule) < abs(found):
                break
            if pattern.fullmatch(pin.name):
                found = rule
                break
        return Ruling(found > 0, abs(found), self._texts.get(abs(found), "")) if found else None

    # A rule is the number of its line, negative where it allows: a list of millions has nothing else of each.

    def _take(self, text: str, line: int) -> None:
        """Take in a rule. Raises Malformed or Misuse with what is wrong with it."""
        rule = text.split(maxsplit=1)[0]  # hints follow
        number = line
        if rule.startswith("!"):
            rule, number = rule[1:], -line
        if rule.startswith("//"):
            self._take_hash(rule[2:], number)
        elif rule.startswith("/ipfs/"):
            self._take_path(rule.removeprefix("/ipfs/"), number)
        elif rule.startswith("/ipns/") and len(rule) > len("/ipns/"):
            self.elsewhere += 1
        elif rule.startswith("/name/") and len(rule) > len("/name/"):
            pattern = fnmatch.translate(unquote(rule.removeprefix("/name/")).replace("[", "[[]"))
            self._by_name.append((re.compile(pattern, re.IGNORECASE), number))
            self._texts[line] = rule
        else:
            raise Malformed("a rule starts with /ipfs/, /ipns/, /name/ or //, and with ! before it allows")
        self.rules += 1

    def _take_hash(self, text: str, number: int) -> None:
        if _HEX.fullmatch(text.lower()):
            self._by_old_hash[bytes.fromhex(text)] = number
            return
        multihash = _from_base58(text)
        if not _is_whole(multihash):
            raise Malformed(f"{text[:80]!r} is not a multihash")
        code, at = read_varint(multihash, 0)
        length, at = read_varint(multihash, at)
        digest(code, b"", length)  # raises where that hash function cannot be computed
        self._by_hash.setdefault((code, length), {})[multihash[at:]] = number

    def _take_path(self, rest: str, number: int) -> None:
        name, _, path = rest.partition("/")
        multihash = _multihash(name)
        if path not in ("", "*"):
            self.elsewhere += 1
            return
        self._by_multihash[multihash] = number


def parse(lines: Iterable[bytes]) -> Denylist:
    """Read a denylist, line by line; bad lines are kept with their numbers and the others count.

    Raises Malformed for a version that this pincrew does not know.
    """
    found = Denylist()
    body = iter(lines)
    before: list[bytes] = []
    room = DENYLIST_HEADER_BYTES_MAX
    for line in body:
        before.append(line)
        room -= len(line)
        if line.rstrip() == _HEADER_END:
            _check_header(before)
            _read(found, body, len(before) + 1)
            return found
        if room < 0:
            break
    # There is no header: rules begin with the first line.
    _read(found, itertools.chain(before, body), 1)
    return found


def ruling(lists: Sequence[Denylist], pin: Pin) -> Ruling | None:
    """Return what several lists say together: of later ones first, as the format wants."""
    found = (one.ruling(pin) for one in reversed(lists))
    return next((one for one in found if one is not None), None)


def _read(found: Denylist, lines: Iterable[bytes], first: int) -> None:
    for number, line in enumerate(lines, first):
        reason = _fault(found._take, line, number)
        if reason is not None:
            found.bad_count += 1
            if len(found.bad) < DENYLIST_FAULTS_KEPT:
                found.bad.append(BadLine(number, reason))


def _fault(take: Callable[[str, int], None], line: bytes, number: int) -> str | None:
    """Take in a line; return what is wrong with it."""
    if len(line) > DENYLIST_LINE_BYTES_MAX:
        return "it is longer than 2 MiB"
    try:
        text = line.decode().strip()
    except UnicodeDecodeError:
        return "it is not UTF-8"
    if not text or text.startswith("#"):
        return None
    try:
        take(text, number)
    except (Malformed, Misuse) as error:
        return error.what
    return None


def _check_header(lines: Sequence[bytes]) -> None:
    for line in lines:
        match = _VERSION_LINE.match(line.decode(errors="replace"))
        if match is not None and match[1] != str(VERSION):
            raise Malformed(f"The denylist has version {match[1]!r}; this pincrew reads version {VERSION}")


def _later(one: int, other: int) -> int:
    """Return the rule further down in the list."""
    return one if abs(one) >= abs(other) else other


def _multihash(text: str) -> bytes:
    """Return the multihash of a CID of any version, or of a bare multihash in base58."""
    try:
        return multihash_of(parse_cid(text))
    except Misuse:
        bare = _from_base58(text)
        if not _is_whole(bare):
            raise
        return bare


def _is_whole(multihash: bytes) -> bool:
    try:
        code, at = read_varint(multihash, 0)
        length, at = read_varint(multihash, at)
    except Malformed:
        return False
    return code > 0 and len(multihash) == at + length


def _from_base58(text: str) -> bytes:
    try:
        _, found = libipld.decode_multibase(f"z{text}")
    except Exception as error:  # libipld raises bare ValueError: whatever it says, this is not base58
        raise Malformed(f"{text[:80]!r} is neither a CID nor a multihash") from error
    return bytes(found)
