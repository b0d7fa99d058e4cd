"""What a volunteer reads before joining, as words: the command line and the terminal view say the same. Pure.

``are_options_named``: whether what could be chosen otherwise is told by the option of `pincrew follow` that does so.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from pincrew import figures
from pincrew.api.shapes import AcceptRequest, Offer, Prospect
from pincrew.limits import KEEP_FREE_PERCENT_DEFAULT
from pincrew.node_address import NodeKind
from pincrew.quantities import parse_size, typed_size

NO_LIMIT = "none"
OWN_NODE = "pincrew's own: it runs with the daemon and keeps its blocks in pincrew's folder"
OTHERS_SEE = "Others will see"
_CURATORS_SHOWN = 4


class Row(NamedTuple):
    """A word and what is said of it; without a word it goes on with the row before."""

    word: str
    text: str


class Finding(NamedTuple):
    """What was looked at, and how it is: good, warn, bad."""

    tone: str
    text: str


def heading(offer: Offer) -> str:
    """Return the question."""
    return f"Join “{figures.printable(offer.title)}”?"


def origin(offer: Offer, now: datetime) -> list[Row]:
    """Say where the offer comes from."""
    where, _, _ = offer.source.rpartition("#")
    return [
        Row("from", where if _is_id_named(offer) else offer.source),
        Row("revision", f"{offer.revision}, signed {figures.ago(offer.issued, now)}"),
    ]


def terms(offer: Offer, chosen: AcceptRequest, *, are_options_named: bool) -> list[Row]:
    """Say what it is, who decides, and what others will see. ``chosen`` is what the volunteer asked for."""
    return [
        Row("What it is", offer.description or "its curators do not say"),
        Row("Pins", _pins(offer)),
        Row("Who decides", _curators(offer.curators)),
        Row("They can", "add and remove pins: what they add is fetched and served here, within your limit"),
        Row("They can not", "run commands, read your files, or unpin your own pins"),
        Row("Removals", _removals(chosen.obey)),
        Row(
            OTHERS_SEE,
            "your IP address, peer id and IPFS node's id, what you keep, and "
            + _name(chosen, are_options_named=are_options_named),
        ),
        Row("", _listed(chosen, are_options_named=are_options_named)),
    ]


def finding(chosen: AcceptRequest, prospect: Prospect, *, are_options_named: bool) -> list[Row]:
    """Say where content is looked for; nothing where that is Kubo's own matter."""
    if not is_own_node(prospect):
        return []
    asked = [*chosen.routers, *chosen.gateways]
    if asked:
        return [Row("Looks for it", f"at the crew's nodes, and at {', '.join(asked)}")]
    others = "--router URL and --gateway URL add others; " if are_options_named else ""
    return [Row("Looks for it", f"at the crew's nodes alone ({others}every block is verified)")]


def identity(offer: Offer) -> Row:
    """Say how sure it is that this is the cluster that was meant; its id follows."""
    return Row("Cluster id", "the one that you named:" if _is_id_named(offer) else "you named none; this is")


def limit(chosen: AcceptRequest, bytes_hint: int | None) -> str:
    """Say what the limit that was chosen means for the list; NO_LIMIT is one, and None is asked for."""
    free = KEEP_FREE_PERCENT_DEFAULT if chosen.keep_free is None else chosen.keep_free
    stays = f"{free} % of the volume stays free"
    if chosen.limit is None:
        return f"you are asked; {stays}"
    if chosen.limit.strip().lower() == NO_LIMIT:
        return f"none (--limit SIZE sets one); {stays}"
    size = parse_size(chosen.limit)
    return f"{figures.size(size)}; {stays}; {what_of_a_larger_list(size, chosen.part, bytes_hint)}"


def what_of_a_larger_list(limit: int, part: str, bytes_hint: int | None) -> str:
    """Say what of the list is kept where the limit is less than all of it."""
    if bytes_hint and bytes_hint > limit and part != "all":
        return f"the list is larger, so that you keep a part of it: about {figures.share(limit, bytes_hint)}"
    larger = {"all": "of a larger list, the first pins", "part": "the part of the list that fits"}
    return larger.get(part, "of a larger list, a part")


def findings(prospect: Prospect, chosen: AcceptRequest) -> list[Finding]:
    """Say of each thing that was looked at how it is."""
    lines = []
    if is_own_node(prospect):
        pass  # it starts with the daemon, whatever is seen now
    elif prospect.node_version is None:
        lines.append(Finding("warn", "your IPFS node does not answer yet: it is waited for, nothing gets lost"))
    else:
        lines.append(Finding("good", f"your IPFS node answers: {prospect.node_version}"))
    if prospect.volume_free is None or prospect.volume_total is None:
        lines.append(Finding("warn", "its disk cannot be seen from here: how much is free shows once it can"))
    else:
        free, total = figures.size(prospect.volume_free), figures.size(prospect.volume_total)
        is_little = prospect.limit is None and chosen.limit is None
        lines.append(Finding("bad" if is_little else "good", f"{free} of {total} are free where it stores"))
    if prospect.folder_trouble is None:
        lines.append(Finding("good", f"folder can be written: {prospect.folder}"))
    else:
        lines.append(Finding("bad", f"folder cannot be written: {prospect.folder}: {prospect.folder_trouble}"))
    return [*lines, _reached(prospect)]


def is_own_node(prospect: Prospect) -> bool:
    """Say whether pincrew's own IPFS node would be used."""
    return prospect.node_kind == NodeKind.EMBEDDED


def usual_limit(prospect: Prospect) -> str | None:
    """Return the limit that is proposed, as `--limit` takes it; None where there is too little room for a usual one.

    Where the volume cannot be seen it is NO_LIMIT: what is to stay free of it is, once it is seen.
    """
    if prospect.limit is not None:
        return typed_size(prospect.limit)
    return NO_LIMIT if prospect.volume_free is None else None


def _is_id_named(offer: Offer) -> bool:
    return offer.source.rpartition("#")[2] == offer.cluster_id


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


def _reached(prospect: Prospect) -> Finding:
    others = f"{prospect.others_reached} of {figures.plural(prospect.others, 'other peer')}"
    if prospect.curators_reached:
        more = f", {others}" if prospect.others else ""
        curators = f"{prospect.curators_reached} of {figures.plural(prospect.curators, 'curator')}"
        return Finding("good", f"reached: {curators}{more}")
    if prospect.others_reached:
        return Finding("warn", f"no curator is reached now, but {others}: they have the list, too")
    return Finding("warn", "nobody of this cluster is reached now: it begins once somebody is")


def _name(chosen: AcceptRequest, *, are_options_named: bool) -> str:
    if chosen.peer_name:
        return f"your name “{chosen.peer_name}”"
    return "no name (--peer-name gives you one)" if are_options_named else "no name"


def _listed(chosen: AcceptRequest, *, are_options_named: bool) -> str:
    if chosen.unlisted:
        return "Your address is kept out of the published document."
    prevents = " (--unlisted prevents that)" if are_options_named else ""
    return f"Your address may stand in the published document{prevents}."
