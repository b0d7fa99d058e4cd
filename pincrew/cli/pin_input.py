"""Pins as they are given to `pin add` and `state import`: CIDs, or lines, checked as a whole before any is sent.

A line is a CID, or a JSON object with the names of ipfs-cluster's state export. Fields that are missing take the
defaults (recursive, everywhere); unknown ones are ignored. What is accepted waits in memory up to 16 MiB, then in a
temporary file: a list of any length needs no more memory.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO

import msgspec

from pincrew.api.shapes import PinRequest
from pincrew.cid import cid_text, parse_cid
from pincrew.errors import Misuse, PincrewError
from pincrew.keys import public_of
from pincrew.limits import API_LINE_BYTES_MAX
from pincrew.record import SHARD_DEPTHS, encode_record
from pincrew.values import Pin, PinMode, PinType

SPOOLED_BYTES_MAX = 16 * 1024 * 1024
CIDS_SHOWN_MAX = 1_000
_NEVER = "0001-01-01T00:00:00Z"
_EVERYWHERE = -1
# ipfs-cluster calls so what was once imported there from lines without a type, and pins it.
_UNKNOWN_TYPE = "bad-type"


def pairs_of(texts: Sequence[str]) -> dict[str, str]:
    """Return the notes of `--metadata`. Raises Misuse."""
    pairs = {}
    for text in texts:
        key, sign, value = text.partition("=")
        if not sign or not key:
            raise Misuse(f"{text!r} is no note", next_step="Write it as `--metadata key=value`")
        pairs[key] = value
    return pairs


@dataclass(frozen=True)
class PinOptions:
    """What the flags say; it goes for every pin of the command. None or empty: not said.

    ``is_state``: the lines are a state file, which tells when each pin was put on the list, and may be so old that
    some have expired. Otherwise the pins are new.
    """

    name: str = ""
    mode: str | None = None
    replication_min: int | None = None
    replication_max: int | None = None
    allocations: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    origins: tuple[str, ...] = ()
    expire_at: str | None = None
    is_state: bool = False


class _Line(msgspec.Struct):
    """What a JSON line may say."""

    cid: str
    name: str = ""
    mode: str | None = None
    max_depth: int | None = None
    type: str = "pin"
    replication_factor_min: int = 0
    replication_factor_max: int = 0
    allocations: list[str] | None = None
    metadata: dict[str, str] | None = None
    origins: list[str] | None = None
    expire_at: str | None = None
    size: int | None = None
    pin_update: str | None = None
    timestamp: str | None = None
    reference: str | None = None


class Batch:
    """Checked pins, waiting to be sent. Close it, or use it as a context."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(SPOOLED_BYTES_MAX)  # noqa: SIM115 - closed by close()
        self._encoder = msgspec.json.Encoder()
        self.count = 0
        self.skipped: list[str] = []
        self.first_cids: list[str] = []

    def __enter__(self) -> Batch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of what is spooled."""
        self._file.close()

    def add(self, request: PinRequest) -> None:
        """Put a checked pin at the end."""
        self._file.write(self._encoder.encode(request) + b"\n")
        self.count += 1
        if len(self.first_cids) <= CIDS_SHOWN_MAX:
            self.first_cids.append(request.cid)

    @property
    def cids(self) -> list[str] | None:
        """The CIDs, or None when they are more than 1,000."""
        return self.first_cids if self.count <= CIDS_SHOWN_MAX else None

    def requests(self) -> Iterator[PinRequest]:
        """Yield the pins, as often as this is called."""
        self._file.seek(0)
        decoder = msgspec.json.Decoder(PinRequest)
        while line := self._file.readline():
            yield decoder.decode(line)


def from_arguments(cids: Iterable[str], options: PinOptions) -> Batch:
    """Return the pins that the command line names. Raises Misuse at the first that is wrong."""
    batch = Batch()
    try:
        for text in cids:
            batch.add(check(_Line(cid=text), options))
    except Misuse:
        batch.close()
        raise
    return batch


def from_lines(lines: IO[bytes], options: PinOptions, *, is_skipping_bad: bool) -> Batch:
    """Return the pins of a file. Raises Misuse with the number of the first bad line, unless those are skipped."""
    batch = Batch()
    try:
        for request in read_lines(lines, options, batch.skipped.append if is_skipping_bad else None):
            batch.add(request)
    except BaseException:  # whatever ended it, what is spooled is let go
        batch.close()
        raise
    return batch


def read_lines(
    lines: IO[bytes], options: PinOptions, on_skipped: Callable[[str], None] | None = None
) -> Iterator[PinRequest]:
    """Yield the pins of a file as they are read. Raises Misuse with the number of the first bad line, unless
    ``on_skipped`` is told of those."""
    number = 0
    while line := lines.readline(API_LINE_BYTES_MAX + 1):
        number += 1
        try:
            if len(line) > API_LINE_BYTES_MAX:
                while not line.endswith(b"\n") and (line := lines.readline(API_LINE_BYTES_MAX)):
                    pass  # the rest of the same line
                raise Misuse("it is longer than 64 KiB")
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
            if not text:
                continue
            request = check(_read(text), options)
        except (PincrewError, UnicodeDecodeError) as error:
            reason = error.what if isinstance(error, PincrewError) else "it is not UTF-8"
            if on_skipped is None:
                raise Misuse(
                    f"Line {number} of the input is no pin: {reason}",
                    means="Nothing was written",
                    next_step="Correct it, or leave out such lines with `--skip-bad`",
                ) from error
            on_skipped(f"line {number}: {reason}")
        else:
            yield request


def listed(text: str) -> tuple[str, ...]:
    """Return the parts of an option that takes several, with commas between them."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def check(line: _Line, options: PinOptions) -> PinRequest:
    """Return a pin as it is sent, with the flags applied. Raises Misuse."""
    kind = _type(line, options)
    cid = parse_cid(line.cid)
    mode = PinMode(options.mode or _mode(line))
    least, most = _replication(line, options)
    allocations = [] if kind is PinType.META else _allocations(line, options)
    expire_at = _moment(options.expire_at or line.expire_at)
    if expire_at is not None and not options.is_state and is_past(expire_at):
        raise Misuse(f"it expired at {expire_at}")
    request = PinRequest(
        cid=cid_text(cid),
        name=options.name or line.name,
        mode=mode.value,
        replication_factor_min=least,
        replication_factor_max=most,
        allocations=allocations or None,
        metadata={**(line.metadata or {}), **options.metadata} or None,
        origins=list(options.origins) or line.origins or None,
        expire_at=expire_at,
        size=line.size,
        pin_update=cid_text(parse_cid(line.pin_update)) if line.pin_update else None,
        timestamp=_moment(line.timestamp) if options.is_state else None,
        type=kind.value,
        max_depth=line.max_depth if kind is PinType.SHARD else None,
        reference=cid_text(parse_cid(line.reference)) if line.reference and kind is not PinType.DATA else None,
    )
    # The daemon refuses what is too much, but only when it has seen it: here the whole input is checked before.
    encode_record(
        Pin(
            cid=cid,
            name=request.name,
            mode=mode,
            replication_min=least,
            replication_max=most,
            allocations=tuple(request.allocations or ()),
            metadata=tuple((request.metadata or {}).items()),
            origins=tuple(request.origins or ()),
            size=request.size,
        )
    )
    return request


