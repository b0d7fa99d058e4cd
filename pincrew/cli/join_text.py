"""What a volunteer reads before joining. Pure."""

from __future__ import annotations

import textwrap
from datetime import datetime

from pincrew import figures
from pincrew.api.shapes import AcceptRequest, Offer, Prospect
from pincrew.cli.output import Output
from pincrew.limits import KEEP_FREE_PERCENT_DEFAULT
from pincrew.node_address import NodeKind
from pincrew.quantities import parse_size

_WIDTH = 76
_INDENT = 18
_CURATORS_SHOWN = 4


def describe(
    offer: Offer, chosen: AcceptRequest, prospect: Prospect, *, node: str, now: datetime, output: Output
) -> str:
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
        _row("Who decides", _curators(offer.curators)),
        _row("They can", "add and remove pins: what they add is fetched and served here, within your limit"),
        _row("They can not", "run commands, read your files, or unpin your own pins"),
        _row("Removals", _removals(chosen.obey)),
        _row("Others will see", f"your IP address, peer id and IPFS node's id, what you keep, and {_name(chosen)}"),
        _row("", _listed(chosen)),
        _row("IPFS node", node),
        *([_row("Looks for it", _finding(chosen))] if prospect.node_kind == NodeKind.EMBEDDED else []),
        _row("Your limit", _limit(chosen, offer.bytes_hint)),
        _row("Cluster id", "the one that you named:" if is_id_named else "you named none; this is"),
        f"    {offer.cluster_id}",
    ]
    if offer.needs_secret:
        lines.append(_row("Closed", _key(chosen)))
    lines += ["", *(_check(*found, output) for found in _checks(prospect, chosen))]
    for warning in offer.warnings:
        wrapped = _filled(f"! {warning}", "  ", "    ")
        lines += ["", output.styled(wrapped, "warn")]
    return "\n".join(lines)


def _pins(offer: Offer) -> str:
    if offer.pins_hint is None:
        return "not said; you will see when the list is here"
    if not offer.pins_hint:
        return "none when this was signed"
    pins = figures.count(offer.pins_hint)
    if not offer.bytes_hint:
        return f"{pins} when this was signed; of none the size is known"
    known = ""
    if offer.sized_hint is not None:
        known = f" (size known for {figures.share(offer.sized_hint, offer.pins_hint)})"
    return f"{pins} when this was signed, {figures.size(offer.bytes_hint)}{known}"


def _curators(curators: list[str]) -> str:
    names = "  ".join(f"…{curator[-6:]}" for curator in curators[:_CURATORS_SHOWN])
    more = " and others" if len(curators) > _CURATORS_SHOWN else ""
    return f"{figures.plural(len(curators), 'curator')}: {names}{more}"


def _removals(is_obeying: bool) -> str:
    if is_obeying:
        return "what curators remove is unpinned here at once (--obey)"
    return "kept a day before they are unpinned; if curators remove very much at once, you are asked first"


def _limit(chosen: AcceptRequest, bytes_hint: int | None) -> str:
    free = KEEP_FREE_PERCENT_DEFAULT if chosen.keep_free is None else chosen.keep_free
    stays = f"{free} % of the volume stays free"
    if chosen.limit is None:
        return f"you are asked; {stays}"
    if chosen.limit.strip().lower() == "none":
        return f"none (--limit SIZE sets one); {stays}"
    limit = parse_size(chosen.limit)
    larger = {"all": "of a larger list, the first pins", "part": "the part of the list that fits"}
    what = larger.get(chosen.part, "of a larger list, a part")
    if bytes_hint and bytes_hint > limit and chosen.part != "all":
        what = f"the list is larger, so that you keep a part of it: about {figures.share(limit, bytes_hint)}"
    return f"{figures.size(limit)}; {stays}; {what}"


def _checks(prospect: Prospect, chosen: AcceptRequest) -> list[tuple[str, str]]:
    """Return a line for each thing that was looked at, and how it is: good, warn, bad."""
    lines = []
    if prospect.node_kind == NodeKind.EMBEDDED:
        pass  # it starts with the daemon, whatever is seen now
    elif prospect.node_version is None:
        lines.append(("warn", "your IPFS node does not answer yet: it is waited for, nothing gets lost"))
    else:
        lines.append(("good", f"your IPFS node answers: {prospect.node_version}"))
    if prospect.volume_free is None or prospect.volume_total is None:
        lines.append(("warn", "its disk cannot be seen from here: how much is free shows once it can"))
    else:
        free, total = figures.size(prospect.volume_free), figures.size(prospect.volume_total)
        is_little = prospect.limit is None and chosen.limit is None
        lines.append(("bad" if is_little else "good", f"{free} of {total} are free where it stores"))
    if prospect.folder_trouble is None:
        lines.append(("good", f"folder can be written: {prospect.folder}"))
    else:
        lines.append(("bad", f"folder cannot be written: {prospect.folder}: {prospect.folder_trouble}"))
    return [*lines, _reached(prospect)]


def _reached(prospect: Prospect) -> tuple[str, str]:
    others = f"{prospect.others_reached} of {figures.plural(prospect.others, 'other peer')}"
    if prospect.curators_reached:
        more = f", {others}" if prospect.others else ""
        return "good", f"reached: {prospect.curators_reached} of {figures.plural(prospect.curators, 'curator')}{more}"
    if prospect.others_reached:
        return "warn", f"no curator is reached now, but {others}: they have the list, too"
    return "warn", "nobody of this cluster is reached now: it begins once somebody is"


def _check(how: str, text: str, output: Output) -> str:
    sign = {"good": "✓", "warn": "·", "bad": "✗"}[how]
    return f"  {output.styled(sign, how)} {_filled(text, '    ', '    ').strip()}"


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
    return _filled(text, f"  {word:<{_INDENT - 2}}", " " * _INDENT)


def _filled(text: str, first: str, others: str) -> str:
    """Break a text into lines; a number and its percent sign stay together."""
    words = textwrap.fill(
        figures.printable(text).replace(" %", "\u00a0%"),
        width=_WIDTH,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return words.replace("\u00a0%", " %")
