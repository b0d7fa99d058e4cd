"""A hostile peer at work on honest replicas: messages of every kind, made wrong and signed by whomever it may be.

    PYTHONPATH=tests python -m hostile.campaign SEED MUTATIONS

prints what became of them as JSON, with the memory of this process; a failure names the seed of its episode.

Each episode is a swarm (sim.swarm) of an honest curator, who is the keeper too, and two followers. ``mallory`` has a
link to each of them, and the key of the other curator. What she sends reaches each replica in another order and in
other pieces. Nothing but blame may come of it, and the blame must be hers. At the end the owner cuts off what that
curator signed after all, as an owner would, and all replicas must be equal, a newcomer too.
"""

from __future__ import annotations

import base64
import json
import sys
import zlib
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import cbor2

from hostile.mutator import Mutator
from pincrew import domains, limits
from pincrew.announcement import Announcement
from pincrew.base_form import blob_hash, decode_base, decode_cut, encode_header, encode_rows, pack_blob, seal
from pincrew.config_document import parse, render
from pincrew.errors import Malformed, PeerFault, PincrewError
from pincrew.frames import (
    Absent,
    AnnouncementsFrame,
    BaseFrame,
    BaseWant,
    Blob,
    BlobWant,
    Digest,
    Frame,
    Heads,
    Hello,
    Page,
    Proof,
    Standing,
    TrustRecords,
    TrustWant,
    Want,
    decode_frame,
    encode_frame,
)
from pincrew.keys import SigningKey, peer_id
from pincrew.neighbourhood import Neighbourhood
from pincrew.network import Verdict
from pincrew.policy import Method
from pincrew.record import decode_record, decode_shown, encode_record
from pincrew.record_rest import rest_of
from pincrew.requests import Answer, CidStatus, Request, decode_answer, decode_request, encode_answer, encode_request
from pincrew.steps import finish
from pincrew.sync import Blame, Effect
from pincrew.trust import TrustChain, TrustRecord
from pincrew.values import Delete, Dependency, Head, OperationId, Pin, Put, SessionId
from pincrew.verdict import judge
from pincrew.wire import encode_sealed, envelope_hash, load
from sim.forge import Author, Forged
from sim.judge import rows_of
from sim.swarm import Node, Swarm, Weather, cid_of, key_of

MALLORY = "mallory"
THIEF, STRANGER, OWNER, KEEPER = key_of("curator1"), key_of("stranger"), key_of("owner"), key_of("curator0")
SHARD_BITS = 2
EPISODE_MUTATIONS = 400
BATCH = 20
STAGED_BYTES_MAX = 4 * 1024 * 1024  # of an episode: its bases are small, so what is kept of lies must be
_BOMB = zlib.compress(bytes(64 * 1024 * 1024), level=9)  # 64 KB that want to be 64 MB


