"""Hostile peers of an embedded node. Each acts; meanwhile the node fetches from a real Kubo, and afterwards too.

Where an attack is the attacker's fault beyond doubt, its connection ends.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest
import trio
from libp2p.protocol_muxer.exceptions import MultiselectClientError

from pincrew import limits
from pincrew.cid import cid_text, parse_cid
from pincrew.errors import Malformed
from pincrew.network.streams import length_prefix
from pincrew.node.bitswap.message import Message, decode
from pincrew.node.bitswap.streams import Allowance, MessageStream
from pincrew.node.node import EmbeddedNode
from pincrew.node.reading import cat
from support.attacked_node import hold, node_process, raw_block, running_node
from support.bitswap_attacker import BitswapAttacker, attacking, blocks, made_up_cids, wants
from support.crew import trio_test, until
from support.kubo_process import KuboProcess

pytestmark = [pytest.mark.kubo, pytest.mark.slow]

Attack = Callable[[BitswapAttacker], Awaitable[None]]
ATTACKS: list[tuple[Attack, bool]] = []
# What an attacker's own library raises when the victim hangs up is of no interest.
BROKEN = Exception
MIB = 1024 * 1024
PATIENCE_S = 30.0
MEMORY_BYTES_MAX = 400 * MIB
WINDOW, SYN = 1, 1
_seeds = count(1)


def attack(*, drops: bool) -> Callable[[Attack], Attack]:
    """Put an attack on the list; with ``drops``, the victim ends the connection."""

    def listed(function: Attack) -> Attack:
        ATTACKS.append((function, drops))
        return function

    return listed


# ---- bytes that are no messages ---------------------------------------------------------------------------------


@attack(drops=True)
async def garbage(attacker: BitswapAttacker) -> None:
    with suppress(BROKEN):
        for size in (1, 100, 5_000):
            stream = await attacker.open()
            await stream.write(Random(size).randbytes(size))
        await attacker.say(b"\xff" * 64)


@attack(drops=True)
async def a_length_of_two_to_the_sixtieth(attacker: BitswapAttacker) -> None:
    with suppress(BROKEN):
        stream = await attacker.open()
        await stream.write(length_prefix(2**60))


@attack(drops=True)
async def a_message_that_is_too_long(attacker: BitswapAttacker) -> None:
    with suppress(BROKEN):
        stream = await attacker.open()
        await stream.write(length_prefix(limits.BITSWAP_MESSAGE_BYTES_MAX + 1))


@attack(drops=True)
async def a_message_of_nothing_but_parts(attacker: BitswapAttacker) -> None:
    with suppress(BROKEN):
        await attacker.say(b"\x08\x01" * (limits.BITSWAP_ENTRIES_MAX + 1))


@attack(drops=True)
async def blocks_with_prefixes_that_describe_nothing(attacker: BitswapAttacker) -> None:
    with suppress(BROKEN):
        for prefix in (b"", b"\xff" * 40, b"\x01\x55\x12\x01", b"\x01\x55\x00\x80\x01"):
            payload = b"\x0a" + length_prefix(len(prefix)) + prefix + b"\x12\x03abc"
            await attacker.say(b"\x0a\x00\x1a" + length_prefix(len(payload)) + payload)


@attack(drops=False)
async def empty_messages(attacker: BitswapAttacker) -> None:
    stream = await attacker.open()
    await stream.write(b"\x00" * 50_000)


# ---- blocks and presences ---------------------------------------------------------------------------------------


@attack(drops=True)
async def blocks_that_nobody_asked_for(attacker: BitswapAttacker) -> None:
    with suppress(BROKEN):
        for number in range(2 * limits.BITSWAP_UNSOLICITED_BYTES_MAX // MIB):
            await attacker.say(blocks(Random(number).randbytes(MIB)))


@attack(drops=True)
async def blocks_without_a_byte(attacker: BitswapAttacker) -> None:
    """They weigh nothing; what they cost counts."""
    with suppress(BROKEN):
        stream = await attacker.open()
        for _ in range(20):
            await attacker.say(blocks(*[b""] * 10_000), stream=stream)


@attack(drops=False)
async def presences_of_everything(attacker: BitswapAttacker) -> None:
    stream = await attacker.open()
    for number in range(10):
        await attacker.say(Message(haves=made_up_cids(10_000, number)), stream=stream)
        await attacker.say(Message(dont_haves=made_up_cids(10_000, number)), stream=stream)


# ---- wants ------------------------------------------------------------------------------------------------------


@attack(drops=True)
async def a_million_wants(attacker: BitswapAttacker) -> None:
    with suppress(BROKEN):
        stream = await attacker.open()
        for number in range(20):
            await attacker.say(wants(made_up_cids(50_000, number), dont_have=True), stream=stream)


@attack(drops=False)
async def wants_taken_back_at_once(attacker: BitswapAttacker) -> None:
    stream = await attacker.open()
    for number in range(20):
        cids = made_up_cids(1_000, number)
        await attacker.say(wants(cids), wants(cids, cancel=True), stream=stream)


@attack(drops=False)
async def full_lists_again_and_again(attacker: BitswapAttacker) -> None:
    message = wants(made_up_cids(1_000), dont_have=True)
    message.full = True
    stream = await attacker.open()
    for _ in range(30):
        await attacker.say(message, stream=stream)


# ---- streams ----------------------------------------------------------------------------------------------------


@attack(drops=True)
async def ten_thousand_streams(attacker: BitswapAttacker) -> None:
    with suppress(BROKEN):
        for number in range(10_000):
            await attacker.frame(WINDOW, SYN, 100_001 + 2 * number, 0)


@attack(drops=False)
async def streams_that_are_half_open(attacker: BitswapAttacker) -> None:
    for ending in ("", "close", "reset"):
        for _ in range(50):
            stream = await attacker.open()
            if ending:
                await getattr(stream, ending)()


@attack(drops=False)
async def identify_with_garbage(attacker: BitswapAttacker) -> None:
    for protocol in ("/ipfs/id/push/1.0.0", "/ipfs/kad/1.0.0", "x" * 900):
        with pytest.raises(MultiselectClientError):
            await attacker.open(protocol)
    for _ in range(100):
        stream = await attacker.open("/ipfs/id/1.0.0")
        with suppress(BROKEN):
            await stream.write(b"\xff" * 5_000)


@pytest.mark.parametrize(("act", "drops"), ATTACKS, ids=lambda value: getattr(value, "__name__", None))
@trio_test
async def test_a_connected_attacker_disturbs_nobody(
    act: Attack, drops: bool, kubo: KuboProcess, tmp_path: Path
) -> None:
    async with running_node(tmp_path) as node:
        await befriend(node, kubo)
        async with attacking(node.identity().addresses[0]) as attacker:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(works, node, kubo)
                await act(attacker)
            await works(node, kubo)
            if drops:
                await until(lambda: not attacker.is_connected, "the victim hangs up")
            else:
                assert attacker.is_connected
        assert await node.count() == 2 * BLOCKS, "nothing of the attacker's was kept"
        await works(node, kubo)


# ---- those who are asked ----------------------------------------------------------------------------------------


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Peers must answer sooner."""
    monkeypatch.setattr(limits, "BITSWAP_TIMEOUT_S_MIN", 0.5)
    monkeypatch.setattr(limits, "BITSWAP_TIMEOUT_S_MAX", 2.0)
    monkeypatch.setattr(limits, "BITSWAP_SEARCH_DELAY_S_MIN", 0.2)


