"""What ipfs-cluster-ctl prints: text, or JSON as Go's encoder writes it, indented by four."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

import msgspec

from pincrew.ctl import text
from pincrew.ctl.faults import Refused

# Go's encoder escapes what browsers could take for markup, and two ends of lines; we also what terminals could obey.
_ESCAPED = "<>&\u2028\u2029" + "".join(map(chr, range(0x7F, 0xA0)))
_ESCAPES = str.maketrans({character: f"\\u{ord(character):04x}" for character in _ESCAPED})


def pretty(value: Any) -> str:
    """Return a value as Go's ``MarshalIndent`` writes it."""
    return json.dumps(value, indent=4, ensure_ascii=False).translate(_ESCAPES)


class Output:
    """Where the answers go. Each is there for a reader at once."""

    def __init__(self, out: TextIO, *, is_json: bool) -> None:
        self.is_json = is_json
        self._out = out

    def answer(self, value: Any, lines: Iterable[str]) -> None:
        """Print one answer: itself as JSON, else its lines (made only then)."""
        self.lines([pretty(value)] if self.is_json else lines)

    def refusal(self, refused: Refused) -> None:
        """Print the error of a peer."""
        self.answer(msgspec.to_builtins(refused.fault), _refusal(refused))

    def lines(self, lines: Iterable[str]) -> None:
        """Print lines."""
        whole = "".join(f"{line}\n" for line in lines)
        encoding = getattr(self._out, "encoding", None) or "utf-8"
        self._out.write(whole.encode(encoding, "backslashreplace").decode(encoding))
        self._out.flush()


def _refusal(refused: Refused) -> Iterator[str]:
    yield from text.fault(refused.fault)
