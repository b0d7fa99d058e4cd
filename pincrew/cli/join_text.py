"""What a volunteer reads before joining. Pure."""

from __future__ import annotations

import textwrap
from datetime import datetime

from pincrew.api.shapes import Offer
from pincrew.cli import figures
from pincrew.cli.output import Output

_WIDTH = 76
_INDENT = 18
_CURATORS_SHOWN = 4


def describe(offer: Offer, *, is_listed: bool, is_obeying: bool, now: datetime, output: Output) -> str:
    """Return the join screen."""
    lines = [
        output.styled(f"  Join “{figures.printable(offer.title)}”?", "strong"),
        _row("from", offer.source),
        _row("revision", f"{offer.revision}, signed {figures.ago(offer.issued, now)}"),
        "",
        _row("What it is", offer.description or "its curators do not say"),
        _row("Pins", _pins(offer)),
        _row("Who decides", _curators(offer.curators)),
        _row("They can not", "run commands, read your files, or unpin your own pins"),
        _row("Removals", _removals(is_obeying)),
        _row("Others will see", _seen(is_listed)),
        _row("Cluster id", offer.cluster_id),
    ]
    if offer.needs_secret:
        lines.append(_row("Closed", "it needs the private network key: `--secret-file FILE`"))
    for warning in offer.warnings:
        wrapped = textwrap.fill(
            f"! {figures.printable(warning)}",
            width=_WIDTH,
            initial_indent="  ",
            subsequent_indent="    ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        lines += ["", output.styled(wrapped, "warn")]
    return "\n".join(lines)


def _pins(offer: Offer) -> str:
    if offer.pins_hint is None:
        return "not said; you will see when the list is here"
    size = f", about {figures.size(offer.bytes_hint)}" if offer.bytes_hint else ""
    return f"about {figures.count(offer.pins_hint)}{size}"


def _curators(curators: list[str]) -> str:
    names = "  ".join(f"…{curator[-6:]}" for curator in curators[:_CURATORS_SHOWN])
    more = " and others" if len(curators) > _CURATORS_SHOWN else ""
    return f"{figures.plural(len(curators), 'curator')} can add or remove pins: {names}{more}"


def _removals(is_obeying: bool) -> str:
    if is_obeying:
        return "what curators remove is unpinned here at once (--obey)"
    return "kept a day before they are unpinned; if curators remove very much at once, you are asked first"


def _seen(is_listed: bool) -> str:
    listed = (
        "; your address may stand in the published document (--unlisted prevents that)"
        if is_listed
        else "; your address is kept out of the published document"
    )
    return f"your IP address, peer id and IPFS node's id, and what you keep{listed}"


def _row(word: str, text: str) -> str:
    return textwrap.fill(
        figures.printable(text),
        width=_WIDTH,
        initial_indent=f"  {word:<{_INDENT - 2}}",
        subsequent_indent=" " * _INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )
