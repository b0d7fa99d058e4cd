"""Curators that look after a list of pins which name their peers, on the swarm's queue and clocks.

Each curator announces every 30 s and looks every 15 s, as the daemon does, with the product's own caretaker. Its IPFS
node is a set of CIDs, as harsh as one can be: what is not the peer's to keep is forgotten at once, and what is missing
comes from whoever is in reach and has it, half a minute later.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

from pincrew.trusted.author import WriteRequest
from pincrew.trusted.caretaker import AllocationRules, Caretaker, Facts, Plan

from pincrew import limits
from pincrew.announcement import Announcement
from pincrew.crew_metrics import crewmates, is_alive
from pincrew.keys import peer_id
from pincrew.record import decode_record, encode_record
from pincrew.repinning import crew_clock_ms
from pincrew.store.rows import Rows
from pincrew.store.watched_rows import WatchedRows
from pincrew.values import Pin
from sim.swarm import Node, Swarm, cid_of

RULES = AllocationRules(by=("tag:zone", "freespace"))
FETCH_S = 30.0
FREE = 10**12


class Allocating:
    """The curators of one cluster. ``writes`` counts, by CID, who wrote what caretakers decided."""

    def __init__(self, seed: int, curators: int = 4, rules: AllocationRules = RULES) -> None:
        self.swarm = Swarm(seed, curators=curators, followers=0)
        self.rules = rules
        self.nodes = list(self.swarm.nodes.values())
        self.kept: dict[str, set[bytes]] = {node.name: set() for node in self.nodes}
        self.writes: list[tuple[float, str, bytes]] = []
        self.ever: set[bytes] = set()
        self.free = dict.fromkeys(self.kept, FREE)
        self._caretakers: dict[str, Caretaker] = {}
        self._since: dict[tuple[str, bytes], float] = {}
        self._rows: dict[str, tuple[int, dict[bytes, Pin]]] = {}
        self._next: Counter[str] = Counter()
        self._said: dict[str, float] = {}
        for node in self.nodes:
            self._start(node)

    # ---- peers ----------------------------------------------------------------------------------------------------

    def id_of(self, node: Node) -> str:
        """Return a node's peer id."""
        assert node.key is not None
        return peer_id(node.key.public)

    def named(self, peer: str) -> Node:
        """Return the node of a peer id."""
        return next(node for node in self.nodes if self.id_of(node) == peer)

    def _start(self, node: Node) -> None:
        assert node.member is not None and node.key is not None
        rows = WatchedRows(node.disk, node.member.replica.shard_bits)
        self._caretakers[node.name] = Caretaker(rows, node.key.public, self.rules)
        self._next[node.name] = int(self.swarm.now + self.swarm.random.random() * limits.ALLOCATION_LOOK_INTERVAL_S)
        self._said[node.name] = -limits.ANNOUNCEMENT_INTERVAL_S

    def kill(self, node: Node) -> None:
        """Take one down; what its IPFS node has stays on its disk."""
        self.swarm.crash(node)
        self._caretakers.pop(node.name)

    def restart(self, node: Node) -> None:
        """Let it come up again."""
        self.swarm.start(node)
        self._start(node)

    def part(self, *sides: Iterable[Node]) -> None:
        """Let nothing pass between the sides."""
        groups = [list(side) for side in sides]
        for one, other in combinations(groups, 2):
            for a in one:
                for b in other:
                    self.swarm.cut.add(frozenset((a.name, b.name)))
                    self.swarm.disconnect(a, b)

    def heal(self) -> None:
        """Let everything pass again."""
        self.swarm.cut.clear()

    # ---- time -----------------------------------------------------------------------------------------------------

    def live(self, seconds: float) -> None:
        """Let time pass."""
        until = self.swarm.now + seconds
        while self.swarm.now < until:
            for a, b in combinations([node for node in self.nodes if node.member is not None], 2):
                self.swarm.connect(a, b)
            for node in self.nodes:
                if node.member is not None:
                    self._announce(node)
                    self._fetch(node)
                    if self.swarm.now >= self._next[node.name]:
                        self._next[node.name] = int(self.swarm.now + limits.ALLOCATION_LOOK_INTERVAL_S)
                        self._look(node)
            self.swarm.run(min(until, self.swarm.now + 1.0))
            self.swarm.tick()
            assert not self.lost(), f"seed {self.swarm.seed}: the last copy is gone"

    def _announce(self, node: Node) -> None:
        if self.swarm.now < self._said[node.name] + limits.ANNOUNCEMENT_INTERVAL_S:
            return
        assert node.member is not None and node.sync is not None and node.key is not None
        self._said[node.name] = self.swarm.now
        said = Announcement(
            cluster=node.member.chain.cluster_id,
            key=node.key.public,
            time_ms=self.swarm._now_ms(node),
            free_bytes=self.free[node.name],
            queue=0,
            repins=True,
            tags=(("zone", node.name[-1]),),
        ).sealed(node.key)
        node.member.heard.accept(said, self.swarm.now)
        self.swarm._carry(node, node.sync.announced(said, self.swarm.now))

    def facts(self, node: Node) -> Facts:
        """What a node knows just now, as the daemon's task tells it."""
        assert node.member is not None and node.key is not None
        heard, now = node.member.heard.all(), self.swarm.now
        clocks = [
            one.announcement.time_ms + round((now - one.at) * 1_000)
            for one in heard
            if is_alive(one, now) and one.announcement.key != node.key.public
        ]
        return Facts(
            now=now,
            clock_ms=crew_clock_ms(clocks, self.swarm._now_ms(node)),
            crew=crewmates(heard, now),
            curators=node.member.chain.curators,
            heard_at={one.announcement.key: one.at for one in heard},
            is_listening=any(node.name in link for link in self.swarm.links),
        )

    def _look(self, node: Node) -> None:
        caretaker = self._caretakers[node.name]
        caretaker.begin(self.facts(node))
        while caretaker.read():
            pass
        self._write(node, caretaker.expired())
        plan = caretaker.search()
        self._write(node, caretaker.settle(plan, self._answers(node, plan)))

    def _answers(self, node: Node, plan: Plan) -> Mapping[bytes, Mapping[str, str]]:
        found: dict[bytes, dict[str, str]] = {}
        for cid, peers in plan.asks.items():
            for peer in peers:
                other = self.named(peer)
                if other is node or frozenset((node.name, other.name)) in self.swarm.links:
                    found.setdefault(cid, {})[peer] = "pinned" if cid in self.kept[other.name] else "queued"
        return found

    def _write(self, node: Node, requests: Sequence[WriteRequest]) -> None:
        if requests:
            self.writes += [(self.swarm.now, node.name, request.cid) for request in requests]
            self.swarm.write(node, list(requests))

    # ---- pins -----------------------------------------------------------------------------------------------------

    def pins(self, node: Node) -> dict[bytes, Pin]:
        """What a node's list says."""
        commits, rows = self._rows.get(node.name, (-1, {}))
        if commits != node.disk.commits:
            rows = {cid: decode_record(cid, record) for cid, record, *_ in Rows(node.disk).contents()}
            self._rows[node.name] = node.disk.commits, rows
        return rows

    def add(self, node: Node, numbers: Iterable[int], least: int, most: int, expire_ms: int | None = None) -> None:
        """Let a node put pins on the list, and give them to whom it chooses; their holders have them at once."""
        facts = self.facts(node)
        allocator = self.rules.allocator(facts.crew, facts.curators)
        requests = []
        for number in numbers:
            cid = cid_of(number)
            chosen = allocator.allocate(cid, least, most)
            pin = Pin(cid, replication_min=least, replication_max=most, allocations=chosen, expire_ms=expire_ms)
            requests.append(WriteRequest(cid, encode_record(pin)))
            self.ever.add(cid)
            for peer in chosen or map(self.id_of, self.nodes):
                self.kept[self.named(peer).name].add(cid)
        self.swarm.write(node, requests)

    def _fetch(self, node: Node) -> None:
        """Let a node keep what its list says, and forget all else."""
        me, kept = self.id_of(node), self.kept[node.name]
        wanted = {cid for cid, pin in self.pins(node).items() if not pin.allocations or me in pin.allocations}
        known = self.pins(node).keys()
        kept -= {cid for cid in kept if cid in known and cid not in wanted}
        for cid in wanted - kept:
            if self.sources(node, cid):
                since = self._since.setdefault((node.name, cid), self.swarm.now)
                if self.swarm.now >= since + FETCH_S:
                    kept.add(cid)
                    del self._since[node.name, cid]
            else:
                self._since.pop((node.name, cid), None)

    def sources(self, node: Node, cid: bytes) -> list[Node]:
        """Return who has a CID and is in reach of a node."""
        return [
            other
            for other in self.nodes
            if other.member is not None
            and cid in self.kept[other.name]
            and frozenset((node.name, other.name)) in self.swarm.links
        ]

    # ---- what must hold -------------------------------------------------------------------------------------------

    def up(self) -> list[Node]:
        """Return who runs."""
        return [node for node in self.nodes if node.member is not None]

    def agree(self) -> dict[bytes, Pin]:
        """Return the list, which is the same for everybody who runs."""
        first, *others = (self.pins(node) for node in self.up())
        assert all(first == other for other in others), f"seed {self.swarm.seed}: the lists differ"
        return first

    def lost(self) -> set[bytes]:
        """Return the CIDs that nobody has any more, on whatever disk."""
        return self.ever.difference(set[bytes]().union(*self.kept.values()))

    def copies(self, cid: bytes) -> int:
        """Return how many who run have a CID."""
        return sum(cid in self.kept[node.name] for node in self.up())
