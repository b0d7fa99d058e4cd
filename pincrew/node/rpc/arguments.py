"""What a request asks for: a command's arguments and options, read from the query as Kubo reads them.

    /api/v0/pin/add?arg=PATH&arg=PATH&recursive=true&timeout=30s

An option that a command does not know is ignored, as Kubo does, unless its table says that it would change the outcome:
then it is refused, because another outcome than the one asked for is worse than none.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pincrew.cid import parse_cid
from pincrew.errors import Misuse, PincrewError
from pincrew.limits import RPC_ARGUMENTS_MAX, RPC_TIMEOUT_S_MAX

_TRUE, _FALSE = ("1", "t", "T", "TRUE", "true", "True"), ("0", "f", "F", "FALSE", "false", "False")
_DURATION_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_UNIT_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3_600.0}


class Refused(PincrewError):
    """The request is refused, in the words of Kubo's that its clients know."""

    def __init__(self, message: str, status: int = 500) -> None:
        super().__init__(message)
        self.message = message
        self.http_status = status


@dataclass(frozen=True, slots=True)
class Form:
    """The form of a command's request.

    ``arguments`` are Kubo's names of what must be there, in its order; a last one that ends in "..." may be repeated,
    one in brackets may be missing. ``unsupported`` are options that must be absent, or false.
    """

    arguments: tuple[str, ...] = ()
    takes_files: bool = False
    short: Mapping[str, str] = field(default_factory=dict)
    unsupported: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Path:
    """A CID and what lies below it. ``text`` is what was asked for."""

    text: str
    cid: bytes
    below: str


class Arguments:
    """One request's arguments and options."""

    def __init__(self, query: str, form: Form) -> None:
        """Raises Refused."""
        try:
            pairs = urllib.parse.parse_qsl(query, keep_blank_values=True, max_num_fields=RPC_ARGUMENTS_MAX)
        except ValueError as error:
            raise Refused(f"more than {RPC_ARGUMENTS_MAX} arguments", 400) from error
        self._options: dict[str, str] = {}
        given: list[str] = []
        for name, value in pairs:
            if name == "arg":
                given.append(value)
            else:
                self._options.setdefault(form.short.get(name, name), value)
        self.given = tuple(given)
        self._check(form)

    def _check(self, form: Form) -> None:
        needed = [name for name in form.arguments if not name.startswith("[")]
        if len(self.given) < len(needed):
            raise Refused(f'argument "{needed[len(self.given)].removesuffix("...")}" is required', 400)
        for name in form.unsupported:
            if self._options.get(name, "false") not in _FALSE:
                raise Refused(f"this node does not have the option {name!r}", 400)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Return an option that is true or false."""
        text = self._options.get(name)
        if text is None:
            return default
        if text in ("", *_TRUE):
            return True
        if text in _FALSE:
            return False
        raise _wrong(name, text, "bool")

    def number(self, name: str, default: int) -> int:
        """Return an option that is a number."""
        text = self._options.get(name)
        if text is None:
            return default
        if not re.fullmatch(r"-?\d{1,18}", text):
            raise _wrong(name, text, "int")
        return int(text)

    def text(self, name: str, default: str = "") -> str:
        """Return an option that is a text."""
        return self._options.get(name, default)

    @property
    def timeout_s(self) -> float:
        """What the caller's patience is, in seconds; infinite where nothing is said."""
        text = self._options.get("timeout")
        return float("inf") if not text else seconds_of("timeout", text)

    @property
    def paths(self) -> Sequence[Path]:
        """The arguments as paths."""
        return [path_of(text) for text in self.given]


def seconds_of(name: str, text: str) -> float:
    """Return the length of a duration as Go writes it: `1m30s`, `300ms`."""
    parts = list(_DURATION_PART.finditer(text))
    if text == "0":
        return 0.0
    if not parts or sum(len(part[0]) for part in parts) != len(text):
        raise _wrong(name, text, "duration")
    return min(sum(float(part[1]) * _UNIT_S[part[2]] for part in parts), RPC_TIMEOUT_S_MAX)


def path_of(text: str) -> Path:
    """Read `CID`, `CID/path`, `/ipfs/CID/path`. Raises Refused, also for names, which this node does not resolve."""
    rest = text.removeprefix("ipfs://")
    if rest.startswith(("/ipns/", "ipns://")):
        raise Refused(f'invalid path "{text}": this node resolves no names')
    root, _, below = rest.removeprefix("/ipfs/").removeprefix("/ipld/").partition("/")
    try:
        return Path(text, parse_cid(root), below)
    except Misuse as error:
        reason = "path does not have enough components" if "/" not in text else error.what
        raise Refused(f'invalid path "{text}": {reason}') from error
    except PincrewError as error:  # Malformed: a CID whose parts disagree
        raise Refused(f'invalid path "{text}": {error.what}') from error


def _wrong(name: str, text: str, kind: str) -> Refused:
    return Refused(f'could not convert value "{text}" to type "{kind}" (for option "-{name}")', 400)
