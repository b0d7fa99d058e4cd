"""Many peers in one process, driven by a seeded queue: no event loop, no sockets, no clock but the queue's.

Each peer is a real ``Member`` (gate, inbox, documents, SQLite in memory as its disk) with a real ``Sync``. Frames go
through their encoding. Streams keep order and break as a whole; pubsub loses, doubles and reorders. A crash takes
whatever was not committed, at any step of a window; a disk can be copied and put back. What must hold is in judge.py.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from pincrew.trusted.author import Author, WriteRequest, Written

from pincrew.base_form import decode_base, seal
from pincrew.base_sync import Stage
from pincrew.bases import Turned
from pincrew.errors import Malformed, StoreFault
from pincrew.frames import decode_frame, encode_frame
from pincrew.keys import SigningKey
from pincrew.member import Member
from pincrew.record import encode_record
from pincrew.steps import finish
from pincrew.store.database import Database
from pincrew.sync import Blame, Effect, Send, Sync
from pincrew.trust import TrustChain
from pincrew.values import Pin, SessionId
from pincrew.wire import encode_sealed
from sim.judge import Judge, base_hash
from sim.owner import Owner

_BEGINNING_MS = 1_800_000_000_000


def _is_busy(member: Member) -> bool:
    """Whether something that was received could take effect now."""
    return any(
        member.contiguous(session) > member.head(session).number and not member.is_blocked(session)
        for session in member.replica.inbox.sessions()
    )


def key_of(name: str) -> SigningKey:
    """A key that depends on the name alone."""
    return SigningKey.from_seed(hashlib.sha256(name.encode()).digest())


def cid_of(number: int) -> bytes:
    """A raw SHA2-256 CID."""
    return b"\x01\x55\x12\x20" + hashlib.sha256(b"cid%d" % number).digest()


@dataclass
class Node:
    """One simulated peer. ``member`` is None while it is down."""

    name: str
    disk: Database
    key: SigningKey | None
    member: Member | None = None
    author: Author | None = None
    sync: Sync | None = None
    highest: dict[SessionId, int] = field(default_factory=dict)
    restored: bool = False
    sync_kind: type[Sync] = Sync
    staged: dict[bytes, bytes] = field(default_factory=dict)
    chain: TrustChain | None = None  # what its config document says; None = the swarm's first record
    clock_ms: int = 0  # how far its clock is off


@dataclass
class Weather:
    """How hostile the network is."""

    gossip: bool = True
    loss: float = 0.3
    duplicate: float = 0.2
    delay_s: float = 2.0


class Swarm:
    """The peers, the queue and what is known of acknowledged writes."""

    def __init__(
        self, seed: int, *, curators: int, followers: int, keys: int = 12, weather: Weather | None = None
    ) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.weather = weather or Weather()
        self.now = 0.0
        self.keys = keys
        self.nodes: dict[str, Node] = {}
        self.links: set[frozenset[str]] = set()
        self.cut: set[frozenset[str]] = set()
        self.blames: list[Blame] = []
        self.frames: Counter[str] = Counter()
        self.bytes_sent = 0
        self.turned: list[tuple[str, Turned]] = []
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._sequence = 0
        self._epoch: dict[frozenset[str], int] = {}
        self._last: dict[tuple[str, str], float] = {}
        names = [f"curator{i}" for i in range(curators)] + [f"follower{i}" for i in range(followers)]
        self.owner = Owner(key_of("owner"), [key_of(name).public for name in names[:curators]])
        self.chain = self.owner.chain
        self.judge = Judge(self)
        for name in names:
            self.add(name, key_of(name) if name.startswith("curator") else None)

    # ---- peers ------------------------------------------------------------------------------------------------

    def tell(self, node: Node, chain: TrustChain) -> None:
        """Let a peer hear of the owner's records."""
        assert node.member is not None and node.sync is not None
        node.member.adopt(chain)
        self._carry(node, node.sync.changed(self.now))

    def add(
        self, name: str, key: SigningKey | None, disk: Database | None = None, sync_kind: type[Sync] = Sync
    ) -> Node:
        """Start a new peer with an empty disk, or with the given one."""
        node = self.nodes[name] = Node(
            name, disk or Database(None, cluster=self.chain.cluster_id), key, sync_kind=sync_kind
        )
        self.start(node)
        return node

    def start(self, node: Node) -> None:
        """Let a peer come up from its disk."""
        node.member = Member(
            node.disk,
            node.chain or self.chain,
            now_ms=lambda: self._now_ms(node),
            now=lambda: self.now,
            staged=node.staged,
            author=node.key.public if node.key is not None else b"",
        )
        if node.key is not None:
            node.author = Author(
                node.member.replica,
                node.key,
                now_ms=lambda: self._now_ms(node),
                nonce=lambda: self.random.randbytes(16),
            )
        node.sync = node.sync_kind(node.member, self.chain.cluster_id, self.random)
        for session, head in node.member.heads().items():
            assert node.restored or head.number >= node.highest.get(session, 0), "invariant 14: a head fell"

    def _now_ms(self, node: Node) -> int:
        return _BEGINNING_MS + int(self.now * 1000) + node.clock_ms

    def crash(self, node: Node) -> None:
        """Take a peer down; what it had not committed is gone."""
        node.member = node.sync = node.author = None
        self._archive(node)
        for other in self.nodes.values():
            self.disconnect(node, other)

    def _archive(self, node: Node) -> None:
        """Note what took effect at a peer, before its log is forgotten."""
        for author, nonce, number, body in node.disk.writer.execute(
            "SELECT author, nonce, log.number, body FROM log JOIN sessions USING (sid)"
            " WHERE log.number <= sessions.number"
        ):
            self.judge.written[SessionId(author, nonce), number] = body

    def copy_disk(self, node: Node) -> Database:
        """Return a copy of a peer's disk as it is now."""
        copy = Database(None, cluster=self.chain.cluster_id)
        node.disk.writer.backup(copy.writer)
        return copy

    def put_back(self, node: Node, disk: Database) -> None:
        """Let a peer come up from a copy of its disk that was made earlier."""
        self.crash(node)
        node.disk, node.restored = disk, True
        node.highest.clear()
        node.staged.clear()
        self.start(node)

    # ---- network ----------------------------------------------------------------------------------------------

    def connect(self, a: Node, b: Node) -> None:
        """Open a stream between two peers that are up and not cut off from each other."""
        pair = frozenset((a.name, b.name))
        if a is b or pair in self.links or pair in self.cut or a.sync is None or b.sync is None:
            return
        self.links.add(pair)
        self._epoch[pair] = self._epoch.get(pair, 0) + 1
        self._carry(a, a.sync.linked(b.name, self.now))
        self._carry(b, b.sync.linked(a.name, self.now))

    def disconnect(self, a: Node, b: Node) -> None:
        """Break a stream; frames under way are lost."""
        pair = frozenset((a.name, b.name))
        if pair not in self.links:
            return
        self.links.discard(pair)
        for one, other in ((a, b), (b, a)):
            if one.sync is not None:
                self._carry(one, one.sync.unlinked(other.name, self.now))

    def _carry(self, node: Node, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Blame):
                self.blames.append(effect)
                if effect.fatal:
                    self.disconnect(node, self.nodes[effect.peer])
                continue
            self._send(node, effect)

    def _send(self, node: Node, send: Send) -> None:
        pair = frozenset((node.name, send.peer))
        if pair not in self.links:
            return
        data, epoch, target = encode_frame(send.frame), self._epoch[pair], self.nodes[send.peer]
        self.frames[type(send.frame).__name__] += 1
        self.bytes_sent += len(data)
        # A stream keeps its order: nothing arrives before what was sent earlier.
        at = max(self.now + self.random.random() * 0.2, self._last.get((node.name, send.peer), 0.0))
        self._last[node.name, send.peer] = at

        def deliver() -> None:
            if pair in self.links and self._epoch[pair] == epoch and target.sync is not None:
                try:
                    frame = decode_frame(data)
                except Malformed as error:
                    raise AssertionError(f"our own frame is malformed: {error}") from error
                self._carry(target, target.sync.received(node.name, frame, self.now))
                self.later(0.01, lambda: self.apply(target))

        self.at(at, deliver)

    def publish(self, node: Node, sealed: bytes) -> None:
        """Let pubsub carry a message to whoever is in reach, as badly as the weather says."""
        if not self.weather.gossip:
            return
        for other in self.nodes.values():
            if other is node or frozenset((node.name, other.name)) in self.cut:
                continue
            if self.random.random() < self.weather.loss:
                continue
            for _ in range(2 if self.random.random() < self.weather.duplicate else 1):
                self.later(
                    self.random.random() * self.weather.delay_s,
                    lambda other=other: self.gossip_arrives(other, sealed, node.name),
                )

    def gossip_arrives(self, node: Node, sealed: bytes, forwarder: str) -> None:
        """One pubsub message reaches a peer."""
        if node.member is None or node.sync is None:
            return
        received = node.member.replica.receive(sealed)
        if received.fault is None and received.session is not None:
            self._carry(node, node.sync.hinted(forwarder, received.session, received.number, self.now))
        self.later(0.01, lambda: self.apply(node))

    # ---- work -------------------------------------------------------------------------------------------------

    def apply(self, node: Node) -> None:
        """Let a peer apply what is ready."""
        while node.member is not None and node.sync is not None:
            try:
                applied = finish(node.member.replica.apply())
            except StoreFault:
                self.later(1.0, lambda: self.apply(node))
                break
            if not applied.envelopes and not self._turn(node):
                break
            self.judge.note(node)
            self._carry(node, node.sync.changed(self.now))

    def _turn(self, node: Node) -> bool:
        """Let a peer go on towards its next base; return whether one came into force."""
        assert node.member is not None
        before, heads = node.member.bases.n, dict(node.member.heads())
        while node.member.bases.stage() in (Stage.CHECK, Stage.READY):
            if (turned := finish(node.member.turn())) is not None:
                self.turned.append((node.name, turned))
                if turned.void:
                    self.judge.made_void(node, heads)
                    node.highest.clear()  # what an owner's base makes void is the one thing that may go back
                    self._reissue(node)
        if node.member.bases.n > before:
            self._archive(node)
            finish(node.member.bases.in_force.forget_log())
        return node.member.bases.n > before

    def _reissue(self, node: Node) -> None:
        """Let an author write again what a base made void."""
        assert node.member is not None and node.sync is not None
        if node.author is None or not node.member.chain.is_curator(node.author.session.author):
            return
        store = node.member.bases.store
        while void := store.reissues(2):
            written = finish(node.author.reissue([body for _, body in void]))
            store.reissued(void[-1][0])
            self._written(node, written)

    def make_base(self, node: Node, *, is_owners: bool = False) -> None:
        """Let the keeper make the next base at its heads, or the owner at this peer's."""
        key = self.owner.key if is_owners else node.key
        assert key is not None
        assert node.member is not None and node.sync is not None
        member = node.member
        previous = base_hash(member)
        cut = finish(member.bases.making.allowed_cut(member.chain))
        sealed = seal(finish(member.base_header(is_owners=is_owners)), key)
        made = decode_base(sealed).hash
        self.judge.base_made(made, previous, cut)
        self.owner.last_base = made if is_owners else self.owner.last_base
        assert member.base_offered(sealed) is None
        assert self._turn(node), "a keeper does not adopt its own base"
        self.judge.note(node)
        self._carry(node, node.sync.changed(self.now))

    def abandon(self, node: Node, after: int) -> bool:
        """Let a peer apply and die after so many steps; return whether the window was still open then."""
        assert node.member is not None
        steps = node.member.replica.apply()
        finished = False
        for _ in range(after):
            try:
                step = next(steps)
            except StopIteration:
                finished = True
                break
            if step is not None:
                step()
        steps.close()
        self.crash(node)
        return not finished

    def write(self, node: Node, requests: list[WriteRequest], crash_after: int | None = None) -> None:
        """Let a curator write; with ``crash_after`` it dies after so many steps, wherever that is."""
        if node.member is None or node.sync is None:
            return
        assert node.author is not None
        steps = node.author.write(requests)
        if crash_after is not None:
            for _ in range(crash_after):
                try:
                    step = next(steps)
                except StopIteration:
                    break
                if step is not None:
                    step()
            steps.close()
            self.crash(node)
            return
        self._written(node, finish(steps))

    def _written(self, node: Node, written: Written) -> None:
        assert node.member is not None and node.sync is not None and node.author is not None
        self.judge.note(node)
        for body, signature in written.sealed:
            envelope = node.member.replica.gate.sessions[node.author.session]
            state = node.member.replica.history.sealed(envelope.sid, envelope.number)
            assert state is not None, "invariant 4: handed out before it was durable"
            self.judge.acknowledged(body)
            self.publish(node, encode_sealed(body, signature))
        self._carry(node, node.sync.changed(self.now))

    def may_write(self, node: Node) -> bool:
        """Whether a peer is up and its own trust record lets it write."""
        return node.member is not None and node.key is not None and node.member.chain.is_curator(node.key.public)

    def random_requests(self, most: int = 4) -> list[WriteRequest]:
        """Some puts and deletes on few keys, so that they collide."""
        requests = []
        for _ in range(self.random.randint(1, most)):
            cid = cid_of(self.random.randrange(self.keys))
            if self.random.random() < 0.3:
                requests.append(WriteRequest(cid, None))
            else:
                name = f"n{self.random.randrange(1_000_000)}"
                requests.append(WriteRequest(cid, encode_record(Pin(cid, name=name, added_ms=1))))
        return requests

    # ---- time -------------------------------------------------------------------------------------------------

    def at(self, time: float, action: Callable[[], None]) -> None:
        """Do something at a time of the queue's clock."""
        self._sequence += 1
        heapq.heappush(self._queue, (time, self._sequence, action))

    def later(self, delay: float, action: Callable[[], None]) -> None:
        """Do something after a delay."""
        self.at(self.now + delay, action)

    def run(self, until: float) -> None:
        """Let things happen until a time."""
        while self._queue and self._queue[0][0] <= until:
            self.now, _, action = heapq.heappop(self._queue)
            action()
        self.now = until

    def tick(self) -> None:
        """Let every peer say what time alone makes it say."""
        for node in list(self.nodes.values()):
            if node.sync is not None:
                self._carry(node, node.sync.evaluate(self.now))
                self.apply(node)

    def settle(self, seconds: float = 600.0, links: Sequence[tuple[str, str]] | None = None) -> None:
        """Heal everything, connect a ring with chords (or ``links``), and let time pass until all stand alike."""
        deadline = self.now + seconds
        while self.now < deadline:
            self.live(1.0, links)
            members = [node.member for node in self.nodes.values() if node.member is not None]
            if len({member.replica.digest() for member in members}) == 1 and not any(map(_is_busy, members)):
                return
        raise AssertionError(f"seed {self.seed}: not settled after {seconds} s")

    def live(self, seconds: float, links: Sequence[tuple[str, str]] | None = None) -> None:
        """Heal everything and let time pass, whether the peers can ever agree or not."""
        self.cut.clear()
        nodes = list(self.nodes.values())
        for node in nodes:
            if node.member is None:
                self.start(node)
        until = self.now + seconds
        while self.now < until:
            if links is None:
                for index, node in enumerate(nodes):
                    self.connect(node, nodes[(index + 1) % len(nodes)])
                    self.connect(node, nodes[(index * 7 + 3) % len(nodes)])
            else:
                for one, other in links:
                    self.connect(self.nodes[one], self.nodes[other])
            self.run(min(until, self.now + 1.0))
            self.tick()
