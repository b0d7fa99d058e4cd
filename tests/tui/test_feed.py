"""The feed: what is told of each status, of each loss, and of a daemon that has none."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from typing import cast

import pytest
from pincrew.tui.feed import Feed
from textual.message import Message
from textual.message_pump import MessagePump

from pincrew import limits
from pincrew.errors import DaemonLost, DaemonNotRunning
from support.fake_client import FakeClient, a_summary

PATIENCE_S = 10.0


class Listener:
    """Takes messages as a screen would."""

    def __init__(self) -> None:
        self.messages: queue.SimpleQueue[Message] = queue.SimpleQueue()

    def post_message(self, message: Message) -> bool:
        self.messages.put(message)
        return True

    def next(self) -> Message:
        return self.messages.get(timeout=PATIENCE_S)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FakeClient:
    monkeypatch.setattr(limits, "VIEW_RECONNECT_S_MIN", 0.001)
    monkeypatch.setattr(limits, "VIEW_RECONNECT_S_MAX", 0.002)
    monkeypatch.setattr(limits, "VIEW_POLL_S", 0.001)
    return FakeClient([a_summary()])


@pytest.fixture
def listener(client: FakeClient) -> Iterator[Listener]:
    listener = Listener()
    feed = Feed(client, cast("MessagePump", listener))
    feed.start()
    yield listener
    feed.close()
    client.lose(DaemonLost())


def test_each_status_is_told(client: FakeClient, listener: Listener) -> None:
    first = listener.next()
    assert isinstance(first, Feed.Arrived) and first.status.clusters[0].state == "following"
    client.say(a_summary(state="complete"))
    second = listener.next()
    assert isinstance(second, Feed.Arrived) and second.status.clusters[0].state == "complete"


def test_it_comes_back_by_itself(client: FakeClient, listener: Listener) -> None:
    listener.next()
    client.lose(DaemonNotRunning())
    lost = listener.next()
    assert isinstance(lost, Feed.Lost) and isinstance(lost.error, DaemonNotRunning)
    client.feed_fault = None
    while not isinstance(message := listener.next(), Feed.Arrived):
        assert isinstance(message, Feed.Lost)


def test_without_a_feed_it_asks_again_and_again(client: FakeClient) -> None:
    client.has_feed = False
    listener = Listener()
    feed = Feed(client, cast("MessagePump", listener))
    feed.start()
    try:
        for _ in range(3):
            assert isinstance(listener.next(), Feed.Arrived)
        assert client.asked.count("status") >= 3
        client.feed_fault = DaemonLost()
        while not isinstance(listener.next(), Feed.Lost):
            pass
    finally:
        feed.close()


def test_what_is_closed_tells_nothing(client: FakeClient) -> None:
    listener = Listener()
    feed = Feed(client, cast("MessagePump", listener))
    feed.start()
    listener.next()
    feed.close()
    client.say(a_summary(state="complete"))
    client.lose()
    with pytest.raises(queue.Empty):
        listener.messages.get(timeout=0.05)
