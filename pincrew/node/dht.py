"""The DHT, as a client: asking its peers who has something, and where somebody is (libp2p specs, kad-dht).

A lookup asks the peers closest to a key that it knows of, DHT_ALPHA at a time; each names others that are closer; it
ends when the DHT_CLOSEST closest of all have answered, when enough was found, or after DHT_LOOKUP_TIMEOUT_S. It starts
from the bootstrap peers, and from those that answered earlier lookups.

Nothing is served here and nothing announced: this node is in nobody's routing table. What the DHT says is a hint;
whom we then speak with proves its id. Connections that a lookup opened are closed when they have served: they must not
take the place of those with the crew.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import trio

from pincrew import limits
from pincrew.errors import HandshakeFailed, Malformed, Misuse, WorldFault
from pincrew.network.streams import FrameStream
from pincrew.node.dht_message import Answer, Kind, Named, decode_answer, encode_request, place
from pincrew.node.dialable import dialable, peer_bytes, peer_text
from pincrew.node.multihash import multihash_of

log = logging.getLogger(__name__)

PUBLIC = "/ipfs/kad/1.0.0"
LAN = "/ipfs/lan/kad/1.0.0"

# Where the public DHT is entered: what Kubo's own list leads to, with the names behind its first name.
PUBLIC_BOOTSTRAP = (
    "/dnsaddr/am6.bootstrap.libp2p.io/p2p/QmbLHAnMoJPWSCR5Zhtx6BHJX9KiKNN6tpvbUcqanj75Nb",
    "/dnsaddr/ny5.bootstrap.libp2p.io/p2p/QmQCU2EcMqAqQPR2i9bChDtGNJchTbq5TbXJJ16u19uLTa",
    "/dnsaddr/sg1.bootstrap.libp2p.io/p2p/QmcZf59bWwK5XFi76CZX8cbJ4BhTzzA3gU1ZjYZcYW3dwt",
    "/dnsaddr/sv15.bootstrap.libp2p.io/p2p/QmNnooDu7bfjPFoTZYxMNLWUQJyrVwtbZg5gBMjTezGAJN",
    "/dnsaddr/va1.bootstrap.libp2p.io/p2p/12D3KooWKnDdG3iXw9eTFijk3EWSunZcFi54Zka4wmtqtt6rPxc8",
    "/ip4/104.131.131.82/tcp/4001/p2p/QmaCpDMGvV2BGHeYERUEnRQAwe3N8SzbUtfsmvsqQLuvuJ",
)


class Host(Protocol):
    """What is needed of libp2p (``node.host.NodeHost``)."""

    @property
    def peer(self) -> str: ...
    def is_connected(self, peer: str) -> bool: ...
    async def reach(self, peer: str, addresses: Sequence[str] = (), *, by_strangers: bool = False) -> None: ...
    async def new_stream(self, peer: str, protocols: Sequence[str]) -> tuple[str, Any]: ...
    async def disconnect(self, peer: str) -> None: ...


class Dht:
    """The DHT that some bootstrap peers lead into."""

    def __init__(self, host: Host, bootstrap: Sequence[str], *, protocol: str = PUBLIC) -> None:
        """``bootstrap`` are multiaddresses that end in peer ids (raises Misuse for others); none: nobody is asked.

        ``protocol`` is PUBLIC or LAN; only on the latter do addresses of this network count.
        """
        self._host = host
        self._protocol = protocol
        self._is_local = protocol == LAN
        self._bootstrap = dict(map(_bootstrap_peer, bootstrap))
        self._known: OrderedDict[str, tuple[str, ...]] = OrderedDict()
        self._turn = trio.CapacityLimiter(limits.DHT_LOOKUPS_AT_ONCE)

    async def find(self, cid: bytes) -> dict[str, tuple[str, ...]]:
        """Return who has ``cid``: peers and their addresses, none where only the id was found."""
        if not self._bootstrap:
            return {}
        found: dict[str, tuple[str, ...]] = {}

        def learn(answer: Answer) -> bool:
            for named in answer.providers:
                if named.peer != self._host.peer:
                    addresses = self._dialable(named)
                    found[named.peer] = tuple(dict.fromkeys([*found.get(named.peer, ()), *addresses]))
            return len(found) >= limits.ROUTING_PROVIDERS_ENOUGH

        async with self._turn:
            await self._look_up(Kind.GET_PROVIDERS, multihash_of(cid), learn)
        homeless = [peer for peer, addresses in found.items() if not addresses and not self._host.is_connected(peer)]
        for peer in homeless[: limits.DHT_HOMELESS_PROVIDERS_MAX]:
            found[peer] = await self.find_peer(peer)
        return found

    async def find_peer(self, peer: str) -> tuple[str, ...]:
        """Return where a peer can be dialled; empty where the DHT does not know."""
        found: dict[str, None] = {}

        def learn(answer: Answer) -> bool:
            for named in answer.closer:
                if named.peer == peer:
                    found.update(dict.fromkeys(self._dialable(named)))
            return bool(found)

        async with self._turn:
            await self._look_up(Kind.FIND_NODE, peer_bytes(peer), learn)
        return tuple(found)

    async def _look_up(self, kind: Kind, key: bytes, learn: Callable[[Answer], bool]) -> None:
        """Ask from peer to peer towards ``key``, until ``learn`` says that it has enough."""
        lookup = _Lookup(key)
        for peer, addresses in [*self._known.items(), *self._bootstrap.items()]:
            lookup.hear(peer, addresses)
        request = encode_request(kind, key)
        with trio.move_on_after(limits.DHT_LOOKUP_TIMEOUT_S):
            async with trio.open_nursery() as nursery:
                for _ in range(limits.DHT_ALPHA):
                    nursery.start_soon(self._work, lookup, request, learn, nursery.cancel_scope)

    async def _work(
        self, lookup: _Lookup, request: bytes, learn: Callable[[Answer], bool], scope: trio.CancelScope
    ) -> None:
        while not lookup.is_over:
            candidate = lookup.take()
            if candidate is None:
                await lookup.changed.wait()
                continue
            answer = await self._ask(candidate, request)
            lookup.done(candidate, answered=answer is not None)
            if answer is None:
                self._known.pop(candidate.peer, None)
                continue
            self._remember(candidate)
            for named in answer.closer:
                addresses = self._dialable(named)
                if named.peer != self._host.peer and (addresses or self._host.is_connected(named.peer)):
                    lookup.hear(named.peer, addresses)
            if learn(answer):
                scope.cancel()

    async def _ask(self, candidate: _Candidate, request: bytes) -> Answer | None:
        """Ask one peer; None when it does not answer as it should."""
        peer = candidate.peer
        by_strangers = not self._is_local and candidate.addresses != self._bootstrap.get(peer)
        was_connected = self._host.is_connected(peer)
        stream: FrameStream | None = None
        try:
            with trio.fail_after(limits.DHT_REQUEST_TIMEOUT_S):
                await self._host.reach(peer, candidate.addresses, by_strangers=by_strangers)
                _, raw = await self._host.new_stream(peer, [self._protocol])
                stream = FrameStream(peer, raw)
                await stream.send(request)
                return decode_answer(await stream.receive())
        except (WorldFault, HandshakeFailed, Malformed, Misuse, trio.TooSlowError) as error:
            log.debug("a peer of the DHT does not answer: %s", error, extra={"peer": peer})
            return None
        finally:
            if stream is not None:
                await stream.reset()
            if not was_connected and self._host.is_connected(peer):
                with trio.move_on_after(limits.CLOSE_TIMEOUT_S, shield=True):
                    await self._host.disconnect(peer)

    def _dialable(self, named: Named) -> tuple[str, ...]:
        return dialable(named.addresses, named.peer, local=self._is_local)

    def _remember(self, candidate: _Candidate) -> None:
        if candidate.peer not in self._bootstrap:
            self._known[candidate.peer] = candidate.addresses
            self._known.move_to_end(candidate.peer)
            if len(self._known) > limits.DHT_REMEMBERED_PEERS_MAX:
                self._known.popitem(last=False)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A peer that may be asked."""

    distance: int
    peer: str
    addresses: tuple[str, ...]


