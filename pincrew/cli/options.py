"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

from pincrew.errors import Misuse
from pincrew.node_address import parse_address

ListenOption = Annotated[
    list[str] | None,
    typer.Option("--listen", metavar="MULTIADDR", help="Listen there; repeatable. Default: a free port, kept."),
]
AnnounceOption = Annotated[
    list[str] | None,
    typer.Option("--announce", metavar="MULTIADDR", help="Be known under this address; repeatable."),
]
IpfsOption = Annotated[
    str,
    typer.Option("--ipfs", metavar="auto|ADDR", help="The IPFS node: auto finds a Kubo, else the address of its RPC."),
]
PeerNameOption = Annotated[
    str,
    typer.Option("--peer-name", metavar="TEXT", help="The name that others see for this peer. Default: none."),
]


def node_choice(text: str) -> str:
    """Return which node to use as it is stored, checked. Raises Misuse."""
    if text == "embedded":
        raise Misuse("This pincrew has no node of its own yet", next_step="Install Kubo; `--ipfs auto` finds it")
    if text and text != "auto":
        parse_address(text)
    return text
