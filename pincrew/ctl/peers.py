"""`id`, `peers` and `version`: who is there."""

from __future__ import annotations

from collections.abc import Iterator

from pincrew.ctl import text
from pincrew.ctl.call import Call, target
from pincrew.ctl.faults import Stopped
from pincrew.ctl.grammar import Command
from pincrew.ctl.peer_ids import canonical_peer
from pincrew.figures import printable
from pincrew.rest.shapes import Id, Version


def _id(call: Call) -> None:
    call.show_object("GET", "/id", Id, text.peer)


def _list(call: Call) -> None:
    call.show_stream("GET", "/peers", Id, text.peer)


def _remove(call: Call) -> None:
    try:
        peer = canonical_peer(call.argument)
    except ValueError as error:
        raise Stopped("parsing peer ID", str(error)) from error
    call.client.object("DELETE", target(f"/peers/{peer}"))


def _version(call: Call) -> None:
    call.show_object("GET", "/version", Version, _version_text)


def _version_text(told: Version) -> Iterator[str]:
    yield printable(told.version)


ID = Command("id", "Show the peer that is asked, and its IPFS node", action=_id)

PEERS = Command(
    "peers",
    "List the peers of the cluster, or remove one",
    commands=(
        Command("ls", "List the peers, each with its addresses and its node", action=_list),
        Command(
            "rm",
            "Remove a peer",
            arguments="<peer ID>",
            arguments_max=1,
            description="Clusters without a leader have no such thing: there the peer that is asked says why not.",
            action=_remove,
        ),
    ),
)

VERSION = Command("version", "Show the version of the peer that is asked", action=_version)
