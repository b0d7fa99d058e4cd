"""Many followers in one process, because importing libp2p alone takes 57 MB: what `support.crowd` starts.

    python crowd_process.py FOLDER SOURCE FIRST COUNT PORT

Each is the product's own follower with a home, a key, a store and a host of its own, on ports from PORT on; its IPFS
node is down. Joined homes are used as they are. Lines of JSON on stdout: `{"follower", "pins", "at"}` whenever a list
changes (`at` is the system's monotonic clock), and an answer to each line on stdin, in which every follower's
neighbours are counted. The end of stdin ends it.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from functools import partial
from pathlib import Path

import trio
from pincrew.follow.follower import Follower, open_follower
from pincrew.follow.joining import JoinOptions, accept, prepare

from pincrew.holdings import Holdings
from pincrew.nodes import Nodes
from pincrew.ownership import Ownership
from pincrew.paths import Home
from pincrew.peer import now_ms
from pincrew.settings import Settings
from pincrew.settings_files import load_cluster
from pincrew.values import PinState

NO_NODE = "/ip4/127.0.0.1/tcp/9"  # the discard port: a node that is down
# What counts is a second or two; a look at twenty followers takes a fraction of a millisecond.
_LOOK_INTERVAL_S = 0.01


async def joined(home: Home, source: str, port: int) -> Follower:
    """Join what ``source`` offers, as a user would, and return the follower that lives there."""
    settings = Settings(ipfs=NO_NODE, mdns=False)
    offer = await prepare(
        source,
        home,
        folder=home.root,
        gateway=settings.gateway,
        timeout_s=settings.source_timeout,
        now_ms=now_ms(),
    )

    def open_it() -> Follower:
        home.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        options = JoinOptions(listen=(f"/ip4/127.0.0.1/tcp/{port}",), ipfs=NO_NODE)
        paths = accept(offer, home, options).paths
        nodes = Nodes(home, settings, os.environ)
        ownership = Ownership(Holdings(home.holdings))
        return open_follower(paths, load_cluster(paths.settings), settings, ownership, nodes, "")

    return await trio.to_thread.run_sync(open_it)


async def run(home: Home, source: str, port: int, number: int, followers: dict[int, Follower]) -> None:
    """Run one follower, seen in ``followers`` once it works, until cancelled."""
    follower = await joined(home, source, port)
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(follower.run)
            followers[number] = follower
            await trio.sleep_forever()
    finally:
        await follower.peer.close()


def pins_of(follower: Follower) -> int:
    """How many pins are on its list."""
    counts = follower.peer.statuses.counts()
    return sum(count for state, count in counts.items() if state is not PinState.UNPINNING)


async def watch(followers: dict[int, Follower]) -> None:
    """Say when a list has changed."""
    known: dict[int, int] = {}
    while True:
        for number, follower in list(followers.items()):
            applied = sum(head.number for head in follower.peer.member.heads().values())
            if known.get(number) != applied:
                known[number] = applied
                say({"follower": number, "pins": pins_of(follower), "at": time.monotonic()})
        await trio.sleep(_LOOK_INTERVAL_S)


async def answer(followers: dict[int, Follower], scope: trio.CancelScope) -> None:
    """Answer each line on stdin; end with it."""
    while await trio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True):
        networks = [follower.peer.network for follower in followers.values()]
        say({"neighbours": [len(network.connections()) for network in networks if network is not None]})
    scope.cancel()


def say(fact: dict[str, object]) -> None:
    """Write one line."""
    print(json.dumps(fact), flush=True)


async def main(folder: Path, source: str, first: int, count: int, port: int) -> None:
    """Run them all."""
    followers: dict[int, Follower] = {}
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch, followers)
        nursery.start_soon(answer, followers, nursery.cancel_scope)
        for number in range(first, first + count):
            home = Home(folder / f"follower{number}")
            nursery.start_soon(run, home, source, port + number - first, number, followers)


if __name__ == "__main__":
    # As the daemon does it.
    sys.setswitchinterval(0.001)
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    trio.run(partial(main, Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:6])))
