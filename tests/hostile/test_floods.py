"""Members of the cluster that send far too much, against real daemons: a curator's and a follower's.

Each flood runs at 1,000 messages a second against both at once, from an identity of its own, while the curator adds a
pin. The follower has it within 10 seconds, neither daemon ever holds more than half as much again as it did when idle,
and who floods is cut off by both and not let in again.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest
import trio

from hostile.flooder import HUNG_UP, Flooder, Victim, flooding
from pincrew import limits
from pincrew.api.shapes import PinRequest
from pincrew.frames import Absent, BlobWant, Digest, Frame, Heads, Page, Standing, TrustWant, Want
from pincrew.keys import SigningKey, public_of
from pincrew.network.streams import length_prefix
from pincrew.values import Head, SessionId
from pincrew.wire import encode_sealed
from sim.forge import Author, put
from sim.swarm import cid_of, key_of
from support.crew import key
from support.machines import Crew, Machine, crew_in, made_up_cids, until

pytestmark = [pytest.mark.slow, pytest.mark.thorough]

SEEN_WITHIN_S = 10.0
CUT_OFF_WITHIN_S = 12.0
MEMORY_FACTOR_MAX = 1.5
CLUSTER = "flooded"
_numbers = itertools.count(7_000)


@dataclass
class Pair:
    """Two honest daemons, and what they hold when nobody attacks."""

    curator: Machine
    follower: Machine
    victims: list[Victim] = field(default_factory=list)
    idle_bytes: dict[str, int] = field(default_factory=dict)
    pins: Iterator[str] = field(default_factory=lambda: iter(made_up_cids(100, "floods")))

    @property
    def machines(self) -> tuple[Machine, Machine]:
        return self.curator, self.follower

    def resident_bytes(self, machine: Machine) -> int:
        status = Path(f"/proc/{machine.daemon}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) * 1024

    def neighbours(self, machine: Machine) -> set[str]:
        return {line.id for line in machine.client.peers(CLUSTER) if line.connected}

    def add(self) -> str:
        """Let the curator add a pin."""
        cid = next(self.pins)
        self.curator.client.write_pins(CLUSTER, [PinRequest(cid=cid)])
        return cid


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """One pair for all floods: what one of them left behind the next would show."""
    with crew_in(tmp_path_factory.mktemp("floods")) as crew:
        yield _pair(crew)


def _pair(crew: Crew) -> Pair:
    curator, follower = crew.machine("curator"), crew.machine("follower")
    made = curator.create(CLUSTER)
    curator.serve(CLUSTER)
    document = crew.folder / "flooded.toml"
    curator.run("publish", "-o", str(document))
    follower.follow(str(document))
    pair = Pair(curator, follower)
    for _ in range(3):
        cid = pair.add()
        until(lambda cid=cid: cid in follower.cids(CLUSTER), "the follower has the pin")
    for machine in pair.machines:
        pair.victims.append(Victim.of(machine.client.ready(CLUSTER), made["id"]))
        pair.idle_bytes[machine.name] = pair.resident_bytes(machine)
    return pair


# ---- what is sent -----------------------------------------------------------------------------------------------

Flood = Callable[[Flooder], Awaitable[None]]
FLOODS: list[Flood] = []


def flood(function: Flood) -> Flood:
    """Put a flood on the list."""
    FLOODS.append(function)
    return function


async def _gossip(flooder: Flooder, data: Callable[[int], bytes]) -> None:
    await flooder.flood(await flooder.mesh(), lambda number: flooder.gossip_of(data(number)))


@flood
async def rejected_messages(flooder: Flooder) -> None:
    """Envelopes that it signed itself: it is no curator."""
    author = Author(flooder.attacker.key, flooder.victim.cluster, shard_bits=12)
    await _gossip(flooder, lambda number: author.sign(put(cid_of(number))).sealed)


@flood
async def bad_signatures(flooder: Flooder) -> None:
    """Envelopes of the curator's key, as if it had signed them."""
    session = Author(key_of("nobody"), flooder.victim.cluster, shard_bits=12)
    await _gossip(flooder, lambda number: session.sign(put(cid_of(number))).sealed[:-64] + bytes(64))


@flood
async def envelopes_of_another_cluster(flooder: Flooder) -> None:
    """Right in their own cluster."""
    author = Author(flooder.attacker.key, bytes(32), shard_bits=12)
    await _gossip(flooder, lambda number: author.sign(put(cid_of(number))).sealed)