class Liar:
    """Says that it has everything that is asked for; what it then sends is ``answer``'s matter."""

    def __init__(self, answer: Callable[[BitswapAttacker, list[bytes]], Awaitable[None]]) -> None:
        self.asked: list[bytes] = []
        self.attacker: BitswapAttacker | None = None
        self._answer = answer

    async def hear(self, stream: Any) -> None:
        messages = MessageStream("the victim", stream, Allowance())
        while (data := await messages.receive()) is not None:
            assert self.attacker is not None
            read = decode(data)
            with suppress(BROKEN):
                have = [want.cid for want in read.wants if want.have and not want.cancel]
                if have:
                    await self.attacker.say(Message(haves=have))
                wanted = [want.cid for want in read.wants if not want.have and not want.cancel]
                self.asked += wanted
                if wanted:
                    await self._answer(self.attacker, wanted)


async def nothing(attacker: BitswapAttacker, cids: list[bytes]) -> None:
    """Send nothing at all."""


async def something_else(attacker: BitswapAttacker, cids: list[bytes]) -> None:
    """Send a block of another content for each that was asked for."""
    await attacker.say(*(blocks(b"not what was asked for" + cid) for cid in cids))


async def refusals_of_other_blocks(attacker: BitswapAttacker, cids: list[bytes]) -> None:
    """Look alive for a long time, with what nobody asked about."""
    for number in range(200):
        await attacker.say(Message(dont_haves=made_up_cids(3, number)))
        await trio.sleep(0.1)  # a peer that drips


async def a_block_larger_than_any(attacker: BitswapAttacker, cids: list[bytes]) -> None:
    await attacker.say(blocks(bytes(2 * MIB + 1)))


