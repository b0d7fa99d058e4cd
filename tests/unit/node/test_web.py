from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock

from pincrew import limits
from pincrew.errors import Misuse
from pincrew.node import web
from pincrew.node.web import Answer, Server, ServerFailed, ServerStalled
from support.web_server import Exchange, Script, WebServer, web_server

DEADLINE_S = 10.0


def ask(script: Script, then: Callable[[Answer], Awaitable[None]], *, times: int = 1) -> WebServer:
    async def main() -> WebServer:
        with trio.fail_after(DEADLINE_S):
            async with web_server(script) as served:
                server = Server(served.url + "/base/")
                async with server.open() as asking:
                    for _ in range(times):
                        async with asking.get("/path?query=1", "text/plain") as answer:
                            await then(answer)
                return served

    return trio.run(main)


async def read_all(answer: Answer) -> bytes:
    body = b""
    while chunk := await answer.read():
        body += chunk
    return body


async def nothing(_answer: Answer) -> None:
    return


def test_an_answer_is_read_to_its_end() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.begin(200, "text/plain; charset=utf-8")
        for piece in (b"one", b"two", b""):
            await exchange.chunk(piece)

    async def then(answer: Answer) -> None:
        assert (answer.status, answer.content_type, answer.is_local) == (200, "text/plain", True)
        assert await read_all(answer) == b"onetwo"
        assert await answer.read() == b""

    served = ask(script, then)
    assert served.paths == ["/base/path?query=1"]
    assert served.asked[0].headers["accept"] == "text/plain"
    assert served.asked[0].headers["accept-encoding"] == "identity"


async def endless(exchange: Exchange) -> None:
    await exchange.begin(200, "text/plain")
    while True:
        await exchange.chunk(bytes(1_000))


def test_an_answer_may_be_left_in_the_middle() -> None:
    async def once(answer: Answer) -> None:
        assert await answer.read()

    ask(endless, once, times=3)
    ask(endless, nothing, times=3)


def test_what_the_reader_raises_and_a_cancellation_pass_through() -> None:
    async def angry(answer: Answer) -> None:
        await answer.read()
        raise KeyError

    async def cancelled(answer: Answer) -> None:
        with trio.CancelScope() as scope:
            while await answer.read():
                scope.cancel()
        assert scope.cancelled_caught

    with pytest.raises(KeyError):
        ask(endless, angry)
    ask(endless, cancelled)


def test_an_answer_that_is_cut_short() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.begin(200, "text/plain", length=100)
        await exchange.stream.send_all(b"only this")

    async def then(answer: Answer) -> None:
        await read_all(answer)

    with pytest.raises(ServerFailed, match="cut short"):
        ask(script, then)


def test_a_silent_server_has_stalled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "WEB_SILENCE_TIMEOUT_S", 0.05)

    async def script(_exchange: Exchange) -> None:
        await trio.sleep_forever()

    with pytest.raises(ServerStalled):
        ask(script, nothing)


def test_nobody_there() -> None:
    async def main() -> None:
        async with web_server(endless) as served:
            url = served.url
        async with Server(url).open() as asking:
            with pytest.raises(ServerFailed, match="No connection"):
                async with asking.get("/", "text/plain"):
                    pass

    trio.run(main)


def test_an_encoding_that_was_not_asked_for() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.answer(200, body=b"x", Content_Encoding="gzip")

    with pytest.raises(ServerFailed, match="encoding"):
        ask(script, nothing)


def test_redirects_below_the_same_host_are_followed() -> None:
    async def script(exchange: Exchange) -> None:
        if exchange.path.startswith("/base"):
            await exchange.answer(302, body=b"elsewhere", Location="/there")
        else:
            await exchange.answer(200, body=b"here")

    async def then(answer: Answer) -> None:
        assert await read_all(answer) == b"here"

    assert ask(script, then).paths == ["/base/path?query=1", "/there"]


@pytest.mark.parametrize(
    "target",
    [
        "http://example.org/",
        "http://localhost/",
        "ftp://127.0.0.1/",
        "http://[::",
        "http://not127.0.0.1/",
        "/base/path",
    ],
)
def test_other_redirects_are_not(target: str) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.answer(301, Location=target)

    with pytest.raises(ServerFailed, match=r"redirects|not HTTP"):
        ask(script, nothing)


@pytest.mark.parametrize(
    "url",
    ["", "example.org", "ftp://example.org", "http://", "http://user:word@host", "http://host:99999", "http://h?q"],
)
def test_what_is_no_address_of_a_server(url: str) -> None:
    with pytest.raises(Misuse):
        Server(url)


def test_a_server_rests_longer_with_each_failure() -> None:
    async def main() -> None:
        server = Server("http://example.org")
        rests = []
        for _ in range(10):
            server.failed()
            rests.append(server.rests_until - trio.current_time())
        assert rests[0] == limits.WEB_REST_S_MIN
        assert rests[1] == 2 * rests[0]
        assert rests[-1] == limits.WEB_REST_S_MAX
        server.worked()
        server.failed()
        assert server.is_resting
        await trio.sleep(limits.WEB_REST_S_MIN)
        assert not server.is_resting

    trio.run(main, clock=MockClock(autojump_threshold=0))


def test_how_long_a_server_asks_to_be_left_alone() -> None:
    async def main() -> None:
        said: list[float | None] = []
        for text in ("120", "Wed, 21 Oct 2015 07:28:00 GMT", "-1", "9" * 20, ""):

            async def script(exchange: Exchange, text: str = text) -> None:
                await exchange.answer(429, Retry_After=text)

            async with (
                web_server(script) as served,
                Server(served.url).open() as asking,
                asking.get("/", "text/plain") as answer,
            ):
                said.append(answer.retry_after_s)
        assert said == [120.0, None, None, None, None]

    trio.run(main)
