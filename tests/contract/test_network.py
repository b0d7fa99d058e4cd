"""The network edge with real hosts on loopback."""

from __future__ import annotations

import socket
from random import Random

import pytest
import trio

from pincrew import limits
from pincrew.errors import Malformed, Misuse, NotAllowed, PeerFault, PincrewError, PortInUse
from pincrew.keys import peer_id
from pincrew.network import FrameStream, NoAnswer, PeerUnreachable, StreamClosed, Verdict
from pincrew.network.mdns import LocalPeers
from support.crew import CLUSTER, Member, Recorder, in_mesh, key, neighbours, running, trio_test, until, works

SECRET = bytes(range(32))


@trio_test
async def test_two_peers_become_neighbours_and_hear_each_other() -> None:
    one, two = Member(1), Member(2)
    async with running(one, two):
        one.seek(two)
        await neighbours(one, two)
        assert one.recorder.neighbours == [(two.peer, True)]
        assert two.recorder.neighbours == [(one.peer, False)]
        ours, theirs = one.connection(two), two.connection(one)
        assert ours is not None and theirs is not None
        assert (ours.via, theirs.via) == ("out", "in")
        assert ours.address == two.network.addresses[0].rpartition("/p2p/")[0]
        assert theirs.address.startswith("/ip4/127.0.0.1/tcp/")
        await works(one, two)
    assert [event for event, _ in one.recorder.events] == ["connected", "disconnected"]
    assert [event for event, _ in two.recorder.events] == ["connected", "disconnected"]


@trio_test
async def test_everything_but_pubsub_works_without_pubsub() -> None:
    one, two = Member(1, gossip=False), Member(2, gossip=False)
    async with running(one, two):
        two.seek(one)
        await neighbours(one, two)
        await one.recorder.streams[two.peer].send(b"a frame")
        await until(lambda: two.recorder.frames == [(one.peer, b"a frame")])
        assert await two.network.request(one.peer, b"x") == b"echo x"
        await one.network.publish(b"nobody hears this")
        assert not one.network.listeners()


@trio_test
async def test_websocket_addresses_work() -> None:
    one, two = Member(1, listen=("/ip4/127.0.0.1/tcp/0/ws",)), Member(2)
    async with running(one, two):
        assert "/ws/p2p/" in one.network.addresses[0]
        two.seek(one)
        await neighbours(one, two)
        await works(one, two)


@trio_test
async def test_ipv6_addresses_work() -> None:
    one, two = Member(1, listen=("/ip6/::1/tcp/0",)), Member(2)
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 on loopback")
    async with running(one, two):
        two.seek(one)
        await neighbours(one, two)


@trio_test
async def test_a_closed_cluster_works_with_its_secret() -> None:
    one, two = Member(1, secret=SECRET), Member(2, secret=SECRET)
    async with running(one, two):
        one.seek(two)
        await neighbours(one, two)
        await works(one, two)


# ---- one sync stream per peer -----------------------------------------------------------------------------------


@trio_test
async def test_peers_that_dial_each_other_at_once_keep_exactly_one_sync_stream() -> None:
    for attempt in range(5):
        one, two = Member(10 + attempt), Member(20 + attempt)
        async with running(one, two):
            one.seek(two)
            two.seek(one)
            await neighbours(one, two)
            await works(one, two)
            # The recorder asserts that there never was a second one.
            assert len(one.recorder.neighbours) == len(two.recorder.neighbours) == 1
            assert one.recorder.neighbours[0][1] is not two.recorder.neighbours[0][1]


@trio_test
async def test_a_sync_stream_that_dies_is_opened_again_on_the_same_connection() -> None:
    one, two = Member(1), Member(2)
    async with running(one, two):
        one.seek(two)
        await neighbours(one, two)
        before = one.connection(two)
        await two.recorder.streams[one.peer].reset()
        await until(lambda: two.recorder.events[-1:] == [("connected", one.peer)] and len(two.recorder.events) == 3)
        await neighbours(one, two)
        after = one.connection(two)
        assert before is not None and after is not None and before.address == after.address
        theirs = two.connection(one)
        assert theirs is not None and theirs.via == "in"
        await works(one, two)