@pytest.mark.parametrize("answer", [nothing, something_else, refusals_of_other_blocks])
@pytest.mark.usefixtures("hasty")
@trio_test
async def test_who_promises_blocks_and_sends_none_holds_up_nobody(
    answer: Callable[[BitswapAttacker, list[bytes]], Awaitable[None]], kubo: KuboProcess, tmp_path: Path
) -> None:
    """Asked first, since it is alone; then Kubo is there too, and has all of it."""
    data = Random(next(_seeds)).randbytes(3 * MIB)
    root = parse_cid(await ipfs(kubo, "add", "-Q", "--cid-version=1", stdin=data))
    liar = Liar(answer)
    async with running_node(tmp_path) as node:
        async with attacking(node.identity().addresses[0], hears=liar.hear) as attacker, trio.open_nursery() as nursery:
            liar.attacker = attacker
            await until(lambda: attacker.peer in node._exchange.partners)
            nursery.start_soon(node.pin, root)
            await until(lambda: liar.asked, "the liar is asked")
            await befriend(node, kubo)
        assert (await node.pin_of(root)) is not None
        assert hashlib.sha256(await read(node, root)).digest() == hashlib.sha256(data).digest()


@pytest.mark.usefixtures("hasty")
@trio_test
async def test_a_block_that_is_too_large_fails_the_one_who_wants_it_alone(kubo: KuboProcess, tmp_path: Path) -> None:
    cid = raw_block(bytes(2 * MIB + 1))[0]
    liar = Liar(a_block_larger_than_any)
    async with running_node(tmp_path) as node:
        await befriend(node, kubo)
        async with attacking(node.identity().addresses[0], hears=liar.hear) as attacker:
            liar.attacker = attacker
            await until(lambda: attacker.peer in node._exchange.partners)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(works, node, kubo)
                with pytest.raises(Malformed, match="larger than"):
                    await node.pin(cid)
            with pytest.raises(Malformed, match="larger than"):
                await node.get(cid)
            await works(node, kubo)
        assert await node.pin_of(cid) is None


# ---- slowness ---------------------------------------------------------------------------------------------------


@trio_test
async def test_who_wants_and_reads_nothing_holds_up_nobody(
    monkeypatch: pytest.MonkeyPatch, kubo: KuboProcess, tmp_path: Path
) -> None:
    monkeypatch.setattr(limits, "BITSWAP_SEND_STALL_S", 1.0)
    monkeypatch.setattr(limits, "BITSWAP_SENDING_BYTES_MAX", 4 * MIB)
    async with running_node(tmp_path) as node:
        cids = await hold(node, *(Random(number).randbytes(MIB) for number in range(24)))
        await befriend(node, kubo)
        async with AsyncExitStack() as stack:
            for number in range(4):
                attacker = await stack.enter_async_context(attacking(node.identity().addresses[0], 700 + number))
                await until(lambda peer=attacker.peer: peer in node._exchange.partners)
                await attacker.say(wants(cids))
            for cid in cids:
                assert await ipfs(kubo, "block", "get", cid_text(cid), text=False) == await node.get(cid)
            assert node._exchange._ledger.sending_bytes <= 8 * MIB


@trio_test
async def test_a_message_that_does_not_get_on_ends_its_stream(
    monkeypatch: pytest.MonkeyPatch, kubo: KuboProcess, tmp_path: Path
) -> None:
    monkeypatch.setattr(limits, "BITSWAP_MESSAGE_TIMEOUT_S", 1.0)
    async with running_node(tmp_path) as node:
        await befriend(node, kubo)
        async with attacking(node.identity().addresses[0]) as attacker:
            streams = [await attacker.open() for _ in range(30)]
            for stream in streams:
                await stream.write(length_prefix(1_000) + b"\x0a")
            await works(node, kubo)
            for stream in streams:
                with suppress(BROKEN):
                    with trio.fail_after(PATIENCE_S):
                        while await stream.read(100):
                            pass


@trio_test
async def test_unfinished_messages_of_some_do_not_keep_others_from_speaking(
    monkeypatch: pytest.MonkeyPatch, kubo: KuboProcess, tmp_path: Path
) -> None:
    """All the memory that there is for unfinished messages is taken by hostile peers, and then somebody speaks."""
    monkeypatch.setattr(limits, "BITSWAP_RECEIVING_BYTES_MAX", 24 * MIB)
    async with running_node(tmp_path) as node:
        await befriend(node, kubo)
        async with AsyncExitStack() as stack:
            for number in range(4):
                attacker = await stack.enter_async_context(attacking(node.identity().addresses[0], 720 + number))
                for _ in range(4):
                    stream = await attacker.open()
                    with suppress(BROKEN):
                        await stream.write(length_prefix(4 * MIB))
                        with trio.move_on_after(1):
                            for _ in range(39):
                                await stream.write(bytes(100_000))
            await works(node, kubo)
            assert node._exchange.held_bytes <= 24 * MIB


