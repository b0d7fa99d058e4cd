"""Fetching from servers that behave and from those that do not: one sentence with the address, in bounded time."""

from __future__ import annotations

import gzip
import os
import socket
import tracemalloc
from pathlib import Path

import pytest
import trio
from pincrew.follow.fetching import Fetched, NotModified, fetch
from pincrew.follow.source import parse_source

from pincrew import limits
from pincrew.errors import Malformed, PincrewError, SourceUnreachable
from support import sources
from support.sources import Answer, run, web_server

RAW = b"format = 1\n" * 100


async def fetched(url: str, etag: str = "", timeout_s: float = 30.0) -> Fetched | NotModified:
    return await fetch(parse_source(url, Path("/")), gateway="", etag=etag, timeout_s=timeout_s)


async def refused(url: str, timeout_s: float = 30.0) -> PincrewError:
    with pytest.raises((SourceUnreachable, Malformed)) as caught:
        await fetched(url, timeout_s=timeout_s)
    assert caught.value.where
    assert caught.value.next_step
    return caught.value


def check_refusal(answer: Answer, words: str, kind: type[PincrewError] = SourceUnreachable) -> None:
    async def test() -> None:
        async with web_server(answer) as server:
            error = await refused(f"{server.url}/c.toml")
            assert isinstance(error, kind)
            assert words in error.sentence
            assert server.url in error.sentence or not words

    run(test)


def test_a_document_is_fetched_with_its_etag_and_asked_for_again() -> None:
    async def test() -> None:
        async with web_server(sources.document_with_etag(RAW, '"v1"')) as server:
            assert await fetched(server.url) == Fetched(RAW, '"v1"')
            assert await fetched(server.url, '"v1"') == NotModified()
            assert await fetched(server.url, '"v0"') == Fetched(RAW, '"v1"')
            assert "pincrew/" in server.requests[0]

    run(test)


def test_a_packed_document_is_unpacked() -> None:
    async def test() -> None:
        async with web_server(sources.body(gzip.compress(RAW), "Content-Encoding: gzip")) as server:
            assert await fetched(server.url) == Fetched(RAW)

    run(test)


def test_five_redirects_are_followed_and_a_sixth_is_not() -> None:
    def answer(redirects: int) -> Answer:
        async def step(stream: trio.SocketStream, head: str) -> None:
            n = int(head.split()[1].lstrip("/") or 0)
            await (sources.redirect(f"/{n + 1}") if n < redirects else sources.body(RAW))(stream, head)

        return step

    async def test() -> None:
        async with web_server(answer(5)) as server:
            assert await fetched(server.url) == Fetched(RAW)
        async with web_server(answer(6)) as server:
            assert "more than 5 times" in (await refused(server.url)).what

    run(test)


def test_a_redirect_loop_ends() -> None:
    check_refusal(sources.redirect("/c.toml"), "more than 5 times")


def test_a_redirect_to_a_file_is_refused() -> None:
    check_refusal(sources.redirect("file:///etc/passwd"), "sends us on")


def test_a_redirect_to_nonsense_is_refused() -> None:
    check_refusal(sources.redirect("http://[::1"), "not HTTP")


@pytest.mark.parametrize("length", ["Transfer-Encoding: chunked", "Content-Length: 100000000", "X: y"])
def test_ten_megabytes_are_not_read(length: str) -> None:
    check_refusal(sources.endless(length), "more than 256 KiB", Malformed)


def test_a_small_bomb_that_unpacks_to_much_stays_small() -> None:
    async def test() -> None:
        async with web_server(sources.bomb()) as server:
            tracemalloc.start()
            try:
                error = await refused(server.url)
                assert tracemalloc.get_traced_memory()[1] < 20_000_000
            finally:
                tracemalloc.stop()
            assert "more than 256 KiB" in error.what

    run(test)


def test_damaged_gzip_is_refused() -> None:
    check_refusal(sources.body(b"no gzip", "Content-Encoding: gzip"), "damaged gzip", Malformed)


def test_gzip_that_ends_early_is_refused() -> None:
    check_refusal(sources.body(gzip.compress(RAW)[:-9], "Content-Encoding: gzip"), "cut short")


def test_an_unknown_encoding_is_refused() -> None:
    check_refusal(sources.body(RAW, "Content-Encoding: br"), "encoding")


def test_a_server_that_never_answers_is_given_up() -> None:
    check_refusal(sources.silence(), "within 30 s")