@trio_test
async def test_a_handler_that_ends_gets_a_new_stream() -> None:
    served = 0

    async def brief(peer: str, stream: FrameStream, dialled: bool) -> None:
        nonlocal served
        served += 1

    one, two = Member(1), Member(2)
    two.recorder.speak = brief
    async with running(one, two):
        one.seek(two)
        await until(lambda: served >= 3)


# ---- dialling ---------------------------------------------------------------------------------------------------


@trio_test
async def test_dead_unknown_and_foreign_addresses_are_passed_over() -> None:
    one, two = Member(1), Member(2)
    async with running(one, two):
        stranger = peer_id(key(99).public)
        one.network.seek(
            two.peer,
            [
                "/ip4/127.0.0.1/tcp/1",
                "/dns4/nobody.invalid/tcp/4001",
                "/ip4/127.0.0.1/udp/4001/quic-v1",
                f"/ip4/127.0.0.1/tcp/{two.port}/p2p/{stranger}",
                "no address at all",
                f"/dns4/localhost/tcp/{two.port}/p2p/{two.peer}",
            ],
        )
        await neighbours(one, two)
        connection = one.connection(two)
        assert connection is not None and connection.address == f"/ip4/127.0.0.1/tcp/{two.port}"
        assert not one.recorder.failures


@trio_test
async def test_trouble_says_why_a_peer_is_not_reached() -> None:
    one = Member(1)
    async with running(one):
        stranger = peer_id(key(99).public)
        one.network.seek(stranger, ["/ip4/127.0.0.1/tcp/1"])
        await until(lambda: "Nobody answers" in one.network.trouble(stranger))
        one.network.forget(stranger)
        assert one.network.trouble(stranger) == ""


@trio_test
async def test_a_restart_of_either_side_heals_within_two_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = Member(1), Member(2)
    monkeypatch.setattr(limits, "REDIAL_STEADY_S", 0.0)
    async with running(one) as nursery:
        await nursery.start(two.run)
        one.seek(two)
        await neighbours(one, two)
        listen = (f"/ip4/127.0.0.1/tcp/{two.port}",)
        # The side that is dialled.
        await two.stop()
        await until(lambda: "Nobody answers" in one.network.trouble(two.peer))
        again = Member(2, listen=listen)
        await nursery.start(again.run)
        started = trio.current_time()
        await neighbours(one, again)
        assert trio.current_time() - started < 2
        await works(one, again)
        await again.stop()
    # The side that dials.
    async with running(third := Member(3)) as nursery:
        first = Member(4)
        await nursery.start(first.run)
        first.seek(third)
        await neighbours(first, third)
        await first.stop()
        await until(lambda: not third.network.connections())
        second = Member(4)
        await nursery.start(second.run)
        second.seek(third)
        await neighbours(second, third)


@trio_test
async def test_a_peer_that_comes_late_is_found() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    one, two = Member(1), Member(2, listen=(f"/ip4/127.0.0.1/tcp/{port}",))
    async with running(one) as nursery:
        one.network.seek(two.peer, [f"/ip4/127.0.0.1/tcp/{port}"])
        await until(lambda: "Nobody answers" in one.network.trouble(two.peer))
        await nursery.start(two.run)
        await neighbours(one, two)


@trio_test
async def test_new_addresses_are_tried_at_once() -> None:
    one, two = Member(1), Member(2)
    async with running(one, two):
        one.network.seek(two.peer, ["/ip4/127.0.0.1/tcp/1"])
        await until(lambda: "Nobody answers" in one.network.trouble(two.peer))
        one.seek(two)
        await neighbours(one, two)


