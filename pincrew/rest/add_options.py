"""Options of `POST /add`, as ipfs-cluster's clients write them in a query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pincrew.errors import Misuse
from pincrew.node.chunking import chunking_of
from pincrew.node.importing import AddOptions
from pincrew.node.multihash import SHA2_256_NAME

_LAYOUTS = ("balanced", "trickle")


class AddFormat(StrEnum):
    """What the files of a request are."""

    UNIXFS = "unixfs"
    CAR = "car"


@dataclass(frozen=True, slots=True)
class AddWish:
    """What a client wants of adding, beside the options of the pin."""

    options: AddOptions
    format: AddFormat
    local: bool
    pins: bool
    in_shards: bool
    shows_progress: bool
    streams: bool


def read_add_wish(query: Mapping[str, str]) -> AddWish:
    """Return what is wanted. Raises Misuse, with ipfs-cluster's words for a flag that is none."""
    if _flag(query, "nocopy"):
        raise Misuse("parameter nocopy invalid: content is always copied to those who keep it")
    form = query.get("format", "") or AddFormat.UNIXFS
    if form not in tuple(AddFormat):
        raise Misuse(f"parameter format invalid: {form!r}", next_step="There are: unixfs, car")
    in_shards, pins = _flag(query, "shard"), not _flag(query, "no-pin")
    if in_shards and not pins:
        raise Misuse("parameter no-pin invalid: shards are kept by their pins")
    wraps = _flag(query, "wrap-with-directory")
    if wraps and form == AddFormat.CAR:
        raise Misuse("parameter wrap-with-directory invalid: a CAR cannot be wrapped")
    for name in ("recursive", "hidden"):  # the client decides about both, but what makes no sense is told
        _flag(query, name)
    return AddWish(
        options=_options(query, wraps=wraps),
        format=AddFormat(form),
        local=_flag(query, "local"),
        pins=pins,
        in_shards=in_shards,
        shows_progress=_flag(query, "progress"),
        streams=_flag(query, "stream-channels", default=True),
    )


def _options(query: Mapping[str, str], *, wraps: bool) -> AddOptions:
    hash_name = query.get("hash", "").lower() or SHA2_256_NAME
    # As in ipfs-cluster's own clients: another hash function needs version 1.
    version = query.get("cid-version", "") or "0"
    if version not in ("0", "1"):
        raise Misuse(f"parameter cid-version invalid: {version!r}", next_step="There are: 0, 1")
    layout = query.get("layout", "") or _LAYOUTS[0]
    if layout not in _LAYOUTS:
        raise Misuse(f"parameter layout invalid: {layout!r}", next_step=f"There are: {', '.join(_LAYOUTS)}")
    return AddOptions(
        cid_version=1 if hash_name != SHA2_256_NAME else int(version),
        raw_leaves=_flag(query, "raw-leaves") if query.get("raw-leaves") else None,
        chunking=chunking_of(query.get("chunker", "")),
        wrap=wraps,
        trickle=layout == "trickle",
        hash_name=hash_name,
    )


def _flag(query: Mapping[str, str], name: str, *, default: bool = False) -> bool:
    """Read a flag as Go does."""
    text = query.get(name, "")
    if not text:
        return default
    if text in ("1", "t", "T", "true", "TRUE", "True"):
        return True
    if text in ("0", "f", "F", "false", "FALSE", "False"):
        return False
    raise Misuse(f"parameter {name} invalid")
