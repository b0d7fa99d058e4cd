"""Pubsub: one topic per cluster, fast and lossy, a hint and nothing more.

The library's pubsub is kept for what it does well (mesh, gossip, queues) and replaced where a stranger's bytes enter:
reading, judging and delivering a message are ours, one message at a time and without a task for each; control messages
reach the library only after they were cut down to our topic, bounded and stripped of addresses to dial. Signatures are
checked against the key inside the author's peer id; a key that travels beside the message is never even parsed.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

import base58
import nacl.exceptions
import nacl.signing
from libp2p.pubsub.gossipsub import GossipSub
from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.pubsub import Pubsub
from libp2p.pubsub.rpc_queue import DefaultMaxMessageSize
from libp2p.pubsub.validators import PUBSUB_SIGNING_PREFIX
from libp2p.utils.varint import read_varint_prefixed_bytes_limited

from pincrew import limits
from pincrew.errors import Misuse
from pincrew.keys import public_of
from pincrew.network.contract import Verdict
from pincrew.network.hardening import GuardedHost, serving

log = logging.getLogger(__name__)

_PROTOCOL = "/meshsub/1.1.0"
_SEEN_TTL_S = 120


class Audience(Protocol):
    """Where messages and counts go: the network."""

    def judge(self, author: bytes, data: bytes) -> Verdict:
        """Judge a message. Must not raise."""

    def deliver(self, forwarder: str, author: bytes, data: bytes) -> None:
        """Hand on an accepted message. Must not raise."""

    def report(self, peer: str, *, rejected: int = 0, duplicates: int = 0) -> None:
        """Count what a peer should not have sent."""


class MeshRouter(GossipSub):  # type: ignore[misc]
    """GossipSub with every parameter said, and without two tables that grow with traffic.

    Thrifty, because in a crowd it is copies that cost: a mesh of few, and nobody is told what he may have missed (no
    IHAVE), which the sync streams bring anyway.
    """

    def __init__(self) -> None:
        super().__init__(
            protocols=[_PROTOCOL],
            degree=4,
            degree_low=3,
            degree_high=8,
            direct_peers=None,
            time_to_live=60,
            gossip_window=0,
            gossip_history=5,
            heartbeat_initial_delay=0.1,
            heartbeat_interval=1,
            do_px=False,
            px_peers_count=0,
            prune_back_off=60,
            unsubscribe_back_off=10,
            adaptive_gossip_enabled=False,
            spam_protection_enabled=False,
            eclipse_protection_enabled=False,
            max_pending_messages_per_peer=16,
            pending_messages_ttl=5.0,
        )

    def _check_equivocation(self, msg: Any) -> bool:
        """Keep no copies for this: the gate above proves forks with signatures."""
        return True

    async def publish(self, msg_forwarder: Any, pubsub_msg: Any) -> None:
        """Forward to the mesh."""
        await super().publish(msg_forwarder, pubsub_msg)
        self.recent_message_deliveries.clear()


class GuardedPubsub(Pubsub):  # type: ignore[misc]
    """Pubsub whose input is read, bounded and judged here."""

    def __init__(self, host: GuardedHost, topic: str, audience: Audience) -> None:
        self.mesh_router = MeshRouter()
        super().__init__(host, self.mesh_router, seen_ttl=_SEEN_TTL_S, strict_signing=True, allowed_topics={topic})
        self._topic = topic
        self._audience = audience

    async def continuously_read_stream(self, stream: Any) -> None:
        """Read one peer's messages until its stream ends; whatever it raises costs the stream alone."""
        peer_id = stream.muxed_conn.peer_id
        peer = str(peer_id)
        while self.manager.is_running:
            frame = await read_varint_prefixed_bytes_limited(stream, DefaultMaxMessageSize)
            rpc = rpc_pb2.RPC()
            try:
                rpc.ParseFromString(frame)
            # Bytes that are no message: each implementation of protobuf has its own DecodeError. It is counted, and
            # goes on up to end this stream.
            except Exception:
                self._audience.report(peer, rejected=1)
                raise
            if not rpc.publish and not rpc.subscriptions and not rpc.HasField("control"):
                self._audience.report(peer, duplicates=1)
            for message in rpc.publish[: limits.GOSSIP_MESSAGES_PER_RPC_MAX]:
                await self.push_msg(peer_id, message)
            if rpc.subscriptions:
                self._audience.report(peer, duplicates=len(rpc.subscriptions))
                for subscription in rpc.subscriptions[:1]:
                    if subscription.topicid == self._topic:
                        self.handle_subscription(peer_id, subscription)
            if rpc.HasField("control"):
                control, entries = _bounded_control(rpc.control, self._topic)
                self._audience.report(peer, duplicates=entries)
                await self.router.handle_rpc(rpc_pb2.RPC(control=control), peer_id)

    async def push_msg(self, msg_forwarder: Any, msg: Any) -> None:
        """Judge a message and, if it is new and genuine, deliver and forward it. Our own are only forwarded."""
        if msg_forwarder == self.my_id:
            self._mark_msg_seen(msg)
            await self.router.publish(msg_forwarder, msg)
            return
        peer = str(msg_forwarder)
        if self._is_msg_seen(msg):
            self._audience.report(peer, duplicates=1)
            return
        author = _signed_by(msg, self._topic)
        verdict = Verdict.REJECT if author is None else self._audience.judge(author, msg.data)
        if author is None or verdict is Verdict.REJECT:
            self._audience.report(peer, rejected=1)
            return
        self._mark_msg_seen(msg)
        if verdict is Verdict.DUPLICATE:
            self._audience.report(peer, duplicates=1)
            return
        self._audience.deliver(peer, author, msg.data)
        await self.router.publish(msg_forwarder, msg)

    def _handle_dead_peer(self, peer_id: Any) -> None:
        """Forget a peer; runs in the loops that every peer shares, so it must not raise."""
        try:
            super()._handle_dead_peer(peer_id)
        # KeyError of a table that lacks the peer already, or a stopped service; the other tables were cleaned.
        except Exception as error:
            log.debug("forgetting %s in pubsub: %r", peer_id, error)