class Battle(Swarm):
    """Honest peers with mallory as a neighbour of each."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed, curators=2, followers=2, keys=24, weather=Weather(loss=0.2, delay_s=0.5))
        self.crash(self.nodes["curator1"])
        del self.nodes["curator1"]
        self.heard: dict[str, list[Frame]] = {name: [] for name in self.nodes}
        self.blamed: Counter[str] = Counter()
        self.doors = {name: _door(node) for name, node in self.nodes.items()}

    def link(self, node: Node) -> None:
        """Let mallory open a stream to a peer, and greet it."""
        assert node.sync is not None and node.member is not None
        self._carry(node, node.sync.linked(MALLORY, self.now))
        hello = Hello(limits.WIRE_VERSION, self.chain.cluster_id, node.member.standing())
        self._carry(node, node.sync.received(MALLORY, hello, self.now))

    def say(self, node: Node, data: bytes) -> str:
        """Let mallory send a frame; return what became of it."""
        assert node.sync is not None and node.member is not None
        before = self.blamed.total()
        try:
            frame = decode_frame(data)
        except Malformed as fault:
            self._carry(node, [Blame(MALLORY, fault.what, fatal=True)])
            return "malformed"
        if isinstance(frame, Page) and node.sync.awaits(MALLORY, frame.session):
            frame = node.member.read_ahead(frame)
        self._carry(node, node.sync.received(MALLORY, frame, self.now))
        return "blamed" if self.blamed.total() > before else "taken"

    def whisper(self, node: Node, author: bytes, sealed: bytes) -> str:
        """Let mallory bring an envelope over pubsub."""
        assert node.sync is not None and node.member is not None
        verdict = self.doors[node.name].validate(author, sealed)
        if verdict is Verdict.ACCEPT:
            received = node.member.replica.receive(sealed)
            if received.session is not None:
                self._carry(node, node.sync.hinted(MALLORY, received.session, received.number, self.now))
        return verdict.value

    def _carry(self, node: Node, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Blame):
                assert effect.peer == MALLORY, f"an honest peer is blamed: {effect}"
                self.blamed[effect.reason] += 1
                if effect.fatal and node.sync is not None:
                    self._carry(node, node.sync.unlinked(MALLORY, self.now))
                    self.link(node)
            elif effect.peer == MALLORY:
                decode_frame(encode_frame(effect.frame))
                self.heard[node.name].append(effect.frame)
            else:
                super()._carry(node, [effect])


def _door(node: Node) -> Neighbourhood:
    """What the daemon puts between the network and a peer: here for what it says of pubsub messages."""
    assert node.member is not None and node.sync is not None

    async def answer(request: Request) -> Answer:
        raise AssertionError("nobody asks")

    return Neighbourhood(
        node.member,
        node.sync,
        wake=lambda: None,
        answer=answer,
        on_neighbours=lambda: None,
        on_announcements=lambda: None,
        on_handshake_failed=lambda address, peer, reason: None,
    )


class Episode:
    """Some hundred mutations on one battle. ``outcomes`` counts them by kind and by what became of them."""

    def __init__(self, seed: int, outcomes: Counter[str]) -> None:
        self.random = Random(seed)
        self.battle = Battle(seed)
        self.mutator = Mutator(self.random)
        self.outcomes = outcomes
        self.honest = self.battle.nodes["curator0"]
        self.victims = list(self.battle.nodes.values())
        self.corpus: list[bytes] = []
        self.document = self._document(OWNER)
        self._late: list[tuple[Node, Callable[[], str]]] = []
        self.theme = self.random.choices((self._any, self._bases, self._trust), (8, 2, 1))[0]
        self._base_n = 0

    # ---- the course of it -------------------------------------------------------------------------------------

    def run(self, mutations: int) -> None:
        """Let mallory and the honest curator do their work, then hold all replicas to being equal."""
        self._warm_up()
        for number in range(mutations):
            self.theme()
            if number % BATCH == BATCH - 1:
                self._others_turn()
        self._others_turn()
        self._heal()

    def _warm_up(self) -> None:
        battle = self.battle
        for _ in range(6):
            battle.write(self.honest, battle.random_requests())
        for one in self._chain(THIEF, 3):
            for node in self.victims:
                battle.whisper(node, THIEF.public, one.sealed)
                battle.apply(node)
        battle.settle()
        if self.random.random() < 0.7:
            battle.make_base(self.honest)
            battle.write(self.honest, battle.random_requests())
            battle.settle()
        for node in self.victims:
            battle.link(node)
        self.corpus = [encode_frame(frame) for frame in self._frames()]

    def _others_turn(self) -> None:
        """What waited for another order arrives, honest peers go on, and nothing has grown beyond its bound."""
        battle = self.battle
        self.random.shuffle(self._late)
        for node, deliver in self._late:
            deliver()
            if self.random.random() < 0.1:
                battle.apply(node)
        self._late.clear()
        if battle.may_write(self.honest):
            with suppress(PincrewError):  # mallory has that key too, and forked its session: it goes on in another one
                battle.write(self.honest, battle.random_requests())
        names = [node.name for node in self.victims]
        battle.live(1.0, list(pairwise(names)))
        for node in self.victims:
            battle.apply(node)
            self._answer(node)
            self._is_bounded(node)
        self.corpus = [encode_frame(frame) for frame in self._frames()]

    def _is_bounded(self, node: Node) -> None:
        assert node.member is not None and node.sync is not None
        inbox = node.member.replica.inbox
        assert inbox.size <= limits.REORDER_TOTAL_BYTES_MAX, "the reorder buffer has no bound"
        assert inbox.size == sum(queue.size for queue in inbox._queues.values()), "the reorder buffer miscounts"
        staged = sum(map(len, node.staged.values()))
        assert staged <= STAGED_BYTES_MAX, f"{staged} bytes of bases are kept"
        asking = node.sync._pages._links[MALLORY]
        assert len(asking.claims) <= limits.SESSIONS_MAX and len(asking.wants) <= limits.WANTS_IN_FLIGHT_MAX
        assert len(node.sync._announcements._links[MALLORY].news) <= limits.ANNOUNCED_PEERS_MAX
        assert len(node.member.heard.all()) <= limits.ANNOUNCED_PEERS_MAX
        partial = node.sync._bases._partial.values()
        assert sum(len(one.packed) for one in partial) <= limits.BLOBS_PARTIAL_BYTES_MAX

    def _heal(self) -> None:
        """The owner ends it: the thief's key counts no more, and a base says what the list is."""
        battle = self.battle
        for node in self.victims:
            assert node.sync is not None
            battle._carry(node, node.sync.unlinked(MALLORY, battle.now))
        battle.live(60.0)
        assert self.honest.member is not None
        assert len({node.member.chain.standing for node in self.victims if node.member}) == 1, "trust differs"
        chain = self.honest.member.chain
        if chain.conflict is not None or chain.owners != {OWNER.public} or not battle.may_write(self.honest):
            return  # who can sign what is to hold is for the owners to find out; nobody fell
        battle.owner.chain = chain
        if chain.is_curator(THIEF.public):
            battle.tell(self.honest, battle.owner.revokes(THIEF.public, self.honest))
        else:
            battle.tell(self.honest, battle.owner.adds(THIEF.public))
        battle.live(30.0)
        battle.make_base(self.honest, is_owners=True)
        battle.add("newcomer", None)
        for _ in range(2):
            battle.settle()
            rows = rows_of(self.honest)
            for node in battle.nodes.values():
                assert rows_of(node) == rows, f"{node.name} has other rows"
            battle.write(self.honest, battle.random_requests())

    # ---- what is sent -----------------------------------------------------------------------------------------

    def _any(self) -> None:
        kinds = (
            (self._envelope, 8),
            (self._page, 6),
            (self._proof, 2),
            (self._frame, 8),
            (self._record_of_a_pin, 2),
            (self._announcement, 2),
            (self._foreign_trust, 2),
            (self._foreign_base, 1),
            (self._request, 2),
            (self._config, 1),
            (self._replay, 1),
        )
        self.random.choices([kind for kind, _ in kinds], [weight for _, weight in kinds])[0]()

    def _count(self, kind: str, outcome: str) -> None:
        self.outcomes[f"{kind}: {outcome}"] += 1

    def _changed(self, data: bytes) -> bytes:
        if self.random.random() < 0.2:
            return self.mutator.raw(data, self.corpus)
        return self.mutator.meaning(data, self.corpus)

    def _to_all(self, kind: str, *ways: Callable[[Node], str]) -> None:
        """One way of delivering for each peer: at once to the first, to the others later and in another order."""
        first, *others = self.random.sample(self.victims, len(self.victims))
        self._count(kind, ways[0](first))
        for node in others:
            way = self.random.choice(ways)
            self._late.append((node, lambda node=node, way=way: way(node)))  # type: ignore[misc]

    def _operations(self, author: Author) -> tuple[list[Any], tuple[Dependency, ...]]:
        """Some puts and deletes of what is on the list, with what they depend on."""
        assert self.honest.member is not None
        heads = self.honest.member.heads()
        rows = rows_of(self.honest)
        made: dict[bytes, Any] = {}
        seen: set[SessionId] = set()
        for _ in range(self.random.choice((1, 1, 2, 5))):
            cid = cid_of(self.random.randrange(100, 160))
            record = encode_record(Pin(cid, name=f"m{self.random.randrange(1000)}", added_ms=1))
            if not rows or self.random.random() < 0.5:
                made[cid] = Put(cid, record)
                continue
            row = self.random.choice(rows)
            identifier = OperationId(SessionId(row[2], row[3]), row[4])
            if identifier.session != author.session and identifier.session in heads:
                seen.add(identifier.session)
                is_put = self.random.random() < 0.5
                made[row[0]] = Put(row[0], record, identifier) if is_put else Delete(row[0], (identifier,))
        return list(made.values()), tuple(Dependency(one, *heads[one]) for one in sorted(seen))

    def _chain(self, key: SigningKey, most: int = 4) -> list[Forged]:
        """The beginning of a session, as it must be."""
        author = Author(key, self.battle.chain.cluster_id, self.random.randbytes(16), SHARD_BITS)
        assert self.honest.member is not None
        author.trust = self.honest.member.chain.head.n if self.random.random() < 0.5 else 0
        author.base = self.honest.member.bases.n if self.random.random() < 0.5 else 0
        made = []
        told: dict[SessionId, int] = {}
        for _ in range(self.random.randint(1, most)):
            operations, depends = self._operations(author)
            news = tuple(one for one in depends if told.get(one.session, 0) < one.number)
            told.update((one.session, one.number) for one in news)
            if operations:
                made.append(author.sign(*operations, depends=news))
        return made or self._chain(key, most)

    def _spoilt(self, key: SigningKey, chain: list[Forged]) -> list[Forged]:
        """The same with one envelope changed; signed anew as if it were meant, or not; what follows may fit again."""
        at = self.random.randrange(len(chain))
        body = self._changed(chain[at].body)
        signer = self.random.choice((key, key, key, key, STRANGER))
        signature = chain[at].signature if self.random.random() < 0.15 else signer.sign(domains.ENVELOPE, body)
        spoilt = [*chain[:at], Forged(body, signature)]
        is_mended = self.random.random() < 0.6
        for one in chain[at + 1 :]:
            body = one.body
            if is_mended:
                fields = cbor2.loads(body)
                fields[7] = envelope_hash(spoilt[-1].body)
                body = cbor2.dumps(fields, canonical=True)
            spoilt.append(Forged(body, key.sign(domains.ENVELOPE, body)))
        return spoilt

    def _envelope(self) -> None:
        key = self.random.choice((THIEF, THIEF, THIEF, THIEF, KEEPER, STRANGER))
        chain = self._chain(key)
        session = SessionId(key.public, load(chain[0].body)[5])
        spoilt = self._spoilt(key, chain)

        def gossip(node: Node) -> str:
            said = [self.battle.whisper(node, key.public, one.sealed) for one in spoilt]
            return "reject" if "reject" in said else said[-1]

        def scattered(node: Node) -> str:
            for one in self.random.sample(spoilt, len(spoilt)):
                self.battle.whisper(node, key.public, one.sealed)
            return "scattered"

        def paged(node: Node) -> str:
            return self._send_page(node, session, spoilt)

        whose = {THIEF: "thief's", KEEPER: "keeper's", STRANGER: "stranger's"}[key]
        self._to_all(f"{whose} envelope", gossip, scattered, paged)

    def _page(self) -> None:
        chain = self._spoilt(THIEF, self._chain(THIEF, 6))
        session = SessionId(THIEF.public, load(self._chain(THIEF, 1)[0].body)[5])
        for one in chain:
            try:
                session = one.read(SHARD_BITS).session
                break
            except Malformed:
                continue
        self._to_all("page", lambda node: self._send_page(node, session, chain))

    def _send_page(self, node: Node, session: SessionId, chain: list[Forged]) -> str:
        """Claim to have a session's envelopes, and send them when asked."""
        battle = self.battle
        battle.heard[node.name].clear()
        battle.say(node, encode_frame(Heads(((session, Head(len(chain), chain[-1].hash)),))))
        wants = [one for one in battle.heard[node.name] if isinstance(one, Want) and one.session == session]
        after = wants[0].after if wants else 0
        some = chain[after:] or chain
        page = encode_frame(Page(session, tuple(one.body for one in some), some[-1].signature))
        if len(page) > limits.FRAME_BYTES_MAX:
            return "too large"
        said = battle.say(node, page)
        return said if wants else f"not asked for, {said}"

    def _proof(self) -> None:
        """A session as it must be, and then, unasked, what is to prove that it is forked."""
        chain = self._chain(THIEF, 6)
        session = chain[0].read(SHARD_BITS).session
        branch = self._spoilt(THIEF, chain)
        proof = encode_frame(Proof(session, tuple(one.body for one in branch), branch[-1].signature))
        if len(proof) > limits.FRAME_BYTES_MAX:
            return

        def shown(node: Node) -> str:
            self._send_page(node, session, chain)
            return self.battle.say(node, proof)

        self._to_all("proof", shown)

    def _frames(self) -> list[Frame]:
        """Frames of every kind, as they are said."""
        member = self.honest.member
        assert member is not None
        heads = tuple(member.heads().items())
        page = None
        for session, _ in heads:
            page = page or member.page(session, 0)
        frames: list[Frame] = [
            Hello(limits.WIRE_VERSION, self.battle.chain.cluster_id, member.standing()),
            Digest(member.standing()),
            Heads(heads[-40:]),
            Want(heads[0][0], 0),
            Absent(heads[-1][0], heads[-1][1].number),
            TrustWant(0),
            TrustRecords(tuple(member.trust_records(0))),
            AnnouncementsFrame((self._announced(),)),
            BaseWant(0),
            BlobWant(self.random.choice([*self.honest.staged, bytes(32)]), 0),
            Blob(bytes(32), 0, 5, b"piece"),
        ]
        if page is not None:
            frames += [Page(heads[0][0], tuple(page[1]), page[2]), Proof(heads[0][0], tuple(page[1]), page[2])]
        if (sealed := member.base_sealed(0)) is not None:
            frames.append(BaseFrame(sealed))
        return frames

    def _frame(self) -> None:
        data = self.random.choice(self.corpus)
        kind = type(decode_frame(data)).__name__
        data = self._changed(data)
        self._to_all(f"frame {kind}", lambda node: self.battle.say(node, data))

    def _replay(self) -> None:
        """What was right once, said again, or in another cluster's name."""
        member = self.honest.member
        assert member is not None
        if self.random.random() < 0.5:
            foreign = Author(THIEF, self.random.randbytes(32), self.random.randbytes(16), SHARD_BITS)
            sealed = foreign.sign(Put(cid_of(1), encode_record(Pin(cid_of(1), added_ms=1)))).sealed
            self._to_all("other cluster", lambda node: self.battle.whisper(node, THIEF.public, sealed))
            return
        session = self.random.choice(list(member.heads()))
        page = member.page(session, 0)
        if page is not None:
            sealed = encode_sealed(page[1][-1], page[2])
            self._to_all("replay", lambda node: self.battle.whisper(node, session.author, sealed))

    def _record_of_a_pin(self) -> None:
        """Any bytes may be a record; readers make of it what they can, and keep it."""
        cid = cid_of(self.random.randrange(100, 160))
        pin = Pin(cid, name="name", size=5, added_ms=1, metadata=(("a", "b"),), origins=("/ip4/1.2.3.4",))
        record = encode_record(pin)
        record = self.mutator.raw(record, self.corpus) if self.random.random() < 0.5 else self._pairs(record)
        decode_shown(record)
        rest_of(record, decode_record(cid, record))
        author = Author(THIEF, self.battle.chain.cluster_id, self.random.randbytes(16), SHARD_BITS)
        if len(record) <= limits.RECORD_BYTES_MAX:
            forged = author.sign(Put(cid, record))
            self._to_all("record", lambda node: self.battle.whisper(node, THIEF.public, forged.sealed))
        else:
            self._count("record", "too large")

    def _pairs(self, record: bytes) -> bytes:
        """A record's map with other keys and values."""
        pairs = [list(pair) for pair in cbor2.loads(record).items()]
        changed = self.mutator.meaning(cbor2.dumps(pairs), self.corpus)
        try:
            return cbor2.dumps({pair[0]: pair[1] for pair in cbor2.loads(changed)})
        except Exception:  # no map any more: bytes like any other
            return changed

    def _announced(self) -> bytes:
        stands = self.random.randbytes(32)
        return Announcement(
            self.battle.chain.cluster_id,
            STRANGER.public,
            name="alice",
            version="0.1.0",
            addresses=("/ip4/192.0.2.7/tcp/4001",),
            node_id="12D3KooWNode",
            digest=stands,
            free_bytes=7,
            time_ms=self.random.randrange(10**6),
        ).sealed(STRANGER)

    def _announcement(self) -> None:
        body, signature = cbor2.loads(self._announced())
        body = self._changed(body)
        if self.random.random() < 0.8:
            signature = STRANGER.sign(domains.ANNOUNCEMENT, body)
        data = encode_frame(AnnouncementsFrame((cbor2.dumps([body, signature], canonical=True),)))
        self._to_all("announcement", lambda node: self.battle.say(node, data))

    def _signed_record(self, *signers: SigningKey) -> bytes:
        """A trust record like the one in force or the next, changed, with signatures that fit."""
        assert self.honest.member is not None
        chain = self.honest.member.chain
        head = chain.head
        following = TrustRecord(head.n + 1, head.hash, head.owners, head.curators, keeper=head.keeper)
        body = self._changed(self.random.choice((following.body, following.body, head.body)))
        pairs = sorted([key.public, key.sign(domains.TRUST, body)] for key in signers)
        return cbor2.dumps([body, pairs], canonical=True)

    def _foreign_trust(self) -> None:
        """Records that no owner signed: trust must not move."""
        record = self._signed_record(*self.random.choice(((STRANGER,), (THIEF,), (THIEF, STRANGER), ())))
        data = encode_frame(TrustRecords((record,)))
        before = [node.member.chain for node in self.victims if node.member]
        self._to_all("trust by others", lambda node: self.battle.say(node, data))
        assert before == [node.member.chain for node in self.victims if node.member], "trust moved on nobody's word"

    def _trust(self) -> None:
        """The owner's key is out: her records count, or prove a conflict; all must come to the same end."""
        data = encode_frame(TrustRecords((self._signed_record(OWNER),)))
        for node in self.random.sample(self.victims, len(self.victims)):
            self._count("trust by the owner", self.battle.say(node, data))
            assert node.member is not None
            self.battle.owner.ever |= node.member.chain.curators

    # ---- bases ------------------------------------------------------------------------------------------------

    def _foreign_base(self) -> None:
        sealed, _ = self._base(self.random.choice((STRANGER, THIEF)))
        data = encode_frame(BaseFrame(sealed))
        before = [node.member.bases.n for node in self.victims if node.member]
        self._to_all("base by others", lambda node: self.battle.say(node, data))
        assert before == [node.member.bases.n for node in self.victims if node.member]

    def _base(self, key: SigningKey) -> tuple[bytes, dict[bytes, bytes]]:
        """The next base as it would be, changed somewhere, with all its blobs under fitting hashes."""
        member = self.honest.member
        assert member is not None
        is_owners = key is OWNER
        header = finish(member.base_header(is_owners=is_owners))
        base = decode_base(seal(header, key))
        cut_blob, shards_blob = self.honest.staged[base.cut_hash], self.honest.staged[base.shards_hash]
        view = member.bases.store.view(decode_cut(cut_blob))
        rows = [member.bases.store.rows_at(shard, view)[0] for shard in range(1 << SHARD_BITS)]
        what = self.random.choice(("header", "cut", "shards", "rows", "rows", "nothing"))
        if what == "rows":
            shard = self.random.randrange(len(rows))
            rows[shard] = self._changed(rows[shard])
            shards_blob = b"".join(map(blob_hash, rows))
        elif what == "cut":
            cut_blob = self._changed(cut_blob)
        elif what == "shards":
            shards_blob = self.mutator.raw(shards_blob)
        header = encode_header(
            cluster=base.cluster,
            n=base.n,
            previous=base.previous,
            trust=base.trust,
            cut_hash=blob_hash(cut_blob),
            shards_hash=blob_hash(shards_blob),
            pins=base.pins,
            size=base.size,
        )
        if what == "header":
            header = self._changed(header)
        blobs = {blob_hash(blob): blob for blob in (cut_blob, shards_blob, *rows, encode_rows((), ()))}
        return seal(header, key), blobs

    def _bases(self) -> None:
        """The keeper's or the owner's key is out too."""
        battle = self.battle
        key = self.random.choice((KEEPER, KEEPER, OWNER))
        sealed, blobs = self._base(key)
        with suppress(PeerFault):
            base = decode_base(sealed)
            self._base_n = max(base.n, self._base_n)
            cut = decode_cut(blobs.get(base.cut_hash, b"\x80"))
            battle.judge.lie_told(base.hash, cut)
            battle.owner.ever |= {session.author for session in cut}  # whoever a signed cut names counts
        whose = "owner's" if key is OWNER else "keeper's"
        for node in self.random.sample(self.victims, len(self.victims)):
            assert node.member is not None
            before = node.member.bases.n
            battle.heard[node.name].clear()
            stands = Standing(0, bytes(32), self._base_n, self.random.randbytes(32))
            battle.say(node, encode_frame(Digest(stands)))
            said = battle.say(node, encode_frame(BaseFrame(sealed)))
            for _ in range(8):
                self._answer(node, blobs)
                battle.apply(node)
            self._count(f"{whose} base", "in force" if node.member.bases.n > before else said)

    def _answer(self, node: Node, blobs: dict[bytes, bytes] | None = None) -> None:
        """Answer what a peer asks mallory for: with blobs as they should be, most of the time."""
        asked, self.battle.heard[node.name] = self.battle.heard[node.name], []
        for frame in asked:
            if not isinstance(frame, BlobWant):
                continue
            blob = (blobs or {}).get(frame.name)
            packed = b"" if blob is None else pack_blob(blob)
            if self.random.random() < 0.05:
                packed = self.random.choice((_BOMB, self.mutator.raw(packed)))
            piece = packed[frame.offset : frame.offset + limits.BLOB_PIECE_BYTES_MAX]
            self.battle.say(node, encode_frame(Blob(frame.name, frame.offset, len(packed), piece)))

    # ---- documents and requests ---------------------------------------------------------------------------------

    def _request(self) -> None:
        if self.random.random() < 0.5:
            data = encode_request(Request(self.random.choice(list(Method)), (cid_of(1), cid_of(2))))
            read: Callable[[bytes], object] = decode_request
        else:
            data = encode_answer(Answer("bob", "0.1.0", "12D3KooW", ("/ip4/1.2.3.4",), (CidStatus(cid_of(1), "x"),)))
            read = decode_answer
        self._read("request", read, self._changed(data))

    def _document(self, key: SigningKey, trust: TrustChain | None = None) -> bytes:
        address = f"/ip4/203.0.113.7/tcp/4001/p2p/{peer_id(KEEPER.public)}"
        return render(key, trust or self.battle.chain, name="crew", revision=7, issued=1_700_000_000, peers=(address,))

    def _config(self) -> None:
        """A document as its curator signs it, wrong in some place."""
        signed, _, _ = self.document.partition(b"[signature]")
        signed = self.mutator.raw(signed, (self.document,))
        key = self.random.choice((OWNER, THIEF, STRANGER))
        value = base64.b64encode(key.sign(domains.CONFIG, signed)).decode()
        raw = signed + f'[signature]\npeer = "{peer_id(key.public)}"\nvalue = "{value}"\n'.encode()
        here = parse(self.document)
        self._read("config document", lambda data: judge(here, self.battle.chain, parse(data)), raw)

    def _read(self, kind: str, read: Callable[[bytes], object], data: bytes) -> None:
        try:
            read(data)
            self._count(kind, "taken")
        except PeerFault:
            self._count(kind, "refused")


def resident_bytes() -> int:
    """What this process has in memory."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


def main(seed: int, mutations: int) -> None:
    """Run episodes until so many mutations were sent; print what became of them."""
    outcomes: Counter[str] = Counter()
    samples = []
    for first in range(0, mutations, EPISODE_MUTATIONS):
        episode = seed * 1_000_000 + first // EPISODE_MUTATIONS
        try:
            Episode(episode, outcomes).run(min(EPISODE_MUTATIONS, mutations - first))
        except BaseException:  # whatever it was, one has to know which episode to play again
            print(f"episode {episode} failed", file=sys.stderr)
            raise
        samples.append(resident_bytes())
    print(json.dumps({"mutations": mutations, "outcomes": dict(sorted(outcomes.items())), "resident_bytes": samples}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