class _Lookup:
    """Whom one lookup has heard of and asked."""

    def __init__(self, key: bytes) -> None:
        self.changed = trio.Event()
        self._place = place(key)
        self._heard: dict[str, _Candidate] = {}
        self._answered: list[int] = []
        self._asked: set[str] = set()
        self._in_flight = 0

    @property
    def is_over(self) -> bool:
        """Say whether nobody is left to be asked."""
        return not self._in_flight and self._next() is None

    def hear(self, peer: str, addresses: tuple[str, ...]) -> None:
        """Learn of a peer."""
        if peer in self._heard or peer in self._asked:
            return
        self._heard[peer] = _Candidate(self._place ^ place(peer_bytes(peer)), peer, addresses)
        if len(self._heard) > limits.DHT_CANDIDATES_MAX:
            del self._heard[max(self._heard.values(), key=lambda each: each.distance).peer]
        self._tell()

    def take(self) -> _Candidate | None:
        """Return whom to ask next; None: nobody, before somebody has answered."""
        candidate = self._next()
        if candidate is not None:
            del self._heard[candidate.peer]
            self._asked.add(candidate.peer)
            self._in_flight += 1
        return candidate

    def done(self, candidate: _Candidate, *, answered: bool) -> None:
        """Note how it ended with somebody who was asked."""
        self._in_flight -= 1
        if answered:
            self._answered = sorted([*self._answered, candidate.distance])[: limits.DHT_CLOSEST]
        self._tell()

    def _next(self) -> _Candidate | None:
        """Return the closest who was not asked, unless as many that are closer have answered."""
        if not self._heard or len(self._asked) >= limits.DHT_ASKED_MAX:
            return None
        closest = min(self._heard.values(), key=lambda each: each.distance)
        is_enough = len(self._answered) == limits.DHT_CLOSEST and self._answered[-1] < closest.distance
        return None if is_enough else closest

    def _tell(self) -> None:
        self.changed.set()
        self.changed = trio.Event()


def _bootstrap_peer(address: str) -> tuple[str, tuple[str, ...]]:
    """Return the peer that a multiaddress ends in, with that address. Raises Misuse."""
    where, mark, peer = address.rpartition("/p2p/")
    try:
        if not where or not mark:
            raise Malformed
        return peer_text(peer_bytes(peer)), (where,)
    except Malformed as error:
        raise Misuse(
            f"{address[:200]!r} names no peer to enter the DHT by", next_step="Write `ADDRESS/p2p/PEER_ID`"
        ) from error
