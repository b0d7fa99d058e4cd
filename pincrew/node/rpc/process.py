"""Commands about the node itself: who it is, what passes through it, its settings, and its end."""

from __future__ import annotations

import base64
import platform
from typing import Any

import trio

from pincrew import __version__
from pincrew.limits import RPC_POLL_INTERVAL_S_MIN
from pincrew.node.contract import NodeIdentity
from pincrew.node.rpc.arguments import Form, Refused, seconds_of
from pincrew.node.rpc.call import Call, Command

# Protobuf: type 1 (Ed25519), and 32 bytes of key.
_PUBLIC_KEY_START = b"\x08\x01\x12\x20"


async def identity(call: Call) -> None:
    """`id`: this node alone; what others are is between them and libp2p."""
    own = call.node.identity()
    if call.arguments.given and call.arguments.given[0] != own.peer:
        raise Refused("this node knows only of itself who it is")
    await call.answer.one(identified(own))


def identified(own: NodeIdentity) -> dict[str, Any]:
    """Return an identity in Kubo's form."""
    return {
        "ID": own.peer,
        "PublicKey": base64.b64encode(_PUBLIC_KEY_START + own.public_key).decode(),
        "Addresses": list(own.addresses),
        "AgentVersion": own.agent,
        "Protocols": sorted(own.protocols),
    }


async def version(call: Call) -> None:
    """`version`: of pincrew; there is no Go and no repository of Kubo's."""
    system = f"{platform.machine()}/{platform.system().lower()}"
    await call.answer.one({"Version": __version__, "Commit": "", "Repo": "", "System": system, "Golang": ""})


async def show_config(call: Call) -> None:
    """`config/show`."""
    await call.answer.one(call.node.config())


async def bandwidth(call: Call) -> None:
    """`stats/bw`: once, or with `poll` again and again."""
    arguments = call.arguments
    call.answer.begin_lines()
    while True:
        now = call.node.bandwidth()
        await call.answer.line(
            {"TotalIn": now.total_in, "TotalOut": now.total_out, "RateIn": now.rate_in, "RateOut": now.rate_out}
        )
        if not arguments.flag("poll"):
            return
        await trio.sleep(max(RPC_POLL_INTERVAL_S_MIN, seconds_of("interval", arguments.text("interval", "1s"))))


async def shutdown(call: Call) -> None:
    """`shutdown`."""
    call.node.shutdown()


COMMANDS = {
    "id": Command(Form(arguments=("[peerid]",), short={"f": "format"}), identity),
    "version": Command(Form(), version),
    "config/show": Command(Form(), show_config),
    "stats/bw": Command(Form(short={"i": "interval"}, unsupported=("peer", "proto")), bandwidth),
    "shutdown": Command(Form(), shutdown),
}
