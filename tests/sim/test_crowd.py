"""A crowd in one process: a curator, hundreds of followers, a random graph of degree eight, loss and broken links.

    pytest tests/sim/test_crowd.py --all -s      also a thousand followers (two minutes); -s shows the counts

The curator is a neighbour of eight alone, as one behind a slow line would be: everybody else hears through others.
"""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from pincrew.trusted.author import WriteRequest

from pincrew import limits
from pincrew.sync import Send
from sim.forge import put
from sim.swarm import Node, Swarm, Weather, cid_of

PINS = 10
DEGREE = 8
BROKEN_A_SECOND = 0.01


class Crowd(Swarm):
    """A swarm that counts what each peer sends, and what is under way on each stream."""

    def __init__(self, seed: int, followers: int, weather: Weather) -> None:
        self.sent: Counter[str] = Counter()
        self.under_way: Counter[tuple[str, str]] = Counter()
        self.most_under_way = self.most_in_an_inbox = 0
        super().__init__(seed, curators=1, followers=followers, keys=PINS, weather=weather)

    def _send(self, node: Node, send: Send) -> None:
        stream = node.name, send.peer
        self.sent[node.name] += 1
        self.under_way[stream] += 1
        self.most_under_way = max(self.most_under_way, self.under_way[stream])
        super()._send(node, send)
        self.at(self._last.get(stream, self.now), lambda: self.under_way.subtract([stream]))

    def gossip_arrives(self, node: Node, sealed: bytes, forwarder: str) -> None:
        super().gossip_arrives(node, sealed, forwarder)
        if node.member is not None:
            self.most_in_an_inbox = max(self.most_in_an_inbox, node.member.replica.inbox.size)


def graph(names: list[str], random: Random) -> list[tuple[str, str]]:
    """Each follower dials half as many as are to be its neighbours; the first of ``names`` is the curator."""
    curator, *followers = names
    links = {(curator, name) for name in random.sample(followers, DEGREE)}
    for name in followers:
        links |= {(name, other) for other in random.sample(followers, DEGREE // 2) if other != name}
    return sorted(links)


def break_some(swarm: Swarm, random: Random) -> None:
    """End some streams; frames under way are lost."""
    links = sorted(tuple(sorted(pair)) for pair in swarm.links)
    for one, other in random.sample(links, int(BROKEN_A_SECOND * len(links))):
        swarm.disconnect(swarm.nodes[one], swarm.nodes[other])


@pytest.mark.slow
@pytest.mark.parametrize("gossip", [True, False], ids=["pubsub", "no pubsub"])
@pytest.mark.parametrize("followers", [200, pytest.param(1_000, marks=pytest.mark.long)])
def test_a_crowd_is_served_by_itself(followers: int, gossip: bool) -> None:
    swarm = Crowd(1, followers, Weather(gossip=gossip))
    random = Random(1)
    links = graph(list(swarm.nodes), random)
    swarm.live(3.0, links)
    swarm.sent.clear()
    swarm.frames.clear()
    curator = swarm.nodes["curator0"]
    for number in range(PINS):
        swarm.write(curator, [WriteRequest(cid_of(number), put(cid_of(number), "a").record)])
        swarm.live(1.0, links)
        break_some(swarm, random)
    written = swarm.now
    swarm.settle(60.0, links)
    assert len(swarm.judge.agreed()) == PINS
    assert not swarm.blames

    each = {kind: round(count / followers / PINS, 2) for kind, count in swarm.frames.items()}
    busiest = max(swarm.sent[f"follower{number}"] for number in range(followers)) / PINS
    print(f"{followers} followers, frames a pin and peer: {each}, the busiest follower {busiest:g};")
    print(f"settled {swarm.now - written:.1f} s after the last, at most {swarm.most_under_way} frames on a stream")
    print(f"and {swarm.most_in_an_inbox} bytes in an inbox")
    # A head crosses a link once, now and then in both directions at the same time; what is told is fetched once.
    assert each["Heads"] <= 0.75 * DEGREE
    assert each["Want"] <= 1.2 and each["Page"] <= 1.2
    assert sum(each.values()) <= 1.5 * DEGREE
    assert busiest <= 10 * DEGREE
    assert swarm.most_under_way <= limits.OUTBOX_FRAMES_MAX // 8
    assert swarm.most_in_an_inbox <= limits.REORDER_BYTES_MAX // 100
