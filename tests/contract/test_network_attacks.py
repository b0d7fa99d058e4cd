"""Hostile peers. Each acts, then an honest neighbour still syncs, asks and hears, and a newcomer still gets in.

Where docs say that py-libp2p's own code dies of it, the attack is marked DEADLY; with the guards of
``pincrew.network.hardening`` taken out these tests fail.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import Random
from typing import Any

import pytest
import trio
from libp2p.protocol_muxer.exceptions import MultiselectClientError
from libp2p.pubsub.pb import rpc_pb2

from pincrew import limits
from pincrew.keys import peer_id
from pincrew.network import FrameStream, StreamClosed, Verdict
from pincrew.network.streams import length_prefix
from support.attacker import MESHSUB, PING, REQUEST, SYNC, TOPIC, Attacker, attacking, tcp
from support.crew import Member, in_mesh, key, neighbours, running, trio_test, until, works

Attack = Callable[[Attacker], Awaitable[None]]
ATTACKS: list[Attack] = []
BROKEN = Exception  # what an attacker's own library raises when the victim hangs up is of no interest

DATA, WINDOW, PINGING, GO_AWAY = range(4)
SYN, ACK, FIN, RST = 1, 2, 4, 8


def attack(function: Attack) -> Attack:
    """Put an attack on the list."""
    ATTACKS.append(function)
    return function


# ---- pubsub -----------------------------------------------------------------------------------------------------


@attack
async def garbage_instead_of_protobuf(attacker: Attacker) -> None:
    """DEADLY: a DecodeError in the reading loop."""
    await attacker.gossip(b"\xff" * 64)


@attack
async def an_author_that_is_no_key(attacker: Attacker) -> None:
    """DEADLY: the key beside a malformed author is parsed before anything is checked."""
    message = attacker.message()
    message.from_id, message.key = b"\x12\x20" + bytes(32), b"\xff\xff\xff"
    await attacker.gossip(rpc_pb2.RPC(publish=[message]))


@attack
async def an_author_of_odd_bytes(attacker: Attacker) -> None:
    """Peer ids of every wrong length and kind."""
    messages = []
    for author in (b"", b"\x00", b"\x00" * 38, b"\x00\x24" + b"\xff" * 36, b"\xff" * 400):
        message = attacker.message()
        message.from_id = author
        messages.append(message)
    await attacker.gossip(rpc_pb2.RPC(publish=messages))


@attack
async def forged_and_missing_signatures(attacker: Attacker) -> None:
    """Messages that nobody signed, or somebody else, or of another kind."""
    forged, honest = attacker.message(), attacker.message()
    forged.signature = bytes(64)
    honest.data = b"changed after signing"
    short = attacker.message()
    short.signature = b"\x01"
    await attacker.gossip(rpc_pb2.RPC(publish=[forged, honest, short, attacker.message(sign=False)]))


@attack
async def messages_of_other_topics_and_sizes(attacker: Attacker) -> None:
    """What is not for our one topic, or not of a size that we accept."""
    several = attacker.message(topic="another")
    several.topicIDs.append(TOPIC)
    long = attacker.message(bytes(limits.GOSSIP_MESSAGE_BYTES_MAX + 1))
    await attacker.gossip(rpc_pb2.RPC(publish=[several, long, attacker.message(topic="another")]))


@attack
async def empty_messages(attacker: Attacker) -> None:
    """RPCs of nothing."""
    await attacker.gossip(*[b""] * 20, rpc_pb2.RPC(publish=[rpc_pb2.Message()]))


@attack
async def bogus_control(attacker: Attacker) -> None:
    """Control messages that name nonsense, huge times, and addresses for the victim to dial."""
    control = rpc_pb2.ControlMessage()
    for topic in (TOPIC, "another", ""):
        control.ihave.add(topicID=topic, messageIDs=[b"\xff" * 40, b"", b"zz"] * 200)
        control.iwant.add(messageIDs=[b"\xff" * 40] * 200)
        control.graft.add(topicID=topic)
        prune = control.prune.add(topicID=topic, backoff=2**64 - 1)
        prune.peers.add(peerID=b"\xff", signedPeerRecord=b"\xff" * 100)
    control.idontwant.add(messageIDs=[b"\xff"] * 200)
    await attacker.gossip(rpc_pb2.RPC(control=control), rpc_pb2.RPC(control=control, senderRecord=b"\xff" * 100))


@attack
async def control_before_any_subscription(attacker: Attacker) -> None:
    """Grafts and subscriptions in every order, again and again."""
    graft, prune = rpc_pb2.ControlMessage(), rpc_pb2.ControlMessage()
    graft.graft.add(topicID=TOPIC)
    prune.prune.add(topicID=TOPIC)
    subscribe = rpc_pb2.RPC(subscriptions=[rpc_pb2.RPC.SubOpts(subscribe=True, topicid=TOPIC)])
    leave = rpc_pb2.RPC(subscriptions=[rpc_pb2.RPC.SubOpts(subscribe=False, topicid=TOPIC)])
    for _ in range(5):
        await attacker.gossip(leave, rpc_pb2.RPC(control=graft), subscribe, rpc_pb2.RPC(control=prune), leave)


@attack
async def many_subscriptions(attacker: Attacker) -> None:
    """Topics without end."""
    topics = [rpc_pb2.RPC.SubOpts(subscribe=True, topicid=f"topic {number}") for number in range(5_000)]
    await attacker.gossip(rpc_pb2.RPC(subscriptions=topics))


@attack
async def a_pubsub_message_without_end(attacker: Attacker) -> None:
    """Lengths that are too long, or no lengths."""
    for prefix in (length_prefix(2**21), b"\xff" * 20, length_prefix(2**63)):
        stream = await attacker.open(MESHSUB)
        await stream.write(prefix + bytes(100))


# ---- sync, requests, ping ---------------------------------------------------------------------------------------


@attack
async def a_frame_that_is_too_long(attacker: Attacker) -> None:
    """Refused by its length, before any of it is read."""
    for protocol in (SYNC, REQUEST):
        for prefix in (length_prefix(limits.FRAME_BYTES_MAX + 1), length_prefix(2**34), b"\xff" * 20):
            stream = await attacker.open(protocol)
            with suppress(BROKEN):
                await stream.write(prefix)
                # The victim hangs up although not one byte of the frame was sent.
                with trio.fail_after(5):
                    while await stream.read(1_000):
                        pass


@attack
async def garbage_on_every_protocol(attacker: Attacker) -> None:
    """Random bytes wherever a stream is accepted, then nothing, an end or a reset."""
    random = Random(11)
    for protocol in (SYNC, REQUEST, MESHSUB, PING):
        for ending in ("", "close", "reset"):
            stream = await attacker.open(protocol)
            with suppress(BROKEN):
                await stream.write(random.randbytes(3_000))
                if ending:
                    await getattr(stream, ending)()


@attack
async def protocols_that_are_not_spoken(attacker: Attacker) -> None:
    """identify, identify push, floodsub, other clusters, nonsense: refused."""
    random = Random(12)
    for protocol in ("/ipfs/id/1.0.0", "/ipfs/id/push/1.0.0", "/floodsub/1.0.0", "/pincrew/00/sync/1", "x" * 900):
        with pytest.raises(MultiselectClientError):
            await attacker.open(protocol)
    for data in (b"", b"\n", b"ls\n", b"\xff\xfe\n", random.randbytes(200)):
        stream = await attacker.raw_stream()
        with suppress(BROKEN):
            await stream.write(length_prefix(len(data)) + data)
            await stream.write(b"\xff" * 9 + b"\x7f" + bytes(1_000))


@attack
async def streams_that_ask_for_nothing(attacker: Attacker) -> None:
    """Three hundred streams opened and left alone: more than a connection may have."""
    with suppress(BROKEN):
        for _ in range(250):
            await attacker.raw_stream()
    await until(lambda: not attacker.is_connected, "the victim hangs up")


# ---- yamux ------------------------------------------------------------------------------------------------------


@attack
async def yamux_frames_of_every_kind(attacker: Attacker) -> None:
    """Every type with every flag, on streams that exist and streams that do not."""
    random = Random(13)
    with suppress(BROKEN):
        for _ in range(400):
            kind, flags, stream = random.randrange(6), random.randrange(16), random.choice([0, 1, 2, 3, 7, 2**31])
            if kind == GO_AWAY:
                continue
            body = random.randbytes(random.randrange(50)) if kind == DATA else b""
            length = len(body) if kind == DATA else random.randrange(2**32)
            await attacker.frame(kind, flags, stream, length, body, version=random.choice([0, 0, 0, 1, 255]))


@attack
async def a_yamux_frame_of_four_gigabytes(attacker: Attacker) -> None:
    """Announced, never sent."""
    await attacker.frame(DATA, SYN, 1_001, 2**32 - 1, b"x")


@attack
async def a_yamux_goodbye_in_the_middle(attacker: Attacker) -> None:
    """A GO_AWAY of an unknown kind while streams are open."""
    await attacker.open(SYNC)
    await attacker.frame(GO_AWAY, 0, 0, 2**32 - 1)


@attack
async def streams_reset_as_they_open(attacker: Attacker) -> None:
    """SYN and RST at once, and again."""
    with suppress(BROKEN):
        for number in range(300):
            await attacker.frame(WINDOW, SYN | RST, 2_001 + 2 * number, 0)
            await attacker.frame(DATA, SYN | FIN, 9_001 + 2 * number, 3, b"abc")


@attack
async def an_answer_to_a_ping_that_was_not_sent(attacker: Attacker) -> None:
    """Pongs, and pings by the hundred."""
    for number in range(300):
        await attacker.frame(PINGING, ACK if number % 2 else SYN, 0, number)


@attack
async def torn_yamux(attacker: Attacker) -> None:
    """Half a header, then the end of the connection."""
    await attacker.connection.muxed_conn.secured_conn.write(b"\x00\x00\x00")
    await attacker.connection.muxed_conn.sever()


@attack
async def noise_that_does_not_decrypt(attacker: Attacker) -> None:
    """Bytes below the encryption."""
    raw = attacker.connection.muxed_conn.secured_conn.conn
    while hasattr(raw, "read_writer"):
        raw = raw.read_writer
    with suppress(BROKEN):
        await raw.write(b"\x00\x40" + bytes(64))


@pytest.mark.parametrize("act", ATTACKS, ids=lambda act: act.__name__)
@trio_test
async def test_a_connected_attacker_disturbs_nobody(act: Attack) -> None:
    victim, honest, newcomer = Member(1), Member(2), Member(3)
    async with running(victim, honest, newcomer):
        honest.seek(victim)
        await neighbours(honest, victim)
        await in_mesh(honest, victim)
        async with attacking(victim) as attacker:
            await act(attacker)
            await works(victim, honest, b"during")
        await works(victim, honest, b"after")
        newcomer.seek(victim)
        await neighbours(newcomer, victim)
        # Nothing that the attacker sent reached the peer above.
        assert not [author for author, _ in victim.recorder.judged if author == key(666).public]
        assert victim.recorder.events.count(("disconnected", honest.peer)) == 0


# ---- before any handshake ---------------------------------------------------------------------------------------

MULTISTREAM = b"\x13/multistream/1.0.0\n"
NOISE = MULTISTREAM + b"\x07/noise\n"


@pytest.mark.parametrize("transport", ["", "/ws"])
@pytest.mark.parametrize(
    "greeting",
    [
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        bytes(500),
        Random(1).randbytes(5_000),
        MULTISTREAM,
        MULTISTREAM + b"\x11/plaintext/2.0.0\n",
        MULTISTREAM + b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"\xff\xff\xff\xff\x0f" + bytes(100_000),
        NOISE + b"\xff\xff" + bytes(70_000),
        NOISE + b"\x00\x20" + Random(2).randbytes(32),
        NOISE + b"\x00\x00",
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
@trio_test
async def test_bytes_from_a_stranger_disturb_nobody(
    greeting: bytes, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "UPGRADE_TIMEOUT_S", 1.0)
    victim, honest = Member(1, listen=(f"/ip4/127.0.0.1/tcp/0{transport}",)), Member(2)
    async with running(victim, honest):
        honest.seek(victim)
        await neighbours(honest, victim)
        strangers = [await tcp(victim) for _ in range(5)]
        for stranger in strangers:
            with suppress(trio.BrokenResourceError):
                await stranger.send_all(greeting)
        await works(victim, honest, b"during")
        await strangers[0].aclose()
        for stranger in strangers[1:3]:
            with suppress(trio.BrokenResourceError):
                await stranger.send_eof()
        if not transport:
            # Half-open connections are hung up on.
            for stranger in strangers[1:]:
                with suppress(trio.BrokenResourceError):
                    while await stranger.receive_some(10_000):
                        pass
        await works(victim, honest, b"after")
        for stranger in strangers:
            await stranger.aclose()


UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
MASK = bytes(4)


@pytest.mark.parametrize(
    "frames",
    [
        b"\xff\xff" + bytes(30),
        b"\x83\x80" + MASK,
        b"\x81\x82" + MASK + b"\xff\xff",
        b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff" + MASK,
        b"\x82\x05hello",
        b"\x89\xfe\x01\x00" + MASK + bytes(256),
        b"\x80\x80" + MASK,
        b"\x88\x81" + MASK + b"\x01",
        b"\x88\x80" + MASK + b"\x82\x81" + MASK + b"x",
        b"\x8a\x80" + MASK,
        UPGRADE,
        b"\x82\x80" + MASK + b"\x01\x82" + MASK + b"ab" + b"\x82\x80" + MASK,
    ],
    ids=range(12),
)
@trio_test
async def test_broken_websocket_frames_disturb_nobody(frames: bytes) -> None:
    victim, honest = Member(1, listen=("/ip4/127.0.0.1/tcp/0/ws",)), Member(2)
    async with running(victim, honest):
        honest.seek(victim)
        await neighbours(honest, victim)
        stranger = await tcp(victim)
        await stranger.send_all(UPGRADE)
        assert b" 101 " in await stranger.receive_some(10_000)
        with suppress(trio.BrokenResourceError):
            await stranger.send_all(frames)
            await stranger.send_all(frames)
        await works(victim, honest, b"during")
        await stranger.aclose()
        await works(victim, honest, b"after")


@trio_test
async def test_plaintext_and_secio_are_not_offered() -> None:
    victim = Member(1)
    async with running(victim):
        for protocol in (b"/plaintext/2.0.0\n", b"/secio/1.0.0\n", b"/tls/1.0.0\n"):
            stranger = await tcp(victim)
            await stranger.send_all(MULTISTREAM + bytes([len(protocol)]) + protocol)
            received = b""
            while not received.endswith(b"\x03na\n"):
                received += await stranger.receive_some(100)
            await stranger.aclose()


@trio_test
async def test_half_open_connections_do_not_use_up_the_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CONNECTIONS_MAX", 6)
    monkeypatch.setattr(limits, "UPGRADE_TIMEOUT_S", 1.0)
    victim, honest = Member(1), Member(2)
    async with running(victim, honest):
        strangers = [await tcp(victim) for _ in range(20)]
        honest.seek(victim)
        await neighbours(honest, victim)
        await works(victim, honest)
        for stranger in strangers:
            await stranger.aclose()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127.0.0.0/8")
@trio_test
async def test_half_open_connections_that_come_again_and_again_leave_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """One address re-opens each connection that ends. It holds its share of the slots, and no more."""
    monkeypatch.setattr(limits, "CONNECTIONS_MAX", 6)
    monkeypatch.setattr(limits, "HALF_OPEN_PER_ADDRESS_MAX", 3)
    victim, honest = Member(1), Member(2)
    async with running(victim, honest), trio.open_nursery() as nursery:
        for _ in range(12):
            nursery.start_soon(_reopen, victim.port)
        await until(lambda: victim.network._swarm._inbound_limiter.borrowed_tokens >= 3)
        honest.seek(victim)
        await neighbours(honest, victim)
        await works(victim, honest)
        nursery.cancel_scope.cancel()


async def _reopen(port: int) -> None:
    """Open connections from another address of this machine, each when the one before was closed; say nothing."""
    while True:
        async with await trio.open_tcp_stream("127.0.0.1", port, local_address="127.0.0.2") as stranger:
            with suppress(trio.BrokenResourceError):
                await stranger.receive_some()


@trio_test
async def test_connections_that_ended_give_back_their_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """DEADLY in the long run: the library takes in only so many connections in the life of a host."""
    monkeypatch.setattr(limits, "CONNECTIONS_MAX", 4)
    victim, honest = Member(1), Member(2)
    async with running(victim, honest):
        for _ in range(12):
            async with attacking(victim):
                await until(lambda: victim.network.connected_to(_attacker_id()))
            # The library lets a dead connection count for a moment longer.
            await until(lambda: not victim.network._swarm.get_connections())
        honest.seek(victim)
        await neighbours(honest, victim)


@trio_test
async def test_one_identity_has_few_connections() -> None:
    victim = Member(1)
    async with running(victim), attacking(victim), attacking(victim), attacking(victim), attacking(victim):
        with pytest.raises(BaseExceptionGroup):
            async with attacking(victim) as fifth:
                await fifth.open(PING)


def _attacker_id() -> str:
    return peer_id(key(666).public)


# ---- what we dial -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["", "/ws"])
@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n\r\nhello",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n" + bytes(50),
        Random(3).randbytes(3_000),
        MULTISTREAM + b"\x03na\n",
        NOISE + b"\x00\x60" + Random(4).randbytes(96),
        b"\xff\xff\xff\xff\x0f" + bytes(50_000),
    ],
    ids=["silence", "http", "upgrade", "random", "no", "noise", "long"],
)
@pytest.mark.parametrize("hangs_up", [True, False], ids=["hangs up", "stays"])
@trio_test
async def test_a_hostile_server_disturbs_nobody(
    answer: bytes, transport: str, hangs_up: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Addresses come from strangers, so what answers there may be anything."""
    monkeypatch.setattr(limits, "UPGRADE_TIMEOUT_S", 0.5)
    monkeypatch.setattr(limits, "DIAL_TIMEOUT_S", 0.5)
    served = 0

    async def serve(stream: trio.SocketStream) -> None:
        nonlocal served
        served += 1
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await stream.send_all(answer)
            if not hangs_up:
                while await stream.receive_some(10_000):
                    pass

    victim, honest = Member(1), Member(2)
    async with running(victim, honest), trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, serve, 0)
        port = listeners[0].socket.getsockname()[1]
        victim.network.seek(_attacker_id(), [f"/ip4/127.0.0.1/tcp/{port}{transport}"])
        honest.seek(victim)
        await neighbours(honest, victim)
        # It was tried, it failed in words, and it is tried again.
        await until(lambda: served >= 2 and victim.network.trouble(_attacker_id()))
        await works(victim, honest)
        nursery.cancel_scope.cancel()


