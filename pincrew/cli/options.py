"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

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
    typer.Option(
        "--ipfs",
        metavar="auto|embedded|ADDR",
        help="The IPFS node: pincrew's own (embedded), the address of a Kubo's RPC, or what is found (auto).",
    ),
]
PeerNameOption = Annotated[
    str,
    typer.Option("--peer-name", metavar="TEXT", help="The name that others see for this peer. Default: none."),
]
