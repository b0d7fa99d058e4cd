"""A real client against a server that does as it likes. The address is shown nowhere."""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence

import pytest
import trio

from pincrew import news_webhook
from pincrew.errors import WorldFault
from pincrew.news_webhook import Webhook, shown_url
from support.web_server import Exchange, Script, web_server

SECRET = "T0K3N"


def post(script: Script, *, delays_s: Sequence[float] = (0.0, 0.0)) -> tuple[str, list[str]]:
    """Return what was answered, or the sentence of the failure, and the paths that were asked."""

    async def main() -> tuple[str, list[str]]:
        with trio.fail_after(60):
            async with web_server(script) as server:
                webhook = Webhook(f"{server.url}/hook/{SECRET}?key={SECRET}", random.Random(1), delays_s=delays_s)
                try:
                    answer = await webhook.tell({}, b'{"kind":"state"}\n')
                except WorldFault as fault:
                    answer = fault.sentence
                return answer, server.paths

    return trio.run(main)


def answers(*codes: int) -> Script:
    left = list(codes)

    async def script(exchange: Exchange) -> None:
        await exchange.answer(left.pop(0))

    return script


def test_it_is_posted_as_json() -> None:
    async def script(exchange: Exchange) -> None:
        assert exchange.headers["content-type"] == "application/json"
        assert exchange.headers["content-length"] == "17"
        await exchange.answer(204)

    assert post(script) == ("204", [f"/hook/{SECRET}?key={SECRET}"])


def test_it_is_tried_again_where_that_may_help() -> None:
    answer, paths = post(answers(503, 429, 200))
    assert (answer, len(paths)) == ("200", 3)


def test_the_tries_are_bounded() -> None:
    answer, paths = post(answers(500, 500, 500, 500))
    assert (answer, len(paths)) == ("http://127.0.0.1/… answers 500 Said.", 3)


def test_it_is_not_tried_again_where_nothing_would_change() -> None:
    answer, paths = post(answers(404, 200))
    assert (answer, len(paths)) == ("http://127.0.0.1/… answers 404 Said.", 1)


def test_one_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(news_webhook, "TELLING_POST_TIMEOUT_S", 0.05)

    async def script(exchange: Exchange) -> None:
        await trio.sleep_forever()

    answer, paths = post(script, delays_s=())
    assert answer == "http://127.0.0.1/… does not answer within 0.05 s."
    assert len(paths) <= 1, "not tried again; on a busy machine the time is over before it is read"


def test_it_follows_redirects_that_stay_on_the_web() -> None:
    async def script(exchange: Exchange) -> None:
        if exchange.path.startswith("/hook/"):
            await exchange.answer(308, Location="/elsewhere")
        else:
            await exchange.answer(200)

    assert post(script)[0] == "200"


@pytest.mark.parametrize("target", ["file:///etc/passwd", "gopher://x/", f"ftp://{SECRET}/"])
def test_it_is_not_sent_away_from_the_web(target: str) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.answer(307, Location=target)

    answer, paths = post(script)
    assert "sends us on to where nobody can be sure who listens" in answer
    assert len(paths) == 1


def test_it_is_not_sent_in_circles() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.answer(302, Location=f"/hook/{SECRET}")

    assert "redirects more than 5 times" in post(script)[0]


def test_the_address_is_shown_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "pincrew")

    async def main() -> None:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listeners[0].socket.getsockname()[1]
        await listeners[0].aclose()  # nobody is there now
        for url in (f"http://127.0.0.1:{port}/{SECRET}", f"http://user:{SECRET}@127.0.0.1:{port}/{SECRET}"):
            with pytest.raises(WorldFault) as caught:
                await Webhook(url, random.Random(1), delays_s=()).tell({}, b"{}")
            assert caught.value.sentence == "http://127.0.0.1/… cannot be reached: ConnectError."

    trio.run(main)
    assert SECRET not in caplog.text
    assert shown_url(f"https://u:{SECRET}@hooks.example.org:8443/{SECRET}?k={SECRET}") == "https://hooks.example.org/…"