NOWHERE = (
    "/p2p/SELF",
    "/",
    "//",
    "/ip4",
    "/ip4//tcp/",
    "/dns4//tcp/1",
    "/dns4/\x00/tcp/1",
    "/dnsaddr/.",
    "/dnsaddr//p2p/SELF",
    "\ud800",
    f"/dns4/{'a' * 300}/tcp/1",
    "/dns4/xn--\u2603/tcp/1",
    "/unix/x",
    "/ip4/127.0.0.1/tcp/0",
    "/ip4/127.0.0.1/tcp/99999",
    "/ip6zone/x/ip6/::1/tcp/1",
)


@trio_test
async def test_addresses_that_mean_nothing_disturb_nobody() -> None:
    victim, honest = Member(1), Member(2)
    async with running(victim, honest):
        strangers = [peer_id(key(1_000 + number).public) for number in range(len(NOWHERE))]
        for stranger, address in zip(strangers, NOWHERE, strict=True):
            victim.network.seek(stranger, [address.replace("SELF", stranger)])
        await until(lambda: all(victim.network.trouble(stranger) for stranger in strangers))
        honest.seek(victim)
        await neighbours(honest, victim)
        await works(victim, honest)


# ---- handlers that raise ----------------------------------------------------------------------------------------


async def _raise(*args: Any) -> Any:
    raise ValueError("a bug above the network")