def _read(text: str) -> _Line:
    if not text.startswith("{"):
        return _Line(cid=text)
    try:
        return msgspec.json.decode(text, type=_Line)
    except msgspec.DecodeError as error:
        raise Misuse(f"{str(error)[:1].lower()}{str(error)[1:]}") from error


def is_past(moment: str) -> bool:
    """Return whether a time of a request is over."""
    return datetime.fromisoformat(moment) <= datetime.now(UTC)


def _type(line: _Line, options: PinOptions) -> PinType:
    """Return the type. The pins of content in shards belong together: they come with a whole list, or not at all."""
    if line.type in (PinType.DATA, _UNKNOWN_TYPE):
        return PinType.DATA
    if line.type not in tuple(PinType):
        raise Misuse(f"{line.type!r} is no type of a pin", next_step=f"There are: {', '.join(PinType)}")
    kind = PinType(line.type)
    if not options.is_state:
        raise Misuse(f"a {kind.value} of content in shards cannot be pinned by itself")
    if kind is PinType.SHARD and line.max_depth not in SHARD_DEPTHS:
        raise Misuse(f"a shard is not {line.max_depth} levels deep")
    if kind in (PinType.META, PinType.CLUSTER_DAG) and not line.reference:
        raise Misuse(f"a {kind.value} without a reference")
    return kind


def _mode(line: _Line) -> str:
    """Return the mode; as in ipfs-cluster the depth decides where a line has both."""
    if line.mode not in (None, "recursive", "direct"):
        raise Misuse(f"{line.mode!r} is no mode", next_step="There are `recursive` and `direct`")
    if line.max_depth is not None:
        return "direct" if line.max_depth == 0 else "recursive"
    return line.mode or "recursive"


def _replication(line: _Line, options: PinOptions) -> tuple[int, int]:
    """Return the two numbers. A flag stands for the line's own; where it leaves the other without sense, for both."""
    usual = _EVERYWHERE if options.is_state else 0  # the cluster's default, which the daemon knows
    least, most = line.replication_factor_min or usual, line.replication_factor_max or usual
    if 0 in (options.replication_min, options.replication_max):
        raise Misuse("0 is no number of copies", next_step="-1 is everywhere")
    if options.replication_min is not None and options.replication_max is not None:
        least, most = options.replication_min, options.replication_max
    elif options.replication_min is not None:
        least = options.replication_min
        most = most if 0 < least <= most else least
    elif options.replication_max is not None:
        most = options.replication_max
        least = least if 0 < least <= most else most
    if (least == _EVERYWHERE) != (most == _EVERYWHERE) or least < _EVERYWHERE or most < _EVERYWHERE or least > most:
        raise Misuse(
            f"replication {least} to {most} means nothing",
            next_step="Both are -1 (everywhere), or both are numbers and the first is not the larger",
        )
    return least, most


def _allocations(line: _Line, options: PinOptions) -> list[str]:
    """Return who keeps it; a flag that says everywhere takes the line's own peers away."""
    is_everywhere = _EVERYWHERE in (options.replication_min, options.replication_max)
    allocations = list(options.allocations) or ([] if is_everywhere else line.allocations or [])
    for peer in allocations:
        _check_peer(peer)
    return allocations


# The same few peers keep every pin of a list.
@functools.lru_cache(maxsize=1_024)
def _check_peer(peer: str) -> None:
    public_of(peer)


def _moment(text: str | None) -> str | None:
    """Return a time in UTC, without fractions of a second; none where it is not said. Raises Misuse."""
    if text in (None, "", _NEVER):
        return None
    assert text is not None
    try:
        at = datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Misuse(f"{text!r} is no time", next_step="Write it like 2030-01-31T12:00:00Z") from error
    return at.replace(microsecond=0).isoformat().replace("+00:00", "Z")