@trio_test
async def test_no_more_neighbours_are_sought_than_wanted_but_curators_always() -> None:
    few = Member(1, neighbours_max=1)
    others = [Member(number) for number in (2, 3)]
    curator = Member(4)
    async with running(few, *others, curator):
        for other in others:
            few.seek(other)
        await until(lambda: len(few.network.connections()) == 1)
        few.seek(curator, priority=True)
        await neighbours(few, curator)
        assert len(few.network.connections()) == 2
        # When the only other one goes, the one that had to wait has its turn.
        first = next(other for other in others if few.connection(other))
        await first.stop()
        few.network.forget(curator.peer)
        await curator.stop()
        await neighbours(few, next(other for other in others if other is not first))


@trio_test
async def test_a_peer_that_is_full_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "INBOUND_FACTOR", 1)
    full, first, second = Member(1, neighbours_max=1), Member(2), Member(3)
    async with running(full, first, second):
        first.seek(full)
        await neighbours(first, full)
        second.seek(full)
        await until(lambda: "no room" in second.network.trouble(full.peer))
        assert not second.recorder.failures
        await first.stop()
        await neighbours(second, full)


# ---- handshakes that fail ---------------------------------------------------------------------------------------


@trio_test
async def test_a_peer_of_another_cluster_is_named_as_such_and_not_kept() -> None:
    ours, theirs = Member(1), Member(2, cluster=bytes(32))
    async with running(ours, theirs):
        started = trio.current_time()
        ours.seek(theirs)
        await until(lambda: ours.recorder.failures)
        assert trio.current_time() - started < 10
        address, peer, reason = ours.recorder.failures[0]
        assert peer == theirs.peer and str(theirs.port) in address
        assert "takes no part in this cluster" in reason and "same cluster id" in reason
        await until(lambda: not ours.network.connected_to(theirs.peer) and not theirs.network.connected_to(ours.peer))
        assert not ours.recorder.events and not theirs.recorder.events
        assert len(ours.recorder.failures) == 1


@pytest.mark.parametrize(
    ("our_secret", "their_secret", "words"),
    [
        (SECRET, None, "lacks the private network key of this closed cluster"),
        (None, SECRET, "probably belongs to a closed cluster"),
        (SECRET, bytes(32), "has another one"),
    ],
)
@trio_test
async def test_a_missing_or_different_secret_is_named_within_ten_seconds(
    our_secret: bytes | None, their_secret: bytes | None, words: str
) -> None:
    ours, theirs = Member(1, secret=our_secret), Member(2, secret=their_secret)
    async with running(ours, theirs):
        started = trio.current_time()
        ours.seek(theirs)
        await until(lambda: ours.recorder.failures)
        assert trio.current_time() - started < 10
        assert words in ours.recorder.failures[0][2]
        assert not ours.recorder.events and not theirs.recorder.events


@trio_test
async def test_one_that_takes_the_connection_and_says_nothing_is_no_closed_cluster() -> None:
    ours = Member(1)
    with socket.socket() as asleep:
        asleep.bind(("127.0.0.1", 0))
        asleep.listen()  # the system takes connections for it, as it does for a process that is stopped
        async with running(ours):
            ours.network.seek(peer_id(key(99).public), [f"/ip4/127.0.0.1/tcp/{asleep.getsockname()[1]}"])
            await until(lambda: ours.recorder.failures)
            assert "says nothing" in ours.recorder.failures[0][2]


@trio_test
async def test_another_peer_at_the_address_is_named_as_such() -> None:
    ours, theirs = Member(1), Member(2)
    async with running(ours, theirs):
        wanted = peer_id(key(99).public)
        ours.network.seek(wanted, [f"/ip4/127.0.0.1/tcp/{theirs.port}"])
        await until(lambda: ours.recorder.failures)
        assert ours.recorder.failures[0][1] == wanted
        assert "Another peer than expected answers" in ours.recorder.failures[0][2]


# ---- framed streams ---------------------------------------------------------------------------------------------


@trio_test
async def test_frames_of_every_size_arrive_whole_and_in_order() -> None:
    one, two = Member(1), Member(2)
    random = Random(7)
    sizes = [0, 1, 127, 128, 16_383, 16_384, 70_000, limits.FRAME_BYTES_MAX]
    sent = [random.randbytes(size) for size in sizes]
    async with running(one, two) as nursery:
        one.seek(two)
        await neighbours(one, two)
        for frame in sent:
            nursery.start_soon(one.recorder.streams[two.peer].send, frame)
        await until(lambda: len(two.recorder.frames) == len(sent))
        assert sorted(frame for _, frame in two.recorder.frames) == sorted(sent)
        for frame in sent:
            await two.recorder.streams[one.peer].send(frame)
        await until(lambda: len(one.recorder.frames) == len(sent))
        assert [frame for _, frame in one.recorder.frames] == sent


@trio_test
async def test_a_reader_may_pause_longer_than_yamux_would_wait() -> None:
    resume = trio.Event()
    received: list[bytes] = []

    async def pausing(peer: str, stream: FrameStream, dialled: bool) -> None:
        await resume.wait()
        while True:
            received.append(await stream.receive())

    one, two = Member(1), Member(2)
    two.recorder.speak = pausing
    # More than the reader's window and everything on the way hold, or the writer would never have to wait.
    count = 3 * limits.STREAM_WINDOW_BYTES_MAX // limits.PAGE_BYTES_MAX
    frames = [bytes([number % 251]) * limits.PAGE_BYTES_MAX for number in range(count)]
    async with running(one, two) as nursery:
        one.seek(two)
        await until(lambda: two.peer in one.recorder.streams)

        stream = one.recorder.streams[two.peer]
        sent: list[bytes] = []

        async def send() -> None:
            for frame in frames:
                await stream.send(frame)
                sent.append(frame)

        nursery.start_soon(send)
        # py-libp2p resets a stream whose reader takes nothing for 5 s; that time is what this test is about.
        await trio.sleep(6)
        assert len(sent) < len(frames), "the writer had to wait"
        resume.set()
        await until(lambda: received == frames)


@trio_test
async def test_a_stream_ends_when_nothing_comes_for_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "STREAM_IDLE_TIMEOUT_S", 0.5)
    one, two = Member(1), Member(2)
    async with running(one, two):
        one.seek(two)
        await until(lambda: ("disconnected", two.peer) in one.recorder.events)


# ---- requests ---------------------------------------------------------------------------------------------------


@trio_test
async def test_errors_travel_with_code_and_sentence() -> None:
    async def answer(peer: str, request: bytes) -> bytes:
        if request == b"forbidden":
            raise NotAllowed("Only curators may ask that")
        if request == b"own":
            error = PincrewError("A new kind of error")
            error.code = "from_the_future"
            raise error
        raise RuntimeError("a secret of the implementation")

    one, two = Member(1), Member(2)
    two.recorder.answer = answer
    async with running(one, two):
        one.seek(two)
        await neighbours(one, two)
        with pytest.raises(NotAllowed, match="Only curators may ask that"):
            await one.network.request(two.peer, b"forbidden")
        with pytest.raises(PeerFault, match="A new kind of error"):
            await one.network.request(two.peer, b"own")
        with pytest.raises(PincrewError, match="Something went wrong at the other peer") as caught:
            await one.network.request(two.peer, b"bug")
        assert "secret" not in str(caught.value)


