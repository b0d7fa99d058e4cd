"""What a volunteer reads before joining, in lines. Pure."""

from __future__ import annotations

import textwrap
from datetime import datetime

from pincrew import figures, join_words
from pincrew.api.shapes import AcceptRequest, Offer, Prospect
from pincrew.cli.output import Output

_WIDTH = 76
_INDENT = 18


def describe(
    offer: Offer, chosen: AcceptRequest, prospect: Prospect, *, node: str, now: datetime, output: Output
) -> str:
    """Return the join screen. ``chosen`` is what the volunteer asked for with the command's options.

    ``node`` says which IPFS node will be used.
    """
    lines = [
        output.styled(f"  {join_words.heading(offer)}", "strong"),
        *(_row(*row) for row in join_words.origin(offer, now)),
        "",
        *(_row(*row) for row in join_words.terms(offer, chosen, are_options_named=True)),
        _row("IPFS node", node),
        *(_row(*row) for row in join_words.finding(chosen, prospect, are_options_named=True)),
        _row("Your limit", join_words.limit(chosen, offer.bytes_hint)),
        _row(*join_words.identity(offer)),
        f"    {offer.cluster_id}",
    ]
    if offer.needs_secret:
        lines.append(_row("Closed", _key(chosen)))
    lines += ["", *(_check(*found, output) for found in join_words.findings(prospect, chosen))]
    for warning in offer.warnings:
        wrapped = _filled(f"! {warning}", "  ", "    ")
        lines += ["", output.styled(wrapped, "warn")]
    return "\n".join(lines)


def _check(how: str, text: str, output: Output) -> str:
    sign = {"good": "✓", "warn": "·", "bad": "✗"}[how]
    return f"  {output.styled(sign, how)} {_filled(text, '    ', '    ').strip()}"


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
