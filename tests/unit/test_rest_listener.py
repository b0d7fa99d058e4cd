"""Where the REST API may be offered, and under which conditions."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import trio

from pincrew import limits
from pincrew.ctl.client import Client
from pincrew.ctl.faults import Refused
from pincrew.ctl.hosts import Endpoint, endpoint_of
from pincrew.errors import Misuse, PortInUse, StoreFault, unwrapped
from pincrew.paths import ClusterPaths
from pincrew.rest.access import Scope
from pincrew.rest.contract import RestDoor
from pincrew.rest_listener import checked_rest_streams, serve_rest, serve_rest_socket, serve_rest_streams
from pincrew.settings import ClusterSettings
from pincrew.tokens import TokenBook
from support.certificates import certificate_in
from support.crew import Member, running
from support.rest_door import WritingDoor
from support.shape_examples import CID

DEADLINE_S = 20.0
SECRET = bytes(range(32))  # of a closed cluster: whoever has it is asked all the same


@dataclass
class Offered:
    """What is asked of a cluster here."""

    paths: ClusterPaths
    rest: RestDoor
    name: str = "books"
    peer: Any = None


@pytest.fixture
def paths(tmp_path: Path) -> ClusterPaths:
    folder = tmp_path / "books"
    folder.mkdir()
    return ClusterPaths(folder)


def local(**settings: Any) -> ClusterSettings:
    return ClusterSettings(cluster_id="ab" * 32, **settings)


@asynccontextmanager
async def offered(paths: ClusterPaths, settings: ClusterSettings, address: str) -> AsyncIterator[str]:
    """Offer it; yield the URL."""
    cluster: Any = Offered(paths, WritingDoor())
    ended = trio.Event()
    with unwrapped(), trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            yield await nursery.start(partial(serve_rest, cluster, settings, address, ended))
            ended.set()


def asked(test: Callable[[], Awaitable[None]]) -> None:
    trio.run(test)


async def status(url: str, verify: ssl.SSLContext | bool = True, **more: Any) -> int:
    """Ask who is there; return the status of the answer."""
    async with httpx.AsyncClient(verify=verify) as client:
        return (await client.get(f"{url}/id", **more)).status_code


def refused(paths: ClusterPaths, settings: ClusterSettings, address: str, words: str) -> None:
    async def test() -> None:
        with pytest.raises(Misuse, match=words):
            async with offered(paths, settings, address):
                raise AssertionError("it listens")

    asked(test)


def test_loopback_is_open_until_there_is_a_token(paths: ClusterPaths) -> None:
    async def test() -> None:
        async with offered(paths, local(), "127.0.0.1:0") as url:
            assert url.startswith("http://127.0.0.1:") and not url.endswith("/")
            assert await status(url) == 200
            assert await status(url, headers={"Host": "evil.example"}) == 403
            made, text = TokenBook(paths.tokens).make(Scope.READ, name="", now_ms=0, expires=None)
            bearer = {"Authorization": f"Bearer {text}"}
            assert (await status(url), await status(url, headers=bearer)) == (401, 200)
            TokenBook(paths.tokens).revoke(made.id)
            assert await status(url, headers=bearer) == 401

    asked(test)


def test_users_have_passwords(paths: ClusterPaths) -> None:
    async def test() -> None:
        async with offered(paths, local(rest_users=("ana:secret",)), "127.0.0.1:0") as url:
            assert (await status(url), await status(url, auth=("ana", "secret"))) == (401, 200)

    asked(test)


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "127.0.0.2:0"])
def test_a_public_address_wants_users_or_tokens(paths: ClusterPaths, address: str) -> None:
    refused(paths, local(), address, r"could change the list of books.*Nothing listens.*`pincrew token new -c books`")


def test_a_public_address_with_one_or_forced(paths: ClusterPaths) -> None:
    async def test() -> None:
        for settings, expected in (
            (local(rest_unprotected=True), 200),
            (local(rest_users=("ana:secret",)), 401),
        ):
            async with offered(paths, settings, "0.0.0.0:0") as url:
                here = url.replace("0.0.0.0", "127.0.0.1")
                assert await status(here, headers={"Host": "pins.example.org"}) == expected
                assert await status(here, headers={"Origin": "https://evil.example"}) == 403
        TokenBook(paths.tokens).make(Scope.READ, name="", now_ms=0, expires=1)
        async with offered(paths, local(), "0.0.0.0:0") as url:
            assert await status(url.replace("0.0.0.0", "127.0.0.1")) == 401, "a token that is over still has it asked"

    asked(test)


def test_every_page_wants_users_or_tokens(paths: ClusterPaths) -> None:
    everyone = local(rest_cors_origins=("*",))
    refused(paths, everyone, "127.0.0.1:0", r"Every web page.*`pincrew token new -c books`")

    async def test() -> None:
        async with offered(paths, local(rest_cors_origins=("*",), rest_users=("ana:secret",)), "127.0.0.1:0") as url:
            assert await status(url, auth=("ana", "secret"), headers={"Origin": "https://any.example"}) == 200

    asked(test)


@pytest.mark.parametrize("address", ["9094", ":9094", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "127.0.0.1"])
def test_what_is_no_address(paths: ClusterPaths, address: str) -> None:
    refused(paths, local(), address, "is not HOST:PORT")


def test_where_none_is_named_there_is_the_usual_port_or_a_free_one(paths: ClusterPaths) -> None:
    async def test() -> None:
        async with offered(paths, local(), "") as first, offered(paths, local(), "") as second:
            assert first != second and second != "http://127.0.0.1:9094"
            assert await status(first) == await status(second) == 200

    asked(test)


def test_a_port_that_is_taken(paths: ClusterPaths) -> None:
    async def test() -> None:
        async with offered(paths, local(), "127.0.0.1:0") as url:
            with pytest.raises(PortInUse, match="--rest"):
                async with offered(paths, local(), url.removeprefix("http://")):
                    raise AssertionError("it listens")

    asked(test)


def test_damaged_tokens_open_no_door(paths: ClusterPaths) -> None:
    paths.tokens.write_text("format = 1")

    async def test() -> None:
        with pytest.raises(StoreFault, match="Nobody gets in"):
            async with offered(paths, local(), "127.0.0.1:0"):
                raise AssertionError("it listens")

    asked(test)


def test_tls_with_files_of_the_cluster(paths: ClusterPaths) -> None:
    certificate, _ = certificate_in(paths.folder / "tls")
    settings = local(rest_tls_cert="tls/cert.pem", rest_tls_key=str(paths.folder / "tls" / "key.pem"))

    async def test() -> None:
        async with offered(paths, settings, "127.0.0.1:0") as url:
            assert url.startswith("https://127.0.0.1:")
            assert await status(url, verify=ssl.create_default_context(cafile=certificate)) == 200
            with pytest.raises(httpx.ConnectError):
                await status(url)

    asked(test)


def test_a_wrong_pair_opens_nothing(paths: ClusterPaths) -> None:
    certificate_in(paths.folder / "one")
    certificate_in(paths.folder / "two")
    wrong = local(rest_tls_cert="one/cert.pem", rest_tls_key="two/key.pem")
    refused(paths, wrong, "127.0.0.1:0", "cannot be served with.*rest_tls_cert and rest_tls_key")


def test_the_socket_asks_nobody(paths: ClusterPaths) -> None:
    TokenBook(paths.tokens).make(Scope.READ, name="", now_ms=0, expires=None)
    path = paths.folder / "api-socket"

    async def test() -> None:
        cluster: Any = Offered(paths, WritingDoor())
        ended = trio.Event()
        with trio.fail_after(DEADLINE_S):
            async with trio.open_nursery() as nursery:
                await nursery.start(partial(serve_rest_socket, cluster, path, ended))
                assert path.stat().st_mode & 0o777 == 0o600
                async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(path))) as client:
                    assert (await client.get("http://restapi/id")).status_code == 200
                ended.set()

    asked(test)


def test_only_so_many_are_served_at_once(paths: ClusterPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REST_CONNECTIONS_MAX", 2)

    async def test() -> None:
        async with offered(paths, local(), "127.0.0.1:0") as url:
            host, port = url.removeprefix("http://").split(":")
            kept = [await trio.open_tcp_stream(host, int(port)) for _ in range(2)]
            for stream in kept:  # answered, and open for the next request
                await stream.send_all(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                assert b"204" in await stream.receive_some()
            third = await trio.open_tcp_stream(host, int(port))
            with suppress(trio.BrokenResourceError):
                assert await third.receive_some() == b"", "it is hung up on"
            for stream in (*kept, third):
                await stream.aclose()
            with trio.fail_after(limits.HTTP_IDLE_TIMEOUT_S / 2):  # nobody waits for who has hung up
                while True:
                    with suppress(httpx.HTTPError):
                        assert await status(url) == 200
                        break

    asked(test)


def test_who_guesses_passwords_is_braked_and_tokens_are_not(paths: ClusterPaths) -> None:
    async def test() -> None:
        _, text = TokenBook(paths.tokens).make(Scope.READ, name="", now_ms=0, expires=None)
        async with offered(paths, local(rest_users=("ana:secret",)), "127.0.0.1:0") as url:
            assert await status(url) == await status(url, headers={"Authorization": "Bearer wrong"}) == 401
            for _ in range(limits.GUESSES_MAX):
                assert await status(url, auth=("ana", "secret")) == 200, "what is right costs nothing"
            for number in range(limits.GUESSES_MAX):
                assert await status(url, auth=("ana", f"wrong {number}")) == 401
            for password in ("wrong", "secret"):
                async with httpx.AsyncClient() as client:
                    answer = await client.get(f"{url}/id", auth=("ana", password))
                assert answer.status_code == 429 and 0 < int(answer.headers["Retry-After"]) <= limits.GUESS_WINDOW_S
                assert answer.json()["code"] == 429
            assert await status(url, headers={"Authorization": f"Bearer {text}"}) == 200
            assert await status(url) == 401

    asked(test)


# ---- over libp2p ---------------------------------------------------------------------------------------------------
def test_nothing_is_offered_over_libp2p_where_nobody_would_be_asked(paths: ClusterPaths) -> None:
    with pytest.raises(Misuse, match=r"could change its list.*rest_libp2p.*`pincrew token new -c books`"):
        checked_rest_streams(paths, local(rest_libp2p=True, rest_unprotected=True))


def test_over_libp2p_a_file_that_vanishes_opens_nothing(paths: ClusterPaths) -> None:
    TokenBook(paths.tokens).make(Scope.READ, name="", now_ms=0, expires=None)
    rules = checked_rest_streams(paths, local(rest_libp2p=True))
    paths.tokens.unlink()
    assert rules.keys.are_needed() and not rules.is_for_browsers


def test_over_libp2p_everybody_is_asked_every_time(paths: ClusterPaths) -> None:
    made, text = TokenBook(paths.tokens).make(Scope.ADMIN, name="", now_ms=0, expires=None)

    async def test() -> None:
        member = Member(1, secret=SECRET)
        cluster: Any = Offered(paths, WritingDoor(), peer=SimpleNamespace(network=member.network))
        async with running(member) as nursery:
            ended = trio.Event()
            await nursery.start(serve_rest_streams, cluster, local(), ended)
            await trio.to_thread.run_sync(ask_all, endpoint_of(member.network.addresses[0]), text)
            TokenBook(paths.tokens).revoke(made.id)
            paths.tokens.unlink()
            await trio.to_thread.run_sync(ask_all, endpoint_of(member.network.addresses[0]), None)
            ended.set()

    def ask_all(endpoint: Endpoint, token: str | None) -> None:
        with closing(Client([endpoint], secret=SECRET)) as client:
            for method, path in (("GET", "/id"), ("GET", "/health"), ("OPTIONS", "/id"), ("POST", f"/pins/{CID}")):
                with pytest.raises(Refused) as caught:
                    client.object(method, path)
                assert caught.value.fault.code == 401
            client._headers += [("Authorization", f"Bearer {token}"), ("Origin", "https://evil.example")]
            if token is not None:
                assert client.object("GET", "/id")["peername"] == "ana"
                assert len(list(client.stream("GET", "/allocations"))) == 2
                assert client.object("POST", f"/pins/{CID}")["cid"] == CID
            else:
                with pytest.raises(Refused):
                    client.object("GET", "/id")

    asked(test)
