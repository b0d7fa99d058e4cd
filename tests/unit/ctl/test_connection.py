"""One request and its answer: read to the trailers, while the body is still being sent."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from pincrew.ctl.connection import Answer, Request, addresses_of, exchange
from pincrew.ctl.hosts import Endpoint, endpoint_of
from support.rest_peer import RestPeer, Told, read_chunk, running_peer, send_chunk

GET = Request("GET", "/x")


def ask(where: str, request: Request = GET, *, tls: ssl.SSLContext | None = None, timeout_s: float = 30) -> Answer:
    endpoint = endpoint_of(where)
    return exchange(endpoint, addresses_of(endpoint)[0], request, tls=tls, reach_peer=reach_nobody, timeout_s=timeout_s)


def reach_nobody(endpoint: Endpoint, timeout_s: float) -> socket.socket:
    raise ConnectionRefusedError(f"{endpoint.peer} is not asked here")


def body_of(answer: Answer) -> bytes:
    return b"".join(answer.pieces())


@pytest.fixture
def raw() -> Iterator[Callable[[bytes], str]]:
    """Answers the next connection with these bytes, and hangs up."""
    threads = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer(data: bytes) -> str:
            def run() -> None:
                connected, _ = server.accept()
                with connected:
                    connected.recv(65_536)
                    connected.sendall(data)

            threads.append(threading.Thread(target=run))
            threads[-1].start()
            return f"/ip4/127.0.0.1/tcp/{server.getsockname()[1]}"

        yield answer
        for thread in threads:
            thread.join(30)


def test_an_answer_of_a_known_length(peer: RestPeer) -> None:
    peer.on("GET", "/x", {"a": 1})
    answer = ask(peer.host, Request("GET", "/x?b=c", headers=(("X-Y", "z"),)))
    assert (answer.status, body_of(answer)) == (200, b'{"a": 1}')
    [asked] = peer.asked
    assert (asked.query, asked.headers["X-Y"], asked.headers["Host"]) == (
        {"b": "c"}, "z", peer.host.replace("/ip4/", "").replace("/tcp/", ":"),
    )  # fmt: skip


def test_without_a_body(peer: RestPeer) -> None:
    peer.on("POST", "/x", Told(204))
    assert body_of(ask(peer.host, Request("POST", "/x"))) == b""
    assert peer.asked[0].headers["Content-Length"] == "0"


def test_trailers(peer: RestPeer) -> None:
    peer.stream("GET", "/x", {"a": 1}, {"b": 2}, error="it broke")
    answer = ask(peer.host)
    assert body_of(answer) == b'{"a": 1}\n{"b": 2}\n'
    assert answer.trailers["X-Stream-Error"] == "it broke"


def test_a_unix_socket(tmp_path: Path) -> None:
    with running_peer(tmp_path / "api") as peer:
        peer.on("GET", "/x", 5)
        assert body_of(ask(peer.host)) == b"5"
        assert peer.asked[0].headers["Host"] == "restapi"


def test_a_body_goes_in_chunks(peer: RestPeer) -> None:
    peer.on("POST", "/x", 1)
    pieces = [b"a", b"", b"b" * 1_000_000, b"c"]
    assert body_of(ask(peer.host, Request("POST", "/x", body=iter(pieces), content_type="text/x"))) == b"1"
    [asked] = peer.asked
    assert (asked.body, asked.headers["Content-Type"]) == (b"".join(pieces), "text/x")
    assert asked.headers["Transfer-Encoding"] == "chunked"


def _answers_while_it_reads(handler: BaseHTTPRequestHandler) -> bool:
    """Answer each chunk with as much as the connection's buffers hold, so that somebody has to read it."""
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    while chunk := read_chunk(handler):
        send_chunk(handler, chunk * 8)
    handler.wfile.write(b"0\r\n\r\n")
    return True


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that this machine made for itself: with its key, and (`cert.pem` beside it) without."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, SHA256())
        .public_bytes(Encoding.PEM)
    )
    folder = tmp_path_factory.mktemp("tls")
    (folder / "cert.pem").write_bytes(made)
    (folder / "both.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + made)
    return folder / "both.pem"


@pytest.mark.slow
@pytest.mark.parametrize("has_tls", [False, True])
def test_answers_are_read_while_the_body_is_sent(certificate: Path, has_tls: bool) -> None:
    """Who sent all of it first would wait for a peer that waits for a reader."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)
    with running_peer(tls=server if has_tls else None) as peer:
        peer.takes = _answers_while_it_reads
        tls = ssl.create_default_context(cafile=str(certificate.parent / "cert.pem")) if has_tls else None
        made = (b"%04d" % number * 64_000 for number in range(60))
        answer = ask(peer.host, Request("POST", "/x", body=made), tls=tls)
        assert sum(map(len, answer.pieces())) == 60 * 4 * 64_000 * 8


def test_a_certificate_is_checked(certificate: Path) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)
    with running_peer(tls=server) as peer, pytest.raises(ssl.SSLCertVerificationError):
        ask(peer.host, tls=ssl.create_default_context())


def test_an_early_refusal_is_heard(peer: RestPeer) -> None:
    def refuse(handler: BaseHTTPRequestHandler) -> bool:
        handler.send_response(401)
        handler.send_header("Content-Length", "2")
        handler.end_headers()
        handler.wfile.write(b"no")
        handler.close_connection = True
        return True

    peer.takes = refuse
    answer = ask(peer.host, Request("POST", "/x", body=(bytes(100_000) for _ in range(100))))
    assert answer.status == 401
    answer.close()


def test_what_the_body_raises_ends_it(peer: RestPeer) -> None:
    def body() -> Iterator[bytes]:
        yield b"a"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ask(peer.host, Request("POST", "/x", body=body()))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"SSH-2.0-x\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1_000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
    ],
)
def test_what_breaks_off_or_is_wrong_raises(raw: Callable[[bytes], str], data: bytes) -> None:
    with pytest.raises(OSError):
        body_of(ask(raw(data)))


def test_what_came_before_is_there(raw: Callable[[bytes], str]) -> None:
    whole = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nuntil the end"
    assert body_of(ask(raw(whole))) == b"until the end"


def test_time_is_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        where = f"/ip4/127.0.0.1/tcp/{silent.getsockname()[1]}"
        with pytest.raises(TimeoutError):
            ask(where, timeout_s=0.05)
        with pytest.raises(TimeoutError):
            ask(where, Request("POST", "/x", body=iter(lambda: bytes(100_000), b"")), timeout_s=0.2)


def test_addresses() -> None:
    assert addresses_of(Endpoint(path="/a")) == [(socket.AF_UNIX, "/a")]
    assert addresses_of(Endpoint("127.0.0.1", 5)) == [(socket.AF_INET, ("127.0.0.1", 5))]
    with pytest.raises(OSError):
        addresses_of(Endpoint("no.such.host.invalid", 5))
