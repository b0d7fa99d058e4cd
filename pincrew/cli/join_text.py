"""What a volunteer reads before joining. Pure."""

from __future__ import annotations

import textwrap
from datetime import datetime

from pincrew.api.shapes import AcceptRequest, Offer
from pincrew.cli import figures
from pincrew.cli.output import Output
from pincrew.node_address import NodeKind

_WIDTH = 76
_INDENT = 18
_CURATORS_SHOWN = 4


def describe(offer: Offer, chosen: AcceptRequest, *, node: str, now: datetime, output: Output) -> str:
    """Return the join screen. ``chosen`` is what the volunteer asked for with the command's options.

    ``node`` says which IPFS node will be used.
    """
    where, _, named_id = offer.source.rpartition("#")
    is_id_named = named_id == offer.cluster_id
    lines = [
        output.styled(f"  Join “{figures.printable(offer.title)}”?", "strong"),
        _row("from", where if is_id_named else offer.source),
        _row("revision", f"{offer.revision}, signed {figures.ago(offer.issued, now)}"),
        "",
        _row("What it is", offer.description or "its curators do not say"),
        _row("Pins", _pins(offer)),
        _row("IPFS node", node),
        *([_row("Looks for it", _finding(chosen))] if chosen.ipfs == NodeKind.EMBEDDED else []),
        _row("Who decides", _curators(offer.curators)),
        _row("They can not", "run commands, read your files, or unpin your own pins"),
        _row("Removals", _removals(chosen.obey)),
        _row("Others will see", f"your IP address, peer id and IPFS node's id, what you keep, and {_name(chosen)}"),
        _row("", _listed(chosen)),
        _row("Cluster id", "the one that you named:" if is_id_named else "you named none; this is"),
        f"    {offer.cluster_id}",
    ]
    if offer.needs_secret:
        lines.append(_row("Closed", _key(chosen)))
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
    if not offer.pins_hint:
        return "none when this was signed"
    size = f", {figures.size(offer.bytes_hint)} in all" if offer.bytes_hint else ""
    return f"{figures.count(offer.pins_hint)} when this was signed{size}"


def _curators(curators: list[str]) -> str:
    names = "  ".join(f"…{curator[-6:]}" for curator in curators[:_CURATORS_SHOWN])
    more = " and others" if len(curators) > _CURATORS_SHOWN else ""
    return f"{figures.plural(len(curators), 'curator')} can add or remove pins: {names}{more}"


def _removals(is_obeying: bool) -> str:
    if is_obeying:
        return "what curators remove is unpinned here at once (--obey)"
    return "kept a day before they are unpinned; if curators remove very much at once, you are asked first"


def _name(chosen: AcceptRequest) -> str:
    if chosen.peer_name:
        return f"your name “{chosen.peer_name}”"
    return "no name (--peer-name gives you one)"


def _finding(chosen: AcceptRequest) -> str:
    asked = [*chosen.routers, *chosen.gateways]
    if asked:
        return f"at the crew's nodes, and at {', '.join(asked)}"
    return "at the crew's nodes alone (--router URL and --gateway URL add others; every block is verified)"


def _listed(chosen: AcceptRequest) -> str:
    if chosen.unlisted:
        return "Your address is kept out of the published document."
    return "Your address may stand in the published document (--unlisted prevents that)."


def _key(chosen: AcceptRequest) -> str:
    if chosen.secret_file is None:
        return "it needs the private network key, which its curators hand out: `--secret-file FILE`"
    return f"its private network key is read from {chosen.secret_file}"


def _row(word: str, text: str) -> str:
    return textwrap.fill(
        figures.printable(text),
        width=_WIDTH,
        initial_indent=f"  {word:<{_INDENT - 2}}",
        subsequent_indent=" " * _INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )
