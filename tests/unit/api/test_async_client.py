"""The client for trio and asyncio: the same as the synchronous one, on both, and what is cancelled hangs up."""

from __future__ import annotations

import inspect
import socket as sockets
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import msgspec
import pytest

from pincrew import limits
from pincrew.api import client as client_module
from pincrew.api.async_client import AsyncClient
from pincrew.api.client import PAGE, Client
from pincrew.api.shapes import PinRequest, Status
from pincrew.errors import Conflict, DaemonLost, DaemonNotRunning, NodeDown, NotFound, WorldFault
from support.fake_daemon import FakeDaemon, Request, running_fake
from support.shape_examples import CID, daemon_info, pin_line, pin_object, summary

PATIENCE_S = 20.0
METHODS = [name for name, value in vars(Client).items() if inspect.isfunction(value) and not name.startswith("_")]
Talk = Callable[[AsyncClient], Awaitable[None]]
Run = Callable[[Talk], None]


@pytest.fixture
def socket(tmp_path: Path) -> Path:
    return tmp_path / "s"


@pytest.fixture
def fake(socket: Path) -> Iterator[FakeDaemon]:
    with running_fake(socket) as running:
        running.on(
            "GET", "/clusters/books/ready", {"cluster": "books", "peer": "P", "p2p": [], "api": None, "publish": None}
        )
        yield running


@pytest.fixture(params=["trio", "asyncio"])
def run(request: pytest.FixtureRequest, socket: Path) -> Run:
    """Runs a conversation with the daemon at ``socket``, on each of the two loops."""

    async def bounded(talk: Talk) -> None:
        with anyio.fail_after(PATIENCE_S):
            await talk(AsyncClient(socket))

    return lambda talk: anyio.run(bounded, talk, backend=request.param)


class Holding:
    """A daemon that sends the beginning of an answer, and waits until who asked hangs up."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.was_hung_up = threading.Event()


@contextmanager
def holding(socket: Path, beginning: bytes) -> Iterator[Holding]:
    """Serve one connection; ``beginning`` are the first lines of a list, nothing for no answer at all."""
    held = Holding()
    with sockets.socket(sockets.AF_UNIX) as listener:
        listener.bind(str(socket))
        listener.listen()

        def serve() -> None:
            connected, _ = listener.accept()
            with connected:
                connected.recv(65_536)
                if beginning:
                    connected.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                    connected.sendall(b"%x\r\n%s\r\n" % (len(beginning), beginning))
                held.asked.set()
                while connected.recv(65_536):
                    pass
                held.was_hung_up.set()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield held
            assert held.was_hung_up.wait(PATIENCE_S)
        finally:
            thread.join(PATIENCE_S)


def event(rev: int) -> bytes:
    return b"data: " + msgspec.json.encode(Status(1, [summary(rev=rev)])) + b"\n\n"


def test_every_method_of_the_synchronous_client_is_here_and_takes_the_same() -> None:
    assert [
        name for name, value in vars(AsyncClient).items() if callable(value) and not name.startswith("_")
    ] == METHODS
    for name in METHODS:
        theirs, ours = getattr(Client, name), getattr(AsyncClient, name)
        assert inspect.signature(ours) == inspect.signature(theirs), name
        assert ours.__doc__ == theirs.__doc__, name


def test_what_yields_is_a_stream_and_what_happens_comes_at_once(socket: Path) -> None:
    lists = {name for name in METHODS if "Iterator" in str(inspect.signature(getattr(Client, name)).return_annotation)}
    client = AsyncClient(socket)
    made = {name: getattr(client, name) for name in METHODS}
    streams = {name for name in METHODS if not inspect.iscoroutinefunction(made[name])}
    assert streams == lists
    assert {name for name in lists if made[name](*_arguments(name))._lines_at_once == 1} == {"events", "feed", "verify"}


def _arguments(name: str) -> list[str]:
    parameters = list(inspect.signature(getattr(Client, name)).parameters.values())[1:]
    return ["x" for one in parameters if one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD]


def test_it_is_imported_from_beside_the_synchronous_one() -> None:
    assert client_module.AsyncClient is AsyncClient
    with pytest.raises(AttributeError, match="Another"):
        client_module.Another  # noqa: B018


def test_shapes_come_back_as_they_were_sent(fake: FakeDaemon, run: Run) -> None:
    fake.on("GET", "/daemon", daemon_info())
    fake.on("POST", "/clusters/books/pins", lambda request: {"added": len(request.lines), "removed": 0, "absent": []})

    async def talk(client: AsyncClient) -> None:
        assert await client.daemon() == daemon_info()
        written = await client.write_pins("books", (PinRequest(cid=CID, name=f"{number}") for number in range(5_000)))
        assert written.added == 5_000

    run(talk)


def test_lists_come_page_by_page(fake: FakeDaemon, run: Run) -> None:
    def page(request: Request) -> object:
        limit, offset = int(request.query["limit"][0]), int(request.query["offset"][0])
        return [pin_line(name=str(number)) for number in range(offset, min(offset + limit, PAGE + 7))]

    fake.on("GET", "/clusters/books/pins", page)
    fake.on("GET", "/clusters/books/peers", [])

    async def talk(client: AsyncClient) -> None:
        assert [int(pin.name) async for pin in client.pins("books")] == list(range(PAGE + 7))
        assert [int(pin.name) async for pin in client.pins("books", limit=3, offset=5)] == [5, 6, 7]
        assert [peer async for peer in client.peers("books")] == []

    run(talk)


def test_errors_are_raised_where_they_are_awaited(fake: FakeDaemon, run: Run) -> None:
    fake.on("GET", "/status", Conflict("What", where="here"))
    gone = {"error": {"code": "node_down", "what": "gone", "where": "", "means": "", "next_step": ""}}
    fake.on("GET", "/clusters/books/pinset", [pin_object(), gone])

    async def talk(client: AsyncClient) -> None:
        with pytest.raises(Conflict, match="What"):
            await client.status()
        stream = client.peers("films")
        with pytest.raises(NotFound):
            await anext(stream)
        pins = client.pinset("books")
        with pytest.raises(NodeDown, match="gone"):
            await anext(pins)
        with pytest.raises(Conflict, match="broken off"):
            await anext(pins)

    run(talk)


def test_nobody_at_the_socket(run: Run) -> None:
    async def talk(client: AsyncClient) -> None:
        with pytest.raises(DaemonNotRunning):
            await client.daemon()

    run(talk)


def test_a_list_that_breaks_off_is_no_short_list(fake: FakeDaemon, run: Run) -> None:
    fake.on("GET", "/clusters/books/pinset", [pin_object() for _ in range(10)])
    fake.cut_after = 1_000

    async def talk(client: AsyncClient) -> None:
        with pytest.raises(WorldFault):
            [pin async for pin in client.pinset("books")]

    run(talk)


def test_who_is_cancelled_does_not_wait_and_hangs_up(socket: Path, run: Run) -> None:
    with holding(socket, b"") as held:

        async def talk(client: AsyncClient) -> None:
            async with anyio.create_task_group() as group:
                group.start_soon(client.daemon)
                await anyio.to_thread.run_sync(held.asked.wait)
                group.cancel_scope.cancel()
            assert await anyio.to_thread.run_sync(held.was_hung_up.wait, PATIENCE_S)

        run(talk)


def test_a_cancelled_list_is_broken_off_and_never_goes_on(socket: Path, run: Run) -> None:
    with holding(socket, event(1)) as held:

        async def talk(client: AsyncClient) -> None:
            feed = client.feed()
            first = await anext(feed)
            assert first is not None and first.clusters[0].rev == 1, "at once, though nothing follows"
            with anyio.move_on_after(0.05) as scope:
                await anext(feed)
            assert scope.cancelled_caught
            assert await anyio.to_thread.run_sync(held.was_hung_up.wait, PATIENCE_S)
            with pytest.raises(Conflict, match="broken off"):
                await anext(feed)

        run(talk)


def test_who_has_enough_says_so(socket: Path, run: Run) -> None:
    with holding(socket, event(1)) as held:

        async def talk(client: AsyncClient) -> None:
            async with client.feed() as feed:
                async for _ in feed:
                    break
            assert await anyio.to_thread.run_sync(held.was_hung_up.wait, PATIENCE_S)
            with pytest.raises(Conflict, match="broken off"):
                await anext(feed)

        run(talk)


def test_closing_a_list_that_was_read_to_its_end_changes_nothing(fake: FakeDaemon, run: Run) -> None:
    fake.on("GET", "/clusters/books/pinset", [pin_object()])

    async def talk(client: AsyncClient) -> None:
        async with client.pinset("books") as pins:
            assert len([pin async for pin in pins]) == 1
        with pytest.raises(StopAsyncIteration):
            await anext(pins)

    run(talk)


def test_two_tasks_cannot_share_a_list(socket: Path, run: Run) -> None:
    with holding(socket, event(1)):

        async def talk(client: AsyncClient) -> None:
            async with client.feed() as feed, anyio.create_task_group() as group:
                await anext(feed)
                group.start_soon(anext, feed)
                await anyio.wait_all_tasks_blocked()
                with pytest.raises(anyio.BusyResourceError):
                    await anext(feed)
                group.cancel_scope.cancel()

        run(talk)


def test_a_hundred_questions_at_once_take_turns(fake: FakeDaemon, run: Run) -> None:
    fake.on("GET", "/daemon", daemon_info())

    async def talk(client: AsyncClient) -> None:
        async with anyio.create_task_group() as group:
            for _ in range(100):
                group.start_soon(client.daemon)
        assert len(fake.requests) == 100

    run(talk)
    assert limits.CLIENT_QUESTIONS_AT_ONCE_MAX < 100


def test_a_daemon_that_goes_away_is_lost(fake: FakeDaemon, run: Run) -> None:
    fake.on("GET", "/status", ConnectionResetError())

    async def talk(client: AsyncClient) -> None:
        with pytest.raises(DaemonLost):
            await client.status()

    run(talk)
