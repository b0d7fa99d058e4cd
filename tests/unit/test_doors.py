"""The HTTP doors: they open, and they close whoever is in between."""

from __future__ import annotations

import gc
import os
import socket
import ssl
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from pincrew import limits
from pincrew.doors import Tls, checked_local, checked_tls, serve_socket, serve_tcp
from pincrew.errors import Misuse, PortInUse, unwrapped
from support.certificates import certificate_in

DEADLINE_S = 20.0


async def endless(_scope: Any, _receive: Any, send: Any) -> None:
    """Answer for as long as anybody takes it."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while True:
        await send({"type": "http.response.body", "body": bytes(1 << 20), "more_body": True})


async def hello(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello", "more_body": False})


@pytest.mark.slow
def test_a_client_that_stops_reading_does_not_keep_a_door_open(tmp_path: Path) -> None:
    async def main() -> None:
        stopping = trio.Event()
        with trio.fail_after(DEADLINE_S):
            async with trio.open_nursery() as nursery:
                await nursery.start(partial(serve_socket, endless, tmp_path / "door", stopping))
                async with await trio.open_unix_socket(str(tmp_path / "door")) as client:
                    await client.send_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                    assert await client.receive_some(100)  # it has begun; from here on nobody reads
                    stopping.set()
                    while (tmp_path / "door").exists():  # noqa: ASYNC110 (a file tells nobody that it is gone)
                        await trio.sleep(0.01)

    trio.run(main)


def test_a_socket_is_its_user_s_alone_and_what_others_make_meanwhile_is_not() -> None:
    masks: list[int] = []

    async def watching(scope: Any, _receive: Any, _send: Any) -> None:
        if scope["type"] == "lifespan":  # before hypercorn opens anything
            masks.append(os.umask(0o022))
            os.umask(masks[-1])
            raise ValueError("it knows no lifespan")

    async def main(path: Path) -> None:
        stopping = trio.Event()
        before = os.umask(0o027)
        try:
            with trio.fail_after(DEADLINE_S):
                async with trio.open_nursery() as nursery:
                    await nursery.start(partial(serve_socket, watching, path, stopping))
                    assert (await trio.Path(path).stat()).st_mode & 0o777 == 0o600
                    stopping.set()
        finally:
            assert os.umask(before) == 0o027

    with tempfile.TemporaryDirectory() as folder:
        trio.run(main, Path(folder) / "door")
    assert masks == [0o027]


@pytest.mark.parametrize("address", ["127.0.0.1:x", "127.0.0.1", "127.0.0.1:99999", "", "127.0.0.1:-1"])
def test_what_is_no_address_is_a_sentence(address: str) -> None:
    async def main() -> None:
        with pytest.raises(Misuse, match="HOST:PORT") as caught:
            await serve_tcp(hello, address, "`--here`", trio.Event())
        assert "--here" in caught.value.sentence

    trio.run(main)


def test_an_address_that_is_taken_is_a_sentence_and_leaves_nothing_open() -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            with pytest.raises(PortInUse) as caught, unwrapped():
                await serve_tcp(hello, address, "`--here`", trio.Event())
        assert address in caught.value.sentence and "--here" in caught.value.sentence

    trio.run(main)
    gc.collect()  # a socket that was left open is a warning, and warnings are errors


def test_a_tcp_door_says_where_it_is() -> None:
    async def main() -> None:
        stopping = trio.Event()
        with trio.fail_after(DEADLINE_S):
            async with trio.open_nursery() as nursery:
                url = await nursery.start(partial(serve_tcp, hello, "127.0.0.1:0", "nobody", stopping))
                host, _, port = url.removeprefix("http://").partition(":")
                async with await trio.open_tcp_stream(host, int(port)) as client:
                    await client.send_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                    answer = b"".join([piece async for piece in client])
                assert answer.startswith(b"HTTP/1.1 200") and answer.endswith(b"hello\r\n0\r\n\r\n")
                stopping.set()

    trio.run(main)


@asynccontextmanager
async def opened(app: Any, tls: Tls | None = None) -> AsyncIterator[int]:
    """Open a TCP door; yield its port."""
    stopping = trio.Event()
    async with trio.open_nursery() as nursery:
        url = await nursery.start(partial(serve_tcp, app, "127.0.0.1:0", "nobody", stopping, tls=tls))
        assert url.startswith("http://" if tls is None else "https://")
        yield int(url.rpartition(":")[2])
        stopping.set()


def trio_test(test: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        with trio.fail_after(DEADLINE_S):
            await test()

    trio.run(main)


def trusting(certificate: Path) -> ssl.SSLContext:
    """Return what a client knows that trusts this certificate alone."""
    return ssl.create_default_context(cafile=certificate)


async def over_tls(port: int, context: ssl.SSLContext) -> trio.SSLStream[trio.SocketStream]:
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    secure = trio.SSLStream(stream, context, server_hostname="127.0.0.1", https_compatible=True)
    try:
        await secure.do_handshake()
    except BaseException:
        await trio.aclose_forcefully(secure)
        raise
    return secure


def test_a_door_with_tls(tmp_path: Path) -> None:
    tls = checked_tls(*certificate_in(tmp_path), "me")

    async def test() -> None:
        async with opened(hello, tls) as port:
            context = trusting(tls.certificate)
            context.set_alpn_protocols(["h2", "http/1.1"])
            async with await over_tls(port, context) as client:
                assert client.selected_alpn_protocol() == "http/1.1"
                await client.send_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                answer = b"".join([piece async for piece in client])
                assert answer.startswith(b"HTTP/1.1 200") and b"hello" in answer

    trio_test(test)


def test_what_is_no_tls_or_too_old_is_hung_up_on(tmp_path: Path) -> None:
    tls = checked_tls(*certificate_in(tmp_path), "me")

    async def test() -> None:
        async with opened(hello, tls) as port:
            async with await trio.open_tcp_stream("127.0.0.1", port) as client:
                await client.send_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                assert b"HTTP" not in b"".join([piece async for piece in client])
            old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
            old.set_ciphers("ALL:@SECLEVEL=0")
            with pytest.warns(DeprecationWarning):
                old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
            with pytest.raises(trio.BrokenResourceError):
                await over_tls(port, old)
            async with await over_tls(port, trusting(tls.certificate)):
                pass  # the door is still open for others

    trio_test(test)


@pytest.mark.slow
def test_a_client_that_stops_reading_does_not_keep_a_door_with_tls_open(tmp_path: Path) -> None:
    tls = checked_tls(*certificate_in(tmp_path), "me")

    async def test() -> None:
        async with opened(endless, tls) as port:
            client = await over_tls(port, trusting(tls.certificate))
            await client.send_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert await client.receive_some(100)  # it has begun; from here on nobody reads
        await trio.aclose_forcefully(client)

    trio_test(test)


@pytest.mark.slow
def test_a_client_that_says_nothing_is_hung_up_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before its head is whole: with TLS, without, and with half a head."""
    monkeypatch.setattr(limits, "HTTP_IDLE_TIMEOUT_S", 0.2)
    monkeypatch.setattr(limits, "HTTP_HANDSHAKE_TIMEOUT_S", 0.2)
    tls = checked_tls(*certificate_in(tmp_path), "me")

    async def test() -> None:
        for kind, words in ((tls, b""), (None, b""), (None, b"GET / HTTP/1.1\r\nHo")):
            async with opened(hello, kind) as port, await trio.open_tcp_stream("127.0.0.1", port) as client:
                if words:
                    await client.send_all(words)
                assert b"200" not in b"".join([piece async for piece in client])

    trio_test(test)


