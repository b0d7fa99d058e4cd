"""What becomes of replies and streams: over real connections, with a listener that writes down what it hears."""

from __future__ import annotations

import trio

from pincrew.node.bitswap.conversations import Conversations
from pincrew.node.bitswap.message import Block, Message, Want
from pincrew.node.throttle import Throttle
from support.bitswap_nodes import running_node

PREFIX = b"\x01\x55\x12\x20"
PATIENCE_S = 20


class Listener:
    """Wants one block of everybody, and keeps what is heard."""

    def __init__(self) -> None:
        self.came: list[bool] = []
        self.gone: list[str] = []
        self.done: list[tuple[int, int, int]] = []
        self.lost: list[int] = []
        self.messages: list[Message] = []
        self.outbox = [Want(PREFIX + bytes(32))]

    def introduced(self, peer: str, *, knows_have: bool, again: bool) -> None:
        assert knows_have
        self.came.append(again)

    def left(self, peer: str) -> None:
        self.gone.append(peer)

    def take_outbox(self, peer: str) -> tuple[list[Want], bool]:
        wants, self.outbox = self.outbox, []
        return wants, bool(wants)

    def sent(self, reply: int, blocks: int, size: int) -> None:
        self.done.append((reply, blocks, size))

    def unsent(self, reply: int) -> None:
        self.lost.append(reply)

    async def room(self) -> None:
        pass

    async def heard(self, peer: str, message: Message) -> None:
        self.messages.append(message)


async def until(condition: object) -> None:
    assert callable(condition)
    while not condition():  # noqa: ASYNC110 (what is waited for has no event of its own)
        await trio.sleep(0.01)


def test_wants_and_replies_are_said_and_a_broken_stream_is_begun_anew() -> None:
    async def main() -> None:
        with trio.fail_after(PATIENCE_S):
            async with running_node(1) as one, running_node(2) as two, trio.open_nursery() as nursery:
                listener = Listener()
                # In place of the first node's own: its host gives the streams to whoever came last.
                ours = Conversations(one.host, listener, Throttle(), Throttle())
                await nursery.start(ours.run)
                await one.host.connect(two.host.addresses[0])
                ours.begin(two.host.peer)
                await until(lambda: two.exchange.wantlist_of(one.host.peer))
                assert two.exchange.wantlist_of(one.host.peer) == [PREFIX + bytes(32)]
                ours.reply(two.host.peer, 7, Message(blocks=[Block(PREFIX, b"some data")]))
                await until(lambda: listener.done)
                assert listener.done == [(7, 1, 9)]
                await until(lambda: two.exchange.counts.blocks_received == 1)
                ours.begin_anew(two.host.peer)
                await until(lambda: listener.came == [False, True])
                assert listener.lost == []
                ours.end(two.host.peer)
                assert listener.gone == [two.host.peer]
                ours.disconnect(two.host.peer, "it has been long enough")
                await until(lambda: not one.host.is_connected(two.host.peer))
                nursery.cancel_scope.cancel()

    trio.run(main)