@flood
async def needless_messages(flooder: Flooder) -> None:
    """Of a trust record that nobody has: whoever is ahead may say such things, but not so often."""
    author = Author(flooder.attacker.key, flooder.victim.cluster, shard_bits=12)
    author.trust = 1_000
    await _gossip(flooder, lambda number: author.sign(put(cid_of(number))).sealed)


@flood
async def one_message_again_and_again(flooder: Flooder) -> None:
    """The same bytes, by the same identifier."""
    author = Author(flooder.attacker.key, flooder.victim.cluster, shard_bits=12)
    author.trust = 1_000
    message = flooder.gossip_of(author.sign(put(cid_of(1))).sealed)
    await flooder.flood(await flooder.mesh(), lambda number: message)


@flood
async def replays_of_the_curators_envelopes(flooder: Flooder) -> None:
    """Fetched as anybody may, and said again by who did not write them."""
    said: list[bytes] = []

    def heard(frame: Frame) -> None:
        if isinstance(frame, Heads):
            wanted.extend(session for session, _ in frame.heads)
        elif isinstance(frame, Page):
            said.append(encode_sealed(frame.bodies[-1], frame.signature))

    wanted: list[SessionId] = []
    flooder.heard = heard
    await flooder.neighbour()
    await _until(lambda: bool(wanted), "heads are told")
    await flooder.say(Want(wanted[0], 0))
    await _until(lambda: bool(said), "a page comes")
    await _gossip(flooder, lambda number: said[0])


@flood
async def digests_that_never_agree(flooder: Flooder) -> None:
    """Each makes the victim look at all of its heads, and ask for trust records."""
    random = Random(1)
    await flooder.flood_frames(lambda number: Digest(Standing(number % 3, random.randbytes(32), 0, bytes(32))))


@flood
async def questions_of_every_kind(flooder: Flooder) -> None:
    """For trust, for blobs that nobody has, for envelopes of nobody, and for the same page again and again."""
    known: list[SessionId] = [SessionId(bytes(32), bytes(16))]

    def heard(frame: Frame) -> None:
        if isinstance(frame, Heads):
            known.extend(session for session, _ in frame.heads)

    flooder.heard = heard
    random = Random(2)
    questions: tuple[Callable[[], Frame], ...] = (
        lambda: TrustWant(0),
        lambda: BlobWant(random.randbytes(32), 0),
        lambda: Want(known[0], 0),
        lambda: Want(known[-1], 0),
    )
    await flooder.flood_frames(lambda number: questions[number % len(questions)]())


@flood
async def heads_that_lie(flooder: Flooder) -> None:
    """Thousands of sessions of the curator with more envelopes than there ever were; asked for, it has none."""
    random = Random(3)
    answers: list[Frame] = []

    def heard(frame: Frame) -> None:
        if isinstance(frame, Want):
            answers.append(Absent(frame.session, frame.after))

    flooder.heard = heard

    def claims(number: int) -> Frame:
        if answers and number % 2:
            return answers.pop()
        sessions = (SessionId(flooder.curator, random.randbytes(16)) for _ in range(50))
        return Heads(tuple((session, Head(2**53 - 1, bytes(32))) for session in sessions))

    await flooder.flood_frames(claims)


@flood
async def pages_that_nobody_asked_for(flooder: Flooder) -> None:
    """Empty ones, and full of nonsense."""
    session = SessionId(key_of("nobody").public, bytes(16))
    await flooder.flood_frames(lambda number: Page(session, (bytes(number % 1_000),), bytes(64)))


@flood
async def huge_claims(flooder: Flooder) -> None:
    """Frames whose length says gigabytes, on a new stream each."""
    while not flooder.is_cut_off:
        stream = await flooder.another_stream()
        await stream.write(length_prefix(2**31) + bytes(100))
        flooder.sent += 1


# ---- what must hold -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("act", FLOODS, ids=[act.__name__ for act in FLOODS])
def test_who_floods_is_cut_off_and_the_others_go_on(pair: Pair, act: Flood) -> None:
    peaks = dict.fromkeys((machine.name for machine in pair.machines), 0)
    number = next(_numbers)
    sent = trio.run(_attack, pair, act, number, peaks)
    print({"sent": sent, "idle": pair.idle_bytes, "peaks": peaks})
    for machine in pair.machines:
        assert peaks[machine.name] <= MEMORY_FACTOR_MAX * pair.idle_bytes[machine.name], (peaks, pair.idle_bytes)
        others = {one.peer for one in pair.victims if one.peer != pair.victims[pair.machines.index(machine)].peer}
        until(lambda machine=machine, others=others: pair.neighbours(machine) == others, "only the other is left", 5.0)
    trio.run(_is_kept_out, pair, key(number))


