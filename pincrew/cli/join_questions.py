"""What `follow` asks before it joins: how much of this machine the cluster may have, and under which name.

Enter takes what is proposed. What an option said already is not asked.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from pincrew import figures
from pincrew.api.shapes import AcceptRequest, NetworkLimitsRequest, Prospect
from pincrew.cli import autostart
from pincrew.cli.invocation import Invocation
from pincrew.cli.prompts import agree, ask
from pincrew.errors import Misuse
from pincrew.join_words import NO_LIMIT, is_own_node, usual_limit
from pincrew.limit_settings import with_limits
from pincrew.limits import JOIN_LIMIT_BYTES_MIN
from pincrew.quantities import parse_size
from pincrew.setting_values import parse_limit
from pincrew.settings import ClusterSettings, checked_peer_name


def with_usual_limit(request: AcceptRequest, prospect: Prospect, *, is_agreed: bool) -> AcceptRequest:
    """Return what is joined with, with the usual limit where the user named none.

    Where the volume cannot be seen that is none: what is to stay free of it is, once it is seen. Raises Misuse where
    there is too little for a usual one and nobody is asked.
    """
    if request.limit is not None:
        return request
    limit = usual_limit(prospect)
    if limit is not None:
        return msgspec.structs.replace(request, limit=limit)
    if is_agreed:
        raise Misuse(
            f"Only {figures.size(prospect.volume_free)} are free where the IPFS node stores",
            means=f"90 % of that less 10 GB is below {figures.size(JOIN_LIMIT_BYTES_MIN)}. Nothing was joined",
            next_step="Say how much it may hold: `--limit SIZE`, or `--limit none`",
        )
    return request


@dataclass(frozen=True)
class Answers:
    """What the user wants: how to join, other limits of the line (None: as they are), whether to start at login."""

    request: AcceptRequest
    network: NetworkLimitsRequest | None
    is_starting: bool


def asked(invocation: Invocation, request: AcceptRequest, said: AcceptRequest, prospect: Prospect) -> Answers | None:
    """Ask. ``said`` is what the options said. None: the user does not join."""
    is_embedded = is_own_node(prospect)
    try:
        invocation.output.say("")
        limit = request.limit if said.limit is not None else _limit(invocation, request.limit, is_embedded=is_embedded)
        network = _network(invocation, is_embedded=is_embedded)
        name = said.peer_name or _name(invocation)
    except EOFError:
        return None
    is_possible = autostart.is_possible(invocation)
    is_starting = is_possible and agree(invocation, "  Start when you log in?", is_agreed=False, default=True)
    if not agree(invocation, "\n  Join?", is_agreed=False, default=True):
        return None
    return Answers(msgspec.structs.replace(request, limit=limit, peer_name=name), network, is_starting)


def _limit(invocation: Invocation, proposed: str | None, *, is_embedded: bool) -> str:
    def check(text: str) -> None:
        with_limits(ClusterSettings(cluster_id=""), text, None, is_embedded=is_embedded)

    shown = proposed if proposed in (None, NO_LIMIT) else figures.size(parse_size(proposed))
    return ask(invocation, "  How much may it hold here", check, default=proposed or "", shown=shown or "")


def _network(invocation: Invocation, *, is_embedded: bool) -> NetworkLimitsRequest | None:
    """Ask for limits of the line, which are one for all clusters; enter leaves them as they are."""
    now = invocation.client.network()
    download = _rate(invocation, "fetch", now.download)
    # What a Kubo sends, nobody can limit from outside.
    upload = _rate(invocation, "send", now.upload) if is_embedded else None
    if download is None and upload is None:
        return None
    return NetworkLimitsRequest(download=download, upload=upload)


def _rate(invocation: Invocation, verb: str, now: int | None) -> str | None:
    def check(text: str) -> None:
        if text:
            parse_limit(text, "")

    shown = NO_LIMIT if now is None else figures.size(now)
    return ask(invocation, f"  How much may it {verb} a second", check, default="", shown=shown) or None


def _name(invocation: Invocation) -> str:
    name = ask(invocation, "  Name that others see", checked_peer_name, default=NO_LIMIT)
    return "" if name.lower() == NO_LIMIT else name