def _raise_now(*args: Any) -> Any:
    raise ValueError("a bug above the network")


@pytest.mark.parametrize("handler", ["speak", "answer", "verdict", "on_gossip"])
@trio_test
async def test_a_handler_that_raises_costs_one_stream_or_message(handler: str) -> None:
    """DEADLY: in the library any of them ends the host."""
    victim, honest, hostile = Member(1), Member(2), Member(3)
    async with running(victim, honest, hostile):
        honest.seek(victim)
        await neighbours(honest, victim)
        before = getattr(victim.recorder, handler)
        setattr(victim.recorder, handler, _raise if handler in ("speak", "answer") else _raise_now)
        hostile.seek(victim)
        if handler == "speak":
            await until(lambda: ("disconnected", hostile.peer) in victim.recorder.events)
        else:
            await neighbours(hostile, victim)
            await in_mesh(hostile, victim)
            await hostile.network.publish(b"to be judged")
            with suppress(Exception):
                await hostile.network.request(victim.peer, b"x")
            if handler == "verdict":
                await until(lambda: victim.recorder.judged)
        setattr(victim.recorder, handler, before)
        await works(victim, honest)
        await neighbours(hostile, victim)
        await works(victim, hostile, b"and the other")


# ---- slowness ---------------------------------------------------------------------------------------------------