async def _attack(pair: Pair, act: Flood, number: int, peaks: dict[str, int]) -> Counter[str]:
    sent: Counter[str] = Counter()
    async with trio.open_nursery() as watching:
        watching.start_soon(_watch_memory, pair, peaks)
        async with trio.open_nursery() as attackers:
            for victim in pair.victims:
                attackers.start_soon(_until_kept_out, pair, victim, act, key(number), sent)
            await _until(lambda: len(sent) == len(pair.victims), "the flood is under way")
            cid = await trio.to_thread.run_sync(pair.add)
            await _until(lambda: cid in pair.follower.cids(CLUSTER), "the follower has the pin", SEEN_WITHIN_S)
        watching.cancel_scope.cancel()
    return sent


async def _until_kept_out(pair: Pair, victim: Victim, act: Flood, identity: SigningKey, sent: Counter[str]) -> None:
    """Flood a victim, again whenever it has hung up, until it does not let this identity in any more."""
    curator = public_of(pair.victims[0].peer)
    with trio.move_on_after(CUT_OFF_WITHIN_S):
        while True:
            try:
                async with flooding(victim, identity, curator) as flooder:
                    sent[victim.peer] += 0  # it has begun
                    with suppress(HUNG_UP):
                        await act(flooder)
                    sent[victim.peer] += flooder.sent
            except HUNG_UP:
                return
    raise AssertionError(f"it was not cut off within {CUT_OFF_WITHIN_S:g} s; before it hung up: {sent}")


async def _until(condition: Callable[[], bool], what: str, patience_s: float = SEEN_WITHIN_S) -> None:
    with trio.move_on_after(patience_s):
        while not await trio.to_thread.run_sync(condition):  # noqa: ASYNC110 (another process tells nobody)
            await trio.sleep(0.05)
        return
    raise AssertionError(f"not within {patience_s:g} s: {what}")


async def _watch_memory(pair: Pair, peaks: dict[str, int]) -> None:
    while True:
        for machine in pair.machines:
            peaks[machine.name] = max(peaks[machine.name], pair.resident_bytes(machine))
        await trio.sleep(0.2)


@pytest.mark.parametrize("hold", ["streams", "connections"])
def test_who_is_slow_holds_nobody_up(pair: Pair, hold: str) -> None:
    """Frames that begin and never end, from several peers; connections that never come to a word."""
    peaks = dict.fromkeys((machine.name for machine in pair.machines), 0)
    trio.run(_dawdle, pair, hold, peaks)
    for machine in pair.machines:
        assert peaks[machine.name] <= MEMORY_FACTOR_MAX * pair.idle_bytes[machine.name], (peaks, pair.idle_bytes)


async def _dawdle(pair: Pair, hold: str, peaks: dict[str, int]) -> None:
    async with AsyncExitStack() as stack:
        for victim, _ in itertools.product(pair.victims, range(4)):
            await (_slow_streams if hold == "streams" else _slow_connections)(victim, stack, pair)
        async with trio.open_nursery() as watching:
            watching.start_soon(_watch_memory, pair, peaks)
            cid = await trio.to_thread.run_sync(pair.add)
            await _until(lambda: cid in pair.follower.cids(CLUSTER), "the follower has the pin", SEEN_WITHIN_S)
            watching.cancel_scope.cancel()


async def _slow_streams(victim: Victim, stack: AsyncExitStack, pair: Pair) -> None:
    curator = public_of(pair.victims[0].peer)
    slow = await stack.enter_async_context(flooding(victim, key(next(_numbers)), curator))
    with suppress(HUNG_UP):  # it may be cut off already
        for _ in range(6):
            stream = await slow.another_stream()
            await stream.write(length_prefix(limits.FRAME_BYTES_MAX) + b"\x87")


async def _slow_connections(victim: Victim, stack: AsyncExitStack, pair: Pair) -> None:
    port = int(victim.address.split("/")[4])
    for _ in range(30):
        connection = await stack.enter_async_context(await trio.open_tcp_stream("127.0.0.1", port))
        await connection.send_all(b"\x13/multi")


async def _is_kept_out(pair: Pair, identity: SigningKey) -> None:
    """It does not become a neighbour again."""
    for victim in pair.victims:
        with pytest.raises(Exception):  # noqa: B017 (the door is shut in one of several ways)
            with trio.fail_after(5.0):
                async with flooding(victim, identity, bytes(32)):
                    pass
