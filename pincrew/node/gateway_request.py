"""What a browser asks the gateway for, read from its request."""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import dataclass
from enum import Enum, auto

from starlette.requests import Request

from pincrew.cid import parse_cid
from pincrew.errors import Misuse, PincrewError
from pincrew.node.segments import name_text, segments_of

_RANGE = re.compile(r"bytes=(\d{1,18})?-(\d{1,18})?")
_SPAN = re.compile(r"(-?\d{1,18}):(-?\d{1,18}|\*)")


class Form(Enum):
    """In which form content is wanted."""

    CONTENT = auto()
    RAW = auto()
    CAR = auto()


@dataclass(frozen=True, slots=True)
class CarScope:
    """Which blocks of a DAG a CAR is to hold: "all", "entity" (a file, or a folder without what is in it), "block"."""

    scope: str = "all"
    span: tuple[int, int | None] | None = None
    """Of a file, only what holds these bytes: the first and the last one, negative ones counted from the end."""

    @property
    def is_ordered(self) -> bool:
        """Whether blocks come depth first."""
        return self.scope != "entity"

    @property
    def tag(self) -> str:
        """What tells one scope's CAR from another's."""
        return self.scope if self.span is None else f"{self.scope}-{self.span[0]}-{self.span[1]}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One request."""

    address: str
    """The path of the address, unquoted: `/ipfs/CID/a b/`."""
    query: str
    cid: bytes
    below: str
    form: Form
    car: CarScope
    is_head: bool
    offline: bool
    downloads: bool
    renamed: str
    byte_range: str
    if_range: str
    known: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name that the content has, "" for none."""
        segments = segments_of(self.below)
        return self.renamed or (name_text(segments[-1]) if segments else "")

    def has(self, etag: str) -> bool:
        """Whether the browser has this already."""
        plain = etag.removeprefix("W/")
        return any(one in ("*", plain) for one in self.known)

    def range_of(self, size: int, etag: str) -> tuple[int, int] | None:
        """Return the range that is wanted as (begin, end), an empty one where there is none such; None for all.

        Several ranges at once are answered with everything, as any server may.
        """
        found = _RANGE.fullmatch(self.byte_range)
        if found is None or found[0] == "bytes=-" or (self.if_range and self.if_range != etag):
            return None
        if found[1] is None:
            return max(0, size - int(found[2])), size
        first = int(found[1])
        if found[2] is not None and int(found[2]) < first:
            return None
        return first, size if found[2] is None else min(size, int(found[2]) + 1)


def wanted_of(request: Request) -> Wanted:
    """Read a request. Raises Misuse."""
    # What the server unquoted may have lost bytes that are no Unicode: the raw path has them.
    raw = request.scope.get("raw_path", request.url.path.encode()).partition(b"?")[0]
    address = urllib.parse.unquote_to_bytes(raw).decode("utf-8", "surrogateescape")
    root, _, below = address.removeprefix("/ipfs/").partition("/")
    try:
        cid = parse_cid(root)
    except Misuse:
        raise
    except PincrewError as error:
        raise Misuse(f"{root!r} is not a CID: {error.what}") from error
    query, headers = request.query_params, request.headers
    # A page that merely embeds something from here, as an image or a script: it is no reason to fetch anything.
    is_embedded = headers.get("sec-fetch-site") in ("cross-site", "same-site") and (
        headers.get("sec-fetch-dest") != "document"
    )
    return Wanted(
        address=address,
        query=request.url.query,
        cid=cid,
        below=below,
        form=_form_of(query.get("format"), headers.get("accept", "")),
        car=_scope_of(query.get("dag-scope"), query.get("entity-bytes")),
        is_head=request.method == "HEAD",
        offline=is_embedded or "only-if-cached" in headers.get("cache-control", ""),
        downloads=query.get("download") == "true",
        renamed=query.get("filename", "").rpartition("/")[2],
        byte_range=headers.get("range", "").replace(" ", ""),
        if_range=headers.get("if-range", ""),
        known=tuple(one.strip().removeprefix("W/") for one in headers.get("if-none-match", "").split(",")),
    )


def _form_of(name: str | None, accept: str) -> Form:
    if name is not None:
        if name not in ("raw", "car"):
            raise Misuse(f"This gateway has no format {name!r}", next_step="There are: raw, car")
        return Form[name.upper()]
    if "application/vnd.ipld.raw" in accept:
        return Form.RAW
    if "application/vnd.ipld.car" in accept:
        if "version=2" in accept:
            raise Misuse("This gateway writes CARs of version 1 only")
        return Form.CAR
    return Form.CONTENT


def _scope_of(scope: str | None, span: str | None) -> CarScope:
    if scope not in (None, "all", "entity", "block"):
        raise Misuse(f"{scope!r} is not a scope", next_step="There are: all, entity, block")
    if span is None:
        return CarScope(scope or "all")
    found = _SPAN.fullmatch(span)
    if found is None:
        raise Misuse(f"{span!r} is not a range of bytes", next_step="Write it like `0:1023` or `1024:*`")
    return CarScope(scope or "entity", (int(found[1]), None if found[2] == "*" else int(found[2])))