@pytest.mark.parametrize(
    "words",
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings, close\r\n"
        b"HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n",
    ],
)
def test_there_is_no_way_to_http_2(words: bytes) -> None:
    async def test() -> None:
        async with opened(hello) as port, await trio.open_tcp_stream("127.0.0.1", port) as client:
            await client.send_all(words)
            answer = b"".join([piece async for piece in client])
            assert answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 4")) and b"101" not in answer.splitlines()[0]

    trio_test(test)


def test_a_head_without_end_is_431() -> None:
    async def test() -> None:
        async with opened(hello) as port, await trio.open_tcp_stream("127.0.0.1", port) as client:
            await client.send_all(b"GET / HTTP/1.1\r\nX: " + b"x" * (limits.HTTP_HEAD_BYTES_MAX + 1))
            assert (await client.receive_some()).startswith(b"HTTP/1.1 431")

    trio_test(test)


def test_pairs_that_cannot_be_served_with(tmp_path: Path) -> None:
    good = certificate_in(tmp_path / "good")
    other = certificate_in(tmp_path / "other")
    locked = certificate_in(tmp_path / "locked", password=b"secret")
    (tmp_path / "empty").touch()
    for certificate, key in (
        (good[0], other[1]),
        (good[1], good[0]),
        (good[0], tmp_path / "nowhere"),
        (tmp_path / "nowhere", good[1]),
        (good[0], tmp_path / "empty"),
        (good[0], tmp_path),
        locked,
    ):
        with pytest.raises(Misuse, match=r"cannot be served with.*Nothing listens") as caught:
            checked_tls(certificate, key, "rest_tls_cert")
        assert caught.value.where == "rest_tls_cert"
    assert checked_tls(*good, "me") == Tls(*good)


@pytest.mark.parametrize("address", ["127.0.0.1:0", "localhost:80", "[::1]:5001"])
def test_an_address_of_this_machine(address: str) -> None:
    assert checked_local(address, "me", "do harm") == address


@pytest.mark.parametrize("address", ["0.0.0.0:80", "[::]:80", "203.0.113.7:80", "example.org:80", ":80", "80", ""])
def test_any_other_address_is_refused(address: str) -> None:
    with pytest.raises(Misuse, match=r"do harm.*Nothing listens there"):
        checked_local(address, "me", "do harm")