@trio_test
async def test_connections_are_counted_and_the_own_ones_stay(kubo: KuboProcess, tmp_path: Path) -> None:
    async with running_node(tmp_path, connections=8) as node:
        await befriend(node, kubo)
        async with AsyncExitStack() as stack:
            refused = 0
            for number in range(20):
                try:
                    await stack.enter_async_context(attacking(node.identity().addresses[0], 740 + number))
                except BROKEN:
                    refused += 1
            await until(lambda: len(node.peers()) <= 8)
            for _ in range(300):
                await stack.enter_async_context(await trio.open_tcp_stream("127.0.0.1", port_of(node)))
            await works(node, kubo)
        await works(node, kubo)


# ---- memory -----------------------------------------------------------------------------------------------------


@trio_test
async def test_the_worst_of_them_take_no_memory(kubo: KuboProcess, tmp_path: Path) -> None:
    """Against a node in a process of its own, whose memory can be measured; all at the same time."""
    with node_process(tmp_path / "home") as victim:
        address = await in_thread(lambda: victim.address)
        put = [await in_thread(lambda n=n: victim.ask("block/put", data=Random(n).randbytes(MIB))) for n in range(24)]
        cids = [parse_cid(answer.json()["Key"]) for answer in put]
        await in_thread(lambda: victim.ask("swarm/connect", arg=address_of(kubo)))
        idle = victim.peak_bytes

        async def half_messages(attacker: BitswapAttacker) -> None:
            for _ in range(60):
                stream = await attacker.open()
                await stream.write(length_prefix(4 * MIB))
                with trio.move_on_after(1):
                    for _ in range(39):
                        await stream.write(bytes(100_000))

        async def wants_alone(attacker: BitswapAttacker) -> None:
            await attacker.say(wants(cids))
            await trio.sleep_forever()

        acts: list[Attack] = [half_messages, wants_alone, a_million_wants, blocks_that_nobody_asked_for]
        acts += [ten_thousand_streams, presences_of_everything]

        async def hostile(act: Attack, number: int) -> None:
            with suppress(BROKEN):
                async with attacking(address, number) as attacker:
                    with trio.move_on_after(20):
                        await act(attacker)

        async with trio.open_nursery() as nursery:
            for number, act in enumerate(acts * 3):
                nursery.start_soon(hostile, act, 800 + number)
            data = Random(99).randbytes(8 * MIB)
            root = await ipfs(kubo, "add", "-Q", "--cid-version=1", stdin=data)
            pinned = await in_thread(lambda: victim.ask("pin/add", arg=root))
            assert pinned.status_code == 200, pinned.text
            nursery.cancel_scope.cancel()
        served = await in_thread(lambda: victim.ask("cat", arg=root))
        assert served.content == data
        assert victim.process.poll() is None
        print(f"peak: {idle // MIB} MiB before, {victim.peak_bytes // MIB} MiB after")
        assert victim.peak_bytes < MEMORY_BYTES_MAX
        assert "Traceback" not in victim.log


# ---- those who are honest ---------------------------------------------------------------------------------------
BLOCKS = 5


async def works(node: EmbeddedNode, kubo: KuboProcess) -> None:
    """Content that Kubo has just got is pinned here and read."""
    data = Random(f"honest {next(_seeds)}").randbytes(MIB)
    root = parse_cid(await ipfs(kubo, "add", "-Q", "--cid-version=1", stdin=data))
    with trio.fail_after(PATIENCE_S):
        await node.pin(root)
        assert await read(node, root) == data


async def read(node: EmbeddedNode, root: bytes) -> bytes:
    async def get(cid: bytes) -> bytes:
        return await node.get(cid, offline=True)

    async with cat(get, root) as chunks:
        return b"".join([chunk async for chunk in chunks])


async def befriend(node: EmbeddedNode, kubo: KuboProcess) -> None:
    await node.connect(await in_thread(lambda: address_of(kubo)))


def address_of(kubo: KuboProcess) -> str:
    addresses = json.loads(kubo.ipfs("id"))["Addresses"]
    return next(str(each) for each in addresses if each.startswith("/ip4/127.0.0.1/tcp/"))


def port_of(node: EmbeddedNode) -> int:
    return int(node.identity().addresses[0].split("/")[4])


async def in_thread(function: Callable[[], Any]) -> Any:
    return await trio.to_thread.run_sync(function, abandon_on_cancel=True)


async def ipfs(kubo: KuboProcess, *arguments: str, stdin: bytes = b"", text: bool = True) -> Any:
    out = await in_thread(lambda: kubo.ipfs(*arguments, stdin=stdin))
    return out.decode().strip() if text else out