def test_a_server_that_drips_is_given_up_at_the_same_moment() -> None:
    async def test() -> None:
        async with web_server(sources.drip(RAW)) as server:
            began = trio.current_time()
            error = await refused(server.url, timeout_s=3.0)
            assert "within 3 s" in error.what
            assert trio.current_time() - began < 4.0

    run(test)


def test_the_whole_with_redirects_has_one_deadline() -> None:
    async def slow(stream: trio.SocketStream, head: str) -> None:
        await trio.sleep(2)
        await sources.redirect("/next")(stream, head)

    async def test() -> None:
        async with web_server(slow) as server:
            assert "within 3 s" in (await refused(server.url, timeout_s=3.0)).what

    run(test)


def test_an_answer_cut_short_is_refused() -> None:
    check_refusal(sources.cut_short(RAW), "cut short")


def test_what_is_not_http_is_refused() -> None:
    check_refusal(sources.not_http(), "not HTTP")


@pytest.mark.parametrize("status", ["404 Not Found", "500 Oops", "204 No Content", "304 Not Modified"])
def test_another_status_is_named(status: str) -> None:
    check_refusal(sources.body(b"", status=status), status.split()[0])


def test_nobody_listening_is_named() -> None:
    async def test() -> None:
        async with web_server(sources.body(RAW)) as server:
            url = server.url
        assert "No connection" in (await refused(url)).what

    run(test)


@pytest.mark.parametrize("host", ["xn--", "[v1.x]", "a..b", f"{'a' * 70}.org"])
def test_a_host_name_that_cannot_be_is_named(host: str) -> None:
    with pytest.raises(SourceUnreachable, match=r"cannot be asked|No connection"):
        trio.run(fetched, f"http://{host}/")


@pytest.mark.parametrize("host", ["xn--", "[v1.x]", "a..b"])
def test_a_redirect_to_a_host_name_that_cannot_be_is_named(host: str) -> None:
    check_refusal(sources.redirect(f"http://{host}/"), "")


def test_a_server_that_takes_no_connection_is_given_up_after_the_connect_timeout() -> None:
    async def test() -> None:
        # A listener whose queue is full lets further connections hang, as a firewall that drops packets does.
        with socket.socket() as full, socket.socket() as waiting, socket.socket() as waiting_too:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            for client in (waiting, waiting_too):
                client.setblocking(False)
                client.connect_ex(full.getsockname())
            source = parse_source(f"http://127.0.0.1:{full.getsockname()[1]}/", Path("/"))
            with pytest.raises(SourceUnreachable, match="does not answer"):
                await fetch(source, gateway="", connect_timeout_s=10.0, timeout_s=60.0)

    run(test)


def test_a_name_is_fetched_through_the_gateway() -> None:
    async def test() -> None:
        async with web_server(sources.body(RAW)) as server:
            source = parse_source("crew.example.org", Path("/"))
            assert await fetch(source, gateway=server.url) == Fetched(RAW)
            assert server.requests[0].startswith("GET /ipns/crew.example.org HTTP/1.1")

    run(test)


def test_a_gateway_that_is_down_or_silent_says_to_start_the_node() -> None:
    async def test() -> None:
        source = parse_source("crew.example.org", Path("/"))
        async with web_server(sources.silence()) as server:
            url = server.url
            with pytest.raises(SourceUnreachable, match=r"within 30 s.*IPFS node: start it"):
                await fetch(source, gateway=url)
        with pytest.raises(SourceUnreachable, match=r"No connection.*IPFS node: start it"):
            await fetch(source, gateway=url)

    run(test)


# ---- files --------------------------------------------------------------------------------------------------------


def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_bytes(RAW)
    for text in (str(tmp_path / "c.toml"), f"file://{tmp_path}/c.toml"):
        assert trio.run(fetched, text) == Fetched(RAW)


def test_no_more_of_a_file_is_read_than_a_document_has(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_bytes(bytes(1_000_000))
    found = trio.run(fetched, str(tmp_path / "c.toml"))
    assert isinstance(found, Fetched)
    assert len(found.raw) == limits.CONFIG_DOCUMENT_BYTES_MAX + 1


def test_a_pipe_a_folder_and_nothing_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, words in (("pipe", "not a file"), ("", "not a file|directory"), ("absent", "No such file")):
        with pytest.raises(SourceUnreachable, match=words):
            trio.run(fetched, f"{tmp_path}/{name}")


def test_a_path_that_no_system_has_is_refused() -> None:
    with pytest.raises(SourceUnreachable):
        trio.run(fetched, "/" + "x" * 4000)
