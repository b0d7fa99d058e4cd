"""Commands about other nodes: connections, and who has what."""

from __future__ import annotations

from typing import Any

from pincrew.errors import PincrewError
from pincrew.network.addresses import parts_of
from pincrew.node.host import Connected
from pincrew.node.rpc.arguments import Form, Refused
from pincrew.node.rpc.call import Call, Command

_DIRECTIONS = {"in": 1, "out": 2}
_NOT_IDENTIFIED = {"ID": "", "PublicKey": "", "Addresses": None, "AgentVersion": "", "Protocols": None}
_PROVIDER_FOUND = 4
_PROVIDERS_WANTED = 20


async def connect(call: Call) -> None:
    """`swarm/connect`."""
    told = []
    for address in call.arguments.given:
        peer = _peer_in(address)
        try:
            await call.node.connect(address)
        except PincrewError as error:
            raise Refused(f"connect {peer} failure: {error.sentence}") from error
        told.append(f"connect {peer} success")
    await call.answer.one({"Strings": told})


def _peer_in(address: str) -> str:
    try:
        parts = parts_of(address)
    except PincrewError as error:
        raise Refused(f'failed to parse multiaddr "{address}": {error.what}') from error
    if not parts or parts[-1][0] != "p2p":
        raise Refused(f"found no ipfs peers at {address}")
    return parts[-1][1]


async def list_peers(call: Call) -> None:
    """`swarm/peers`."""
    arguments = call.arguments
    verbose = arguments.flag("verbose")
    wants_direction = verbose or arguments.flag("direction")
    wants_latency = verbose or arguments.flag("latency")
    peers = [_peer(each, wants_direction, wants_latency) for each in call.node.peers()]
    await call.answer.one({"Peers": peers or None})


def _peer(connected: Connected, wants_direction: bool, wants_latency: bool) -> dict[str, Any]:
    out: dict[str, Any] = {"Addr": connected.address, "Peer": connected.peer}
    if wants_latency:
        out["Latency"] = "n/a"
    if wants_direction:
        out["Direction"] = _DIRECTIONS[connected.via]
    out["Identify"] = _NOT_IDENTIFIED
    return out


async def find_providers(call: Call) -> None:
    """`routing/findprovs`."""
    [path] = call.arguments.paths[:1]
    wanted = call.arguments.number("num-providers", _PROVIDERS_WANTED)
    if wanted < 1:
        raise Refused("number of providers must be greater than 0")
    call.answer.begin_lines()
    async with call.node.find_providers(path.cid) as providers:
        async for provider in providers:
            found = {"Addrs": list(provider.addresses), "ID": provider.peer}
            await call.answer.line({"Extra": "", "ID": "", "Responses": [found], "Type": _PROVIDER_FOUND})
            wanted -= 1
            if not wanted:
                return


COMMANDS = {
    "swarm/connect": Command(Form(arguments=("address...",)), connect),
    "swarm/peers": Command(Form(short={"v": "verbose"}), list_peers),
    "routing/findprovs": Command(Form(arguments=("key...",), short={"n": "num-providers"}), find_providers),
}