@trio_test
async def test_a_reader_that_takes_nothing_is_dropped_and_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SEND_STALL_TIMEOUT_S", 1.0)
    ended: list[str] = []

    async def generous(peer: str, stream: FrameStream, dialled: bool) -> None:
        if peer != _attacker_id():
            return await victim.recorder.listen(peer, stream, dialled)
        try:
            while True:
                await stream.send(bytes(limits.PAGE_BYTES_MAX))
        except StreamClosed as error:
            ended.append(error.sentence)
            raise

    victim, honest = Member(1), Member(2)
    victim.recorder.speak = generous
    async with running(victim, honest):
        honest.seek(victim)
        await neighbours(honest, victim)
        async with attacking(victim) as attacker:
            await attacker.open(SYNC)
            await until(lambda: attacker.peer in dict(victim.recorder.neighbours))
            await works(victim, honest, b"during")
            await until(lambda: ended)
            assert "too slowly" in ended[0]
            await until(lambda: attacker.peer not in dict(victim.recorder.neighbours))
        await works(victim, honest, b"after")


@trio_test
async def test_a_sender_that_ignores_the_window_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's yamux buffers whatever comes for a stream that nobody reads."""

    async def deaf(peer: str, stream: FrameStream, dialled: bool) -> None:
        if peer != _attacker_id():
            await victim.recorder.listen(peer, stream, dialled)
        else:
            await trio.sleep_forever()

    victim, honest = Member(1), Member(2)
    victim.recorder.speak = deaf
    async with running(victim, honest):
        honest.seek(victim)
        await neighbours(honest, victim)
        async with attacking(victim) as attacker:
            stream = await attacker.open(SYNC)
            sent = 0
            with suppress(BROKEN):
                while attacker.is_connected and sent < 40 * limits.STREAM_WINDOW_BYTES_MAX:
                    await attacker.frame(DATA, 0, stream.muxed_stream.stream_id, 60_000, bytes(60_000))
                    sent += 60_000
            await until(lambda: not attacker.is_connected, "the victim hangs up")
            assert sent < 20 * limits.STREAM_WINDOW_BYTES_MAX
        await works(victim, honest)