class Gossip:
    """The cluster's topic."""

    def __init__(self, host: GuardedHost, topic: str, audience: Audience) -> None:
        self._topic = topic
        self._pubsub = GuardedPubsub(host, topic, audience)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Take part in the topic for as long as the block."""
        pubsub = self._pubsub
        try:
            async with serving(pubsub), serving(pubsub.mesh_router):
                await pubsub.wait_until_ready()
                await pubsub.subscribe(self._topic)
                yield
        finally:
            # Ends the thread that sweeps the table of seen messages.
            pubsub.seen_messages.stop()

    async def publish(self, data: bytes) -> None:
        """Send ``data`` to whoever listens; there is no promise that anybody does."""
        if len(data) > limits.GOSSIP_MESSAGE_BYTES_MAX:
            raise Misuse(f"A message of {len(data)} bytes is too long for pubsub")
        await self._pubsub.publish(self._topic, data)

    @property
    def listeners(self) -> frozenset[str]:
        """The neighbours that listen and to whom messages can be sent."""
        subscribed = self._pubsub.peer_topics.get(self._topic, set())
        return frozenset(str(peer) for peer in subscribed if peer in self._pubsub.peers)


def _signed_by(message: Any, topic: str) -> bytes | None:
    """Return the author's key if the message is in order for ``topic`` and signed by its author."""
    if list(message.topicIDs) != [topic] or len(message.data) > limits.GOSSIP_MESSAGE_BYTES_MAX:
        return None
    if len(message.seqno) != 8 or len(message.from_id) != 38 or len(message.signature) != 64:
        return None
    signed = rpc_pb2.Message(data=message.data, topicIDs=message.topicIDs, from_id=message.from_id, seqno=message.seqno)
    try:
        author = public_of(base58.b58encode(message.from_id).decode())
        nacl.signing.VerifyKey(author).verify(
            PUBSUB_SIGNING_PREFIX.encode() + signed.SerializeToString(), message.signature
        )
    except (Misuse, nacl.exceptions.CryptoError, ValueError, TypeError):
        return None
    return author


def _bounded_control(control: Any, topic: str) -> tuple[Any, int]:
    """Return what of a control message the router may see, and how many entries it had."""

    def ours(entry: Any) -> bool:
        return bool(entry.topicID == topic)

    entries = sum(len(kind) for kind in (control.ihave, control.iwant, control.graft, control.prune))
    bounded = rpc_pb2.ControlMessage()
    offered = _few(ident for entry in control.ihave if ours(entry) for ident in entry.messageIDs)
    if offered:
        bounded.ihave.add(topicID=topic, messageIDs=offered)
    wanted = _few(ident for entry in control.iwant for ident in entry.messageIDs)
    if wanted:
        bounded.iwant.add(messageIDs=wanted)
    if any(map(ours, control.graft)):
        bounded.graft.add(topicID=topic)
    for prune in list(filter(ours, control.prune))[:1]:
        bounded.prune.add(topicID=topic, backoff=min(prune.backoff, limits.GOSSIP_BACKOFF_S_MAX))
    return bounded, max(1, entries)


def _few(idents: Any) -> list[Any]:
    distinct: dict[Any, None] = {}
    for ident in idents:
        distinct[ident] = None
        if len(distinct) == limits.GOSSIP_CONTROL_IDS_MAX:
            break
    return list(distinct)