@trio_test
async def test_no_more_than_four_requests_are_under_way_with_a_peer() -> None:
    busy = most = 0
    release = trio.Event()

    async def answer(peer: str, request: bytes) -> bytes:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await release.wait()
        busy -= 1
        return request

    one, two = Member(1), Member(2)
    two.recorder.answer = answer
    answers: list[bytes] = []
    async with running(one, two) as nursery:
        one.seek(two)
        await neighbours(one, two)

        async def ask(number: int) -> None:
            answers.append(await one.network.request(two.peer, bytes([number])))

        for number in range(12):
            nursery.start_soon(ask, number)
        await until(lambda: busy == limits.REQUESTS_IN_FLIGHT_PER_PEER_MAX)
        release.set()
        await until(lambda: len(answers) == 12)
        assert most == limits.REQUESTS_IN_FLIGHT_PER_PEER_MAX


@trio_test
async def test_a_request_that_is_not_answered_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(peer: str, request: bytes) -> bytes:
        await trio.sleep_forever()
        raise AssertionError

    one, two = Member(1), Member(2)
    two.recorder.answer = never
    async with running(one, two):
        one.seek(two)
        await neighbours(one, two)
        monkeypatch.setattr(limits, "REQUEST_TIMEOUT_S", 0.2)
        with pytest.raises((NoAnswer, StreamClosed)):
            await one.network.request(two.peer, b"x")
        with pytest.raises(PeerUnreachable):
            await one.network.request(peer_id(key(99).public), b"x")


# ---- pubsub -----------------------------------------------------------------------------------------------------


@trio_test
async def test_the_validator_decides_what_is_delivered_and_forwarded() -> None:
    one, relay, three = Member(1), Member(2), Member(3)
    verdicts = {b"good": Verdict.ACCEPT, b"known": Verdict.DUPLICATE, b"bad": Verdict.REJECT}
    relay.recorder.verdict = lambda author, data: verdicts[data]
    async with running(one, relay, three):
        one.seek(relay)
        three.seek(relay)
        await in_mesh(one, relay)
        await in_mesh(relay, three)
        for data in (b"bad", b"known", b"good"):
            await one.network.publish(data)
        await until(lambda: three.recorder.gossip)
        assert three.recorder.gossip == [(relay.peer, key(1).public, b"good")]
        assert relay.recorder.gossip == [(one.peer, key(1).public, b"good")]
        assert {data for _, data in relay.recorder.judged} == set(verdicts)
        # Our own messages are not judged by ourselves.
        assert not one.recorder.judged and not one.recorder.gossip


@trio_test
async def test_a_burst_arrives_whole_where_the_library_loses_nearly_all_of_it() -> None:
    one, two = Member(1), Member(2)
    async with running(one, two):
        one.seek(two)
        await in_mesh(one, two)
        for number in range(1_000):
            await one.network.publish(b"%d" % number)
        await until(lambda: len(two.recorder.gossip) == 1_000)


@trio_test
async def test_a_message_that_is_too_long_is_refused_before_it_is_lost() -> None:
    one = Member(1)
    async with running(one):
        with pytest.raises(Misuse, match="too long for pubsub"):
            await one.network.publish(bytes(limits.GOSSIP_MESSAGE_BYTES_MAX + 1))


# ---- listening --------------------------------------------------------------------------------------------------


@trio_test
async def test_a_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortInUse, match=f"Port {port} on 127.0.0.1"):
            await Member(1, listen=(f"/ip4/127.0.0.1/tcp/{port}",)).run()


@trio_test
async def test_a_port_of_another_peer_is_not_shared() -> None:
    one = Member(1)
    async with running(one):
        with pytest.raises(PortInUse):
            await Member(2, listen=(f"/ip4/127.0.0.1/tcp/{one.port}",)).run()
        with pytest.raises(PortInUse):
            await Member(2, listen=(f"/ip4/0.0.0.0/tcp/{one.port}",)).run()


@trio_test
async def test_listening_everywhere_announces_real_addresses() -> None:
    one = Member(1, listen=("/ip4/0.0.0.0/tcp/0",))
    async with running(one):
        assert one.network.addresses
        for address in one.network.addresses:
            assert "/0.0.0.0/" not in address and "/tcp/0/" not in address
            assert address.endswith(f"/p2p/{one.peer}")