@trio_test
async def test_a_peer_that_falls_silent_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its TCP connection stays up and takes what is sent: only the missing answer to a ping tells."""
    monkeypatch.setattr(limits, "LIVENESS_INTERVAL_S", 0.2)
    monkeypatch.setattr(limits, "LIVENESS_TIMEOUT_S", 0.5)
    one, two = Member(1), Member(2)
    async with running(one, two), trio.open_nursery() as nursery:
        silent = trio.Event()
        port = await nursery.start(_relay, two.port, silent)
        one.network.seek(two.peer, [f"/ip4/127.0.0.1/tcp/{port}"])
        await neighbours(one, two)
        await works(one, two)
        silent.set()
        await until(lambda: not one.network.connections() and not two.network.connections())
        nursery.cancel_scope.cancel()


async def _relay(port: int, silent: trio.Event, *, task_status: trio.TaskStatus[int]) -> None:
    """Pass bytes on until ``silent``; then swallow them."""

    async def pump(source: trio.SocketStream, target: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async for data in source:
                if not silent.is_set():
                    await target.send_all(data)

    async def serve(inbound: trio.SocketStream) -> None:
        outbound = await trio.open_tcp_stream("127.0.0.1", port)
        async with outbound, trio.open_nursery() as nursery:
            nursery.start_soon(pump, inbound, outbound)
            nursery.start_soon(pump, outbound, inbound)

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    task_status.started(listeners[0].socket.getsockname()[1])
    await trio.serve_listeners(serve, listeners)


# ---- floods -----------------------------------------------------------------------------------------------------


@trio_test
async def test_a_flood_of_rejected_messages_cuts_the_peer_off_for_ten_minutes() -> None:
    now = 1_000.0
    victim, honest = Member(1, clock=lambda: now), Member(2)
    hostile = key(666).public
    victim.recorder.verdict = lambda author, data: Verdict.REJECT if author == hostile else Verdict.ACCEPT
    async with running(victim, honest):
        honest.seek(victim)
        await in_mesh(honest, victim)
        async with attacking(victim) as attacker:
            allowed = [attacker.message() for _ in range(limits.REJECTED_PER_WINDOW_MAX)]
            await attacker.gossip(rpc_pb2.RPC(publish=allowed))
            await until(lambda: len(victim.recorder.judged) == limits.REJECTED_PER_WINDOW_MAX)
            assert attacker.is_connected
            await attacker.gossip(rpc_pb2.RPC(publish=[attacker.message()]))
            await until(lambda: not attacker.is_connected, "the victim hangs up")
        with suppress(BaseExceptionGroup):
            async with attacking(victim) as again:
                await until(lambda: not again.is_connected, "the victim hangs up at once")
        assert not victim.network.connected_to(_attacker_id())
        await works(victim, honest)
        now += limits.FLOOD_BAN_S + 1
        async with attacking(victim) as later:
            await later.open(PING)
            assert later.is_connected


@trio_test
async def test_a_flood_of_duplicates_and_control_messages_cuts_the_peer_off() -> None:
    victim, honest = Member(1, clock=lambda: 1_000.0), Member(2)
    async with running(victim, honest):
        honest.seek(victim)
        await in_mesh(honest, victim)
        async with attacking(victim) as attacker:
            again = attacker.message()
            with suppress(BROKEN):
                await attacker.gossip(*[rpc_pb2.RPC(publish=[again] * 500)] * 10)
            await until(lambda: not attacker.is_connected, "the victim hangs up")
        async with attacking(victim, number=667) as attacker:
            control = rpc_pb2.ControlMessage()
            for _ in range(500):
                control.graft.add(topicID=TOPIC)
            with suppress(BROKEN):
                await attacker.gossip(*[rpc_pb2.RPC(control=control)] * 10)
            await until(lambda: not attacker.is_connected, "the victim hangs up")
        await works(victim, honest)


@trio_test
async def test_any_number_of_new_messages_is_no_flood() -> None:
    one, two = Member(1, clock=lambda: 1_000.0), Member(2)
    async with running(one, two):
        two.seek(one)
        await in_mesh(one, two)
        for number in range(3_000):
            await two.network.publish(b"%d" % number)
        await until(lambda: len(one.recorder.gossip) == 3_000)
        assert one.network.connections()


@trio_test
async def test_the_layer_above_counts_too() -> None:
    victim, hostile = Member(1, clock=lambda: 1_000.0), Member(2)
    async with running(victim, hostile):
        hostile.seek(victim)
        await neighbours(hostile, victim)
        victim.network.report(hostile.peer, rejected=limits.REJECTED_PER_WINDOW_MAX)
        assert victim.network.connections()
        victim.network.report(hostile.peer, rejected=1)
        await until(lambda: not victim.network.connections())