@trio_test
async def test_announced_addresses_replace_those_of_the_interfaces() -> None:
    one = Member(1, announce=("/dns4/pins.example.org/tcp/4001",))
    async with running(one):
        assert one.network.addresses == (f"/dns4/pins.example.org/tcp/4001/p2p/{one.peer}",)


@pytest.mark.parametrize("secret", [None, SECRET])
@pytest.mark.parametrize(
    "address",
    [
        "/ip4/127.0.0.1/udp/4001/quic-v1",
        "/ip4/127.0.0.1/udp/4001/webrtc-direct",
        "/ip4/127.0.0.1/udp/4001/quic-v1/webtransport",
        "/dns4/localhost/tcp/4001",
        "/ip4/127.0.0.1",
        "4001",
        "",
    ],
)
def test_only_tcp_is_listened_on(address: str, secret: bytes | None) -> None:
    with pytest.raises(Misuse):
        Member(1, listen=(address,), secret=secret)


def test_what_cannot_be_a_configuration_is_refused() -> None:
    with pytest.raises(Misuse):
        Member(1, listen=())
    with pytest.raises(Misuse):
        Member(1, listen=("/ip4/127.0.0.1/tcp/4001", "/ip4/127.0.0.1/tcp/4001/ws"))
    for nowhere in (f"/p2p/{peer_id(key(1).public)}", "/", "", "/ip4/1.2.3.4/udp/1/quic-v1"):
        with pytest.raises(Misuse):
            Member(1, announce=(nowhere,))
    with pytest.raises(Misuse):
        Member(1, cluster=b"short")
    with pytest.raises(Misuse):
        Member(1, secret=b"short")
    with pytest.raises(Misuse):
        Member(1).network.seek("nobody", [])


@trio_test
async def test_stopping_is_quick_however_many_neighbours() -> None:
    hub = Member(0)
    others = [Member(number) for number in range(1, 13)]
    async with running(hub, *others):
        for other in others:
            other.seek(hub)
        await until(lambda: len(hub.network.connections()) == 12)
        started = trio.current_time()
        await hub.stop()
        # The library closes one after another, 0.2 s each.
        assert trio.current_time() - started < 2


@trio_test
async def test_nothing_arrives_from_a_cluster_that_is_not_ours() -> None:
    ours, theirs = Member(1, recorder=Recorder()), Member(2, cluster=CLUSTER[::-1])
    async with running(ours, theirs):
        theirs.seek(ours)
        await until(lambda: theirs.recorder.failures)
        with pytest.raises((PeerUnreachable, StreamClosed, Malformed)):
            await theirs.network.request(ours.peer, b"x")
        assert not ours.recorder.events and not ours.recorder.judged


@trio_test
async def test_peers_of_one_cluster_find_each_other_on_the_local_network() -> None:
    """Over loopback alone, so that nothing leaves this machine."""
    found: list[tuple[str, tuple[str, ...]]] = []
    one, two, stranger = (peer_id(key(number).public) for number in (1, 2, 3))
    cases = [(CLUSTER, one, "/ip4/127.0.0.1/tcp/1"), (CLUSTER[::-1], stranger, "/ip4/127.0.0.1/tcp/3")]
    async with trio.open_nursery() as nursery:
        for cluster, peer, address in cases:
            announcer = LocalPeers(cluster, peer, [address], lambda *entry: None, ["127.0.0.1"])
            nursery.start_soon(announcer.run)
        seeker = LocalPeers(CLUSTER, two, ["/ip4/127.0.0.1/tcp/2"], lambda *entry: found.append(entry), ["127.0.0.1"])
        nursery.start_soon(seeker.run)
        await until(lambda: found, "mDNS answers")
        nursery.cancel_scope.cancel()
    assert set(found) == {(one, ("/ip4/127.0.0.1/tcp/1",))}
